/// Reads templates, byte by byte and once from the start to the end: nothing else decides what is a tag.
///
/// A line on which nothing stands but the tag of a section, its end or a comment is left out, as Mustache has it. Whether the text after a
/// section is at the start of a line is what it was after the tag that began the section.
struct TemplateParser {
    /// A section that was begun and not ended.
    private struct Open {
        /// As the tag spells it.
        let name: ArraySlice<UInt8>
        /// Its place in the parts.
        let part: Int
        let value: Template.Value
        let isInverted: Bool
        /// Of the list that it goes over.
        let entry: TemplateEntry?
        /// Whether its tag stood alone on a line.
        let isAlone: Bool
        /// Where the tag begins.
        let start: Int
    }

    private let bytes: [UInt8]
    private var index = 0
    private var open: [Open] = []
    private var tags = 0
    private var tagsInLists = 0

    /// Whether nothing but blanks was on the line so far.
    private var isAtLineStart = true
    /// Blanks at the start of the line, which stay only if something else comes.
    private var blanks = 0..<0

    private var parts: [Template.Part] = []
    private var literals: [UInt8] = []
    private var isForDigests = false
    /// Whether the next literal may be made one with the part before it.
    private var mayJoin = false

    init(_ bytes: [UInt8]) throws(TemplateError) {
        guard bytes.count <= Template.maximumBytes else {
            throw TemplateError(detail: "must have at most \(Template.maximumBytes) bytes")
        }
        self.bytes = bytes
    }

    mutating func parse() throws(TemplateError) -> Template {
        while index < bytes.count {
            readText()
            if index < bytes.count { try readTag() }
        }
        if let last = open.last {
            throw error("the section \(Self.shown(last.name)) is not closed", at: last.start)
        }
        return Template(parts: parts, literals: literals, isForDigests: isForDigests)
    }

    // MARK: Text

    /// Reads up to the next tag, or to the end.
    private mutating func readText() {
        while index < bytes.count {
            if isAtLineStart { blanks = index..<skippingBlanks(from: index) }
            let start = isAtLineStart ? blanks.upperBound : index
            index = start
            while index < bytes.count, bytes[index] != 0x0A, !isTag(at: index) { index += 1 }
            if index < bytes.count, bytes[index] == 0x0A {
                index += 1
                append(start..<index)
                isAtLineStart = true
                continue
            }
            if index > start {
                append(start..<index)
                isAtLineStart = false
            }
            return
        }
    }

    private func isTag(at index: Int) -> Bool {
        bytes[index] == UInt8(ascii: "{") && index + 1 < bytes.count
            && bytes[index + 1] == UInt8(ascii: "{")
    }

    private func skippingBlanks(from start: Int) -> Int {
        var index = start
        while index < bytes.count, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
        return index
    }

    /// Appends the blanks before it and the text.
    private mutating func append(_ range: Range<Int>) {
        keepBlanks()
        appendLiteral(range)
    }

    private mutating func keepBlanks() {
        appendLiteral(blanks)
        blanks = 0..<0
    }

    private mutating func appendLiteral(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        let start = literals.count
        literals += bytes[range]
        if mayJoin, case .literal(let before)? = parts.last {
            parts[parts.count - 1] = .literal(before.lowerBound..<literals.count)
        } else {
            parts.append(.literal(start..<literals.count))
        }
        mayJoin = true
    }

    // MARK: Tags

    private mutating func readTag() throws(TemplateError) {
        let start = index
        let (content, next) = try content(of: start)
        index = next
        let sigil = content.first ?? 0
        if sigil == UInt8(ascii: "!") {
            isAtLineStart = endsLineAlone()
            return
        }
        try refuse(content, at: start)
        tags += 1
        guard tags <= Template.maximumTags else {
            throw TemplateError(detail: "must have at most \(Template.maximumTags) tags")
        }
        switch sigil {
        case UInt8(ascii: "#"): try begin(content.dropFirst(), isInverted: false, at: start)
        case UInt8(ascii: "^"): try begin(content.dropFirst(), isInverted: true, at: start)
        case UInt8(ascii: "/"): try end(content.dropFirst(), at: start)
        default: try show(content, at: start)
        }
    }

    /// What stands between the braces, and where the text goes on.
    private func content(of start: Int) throws(TemplateError) -> (ArraySlice<UInt8>, next: Int) {
        var end = start + 2
        while end + 1 < bytes.count {
            if bytes[end] == UInt8(ascii: "}"), bytes[end + 1] == UInt8(ascii: "}") {
                return (bytes[(start + 2)..<end], end + 2)
            }
            end += 1
        }
        try refuse(bytes[(start + 2)...], at: start)
        throw error("a tag is not closed", at: start)
    }

    /// Refuses what Mustache has and this language has not.
    private func refuse(_ content: ArraySlice<UInt8>, at start: Int) throws(TemplateError) {
        let detail: String? =
            switch content.first(where: { !$0.isASCIIWhitespace }) {
            case UInt8(ascii: ">"): "has a partial ({{> }}): there are none"
            case UInt8(ascii: "<"), UInt8(ascii: "$"): "uses inheritance ({{< }} or {{$ }}): there is none"
            case UInt8(ascii: "="): "changes the delimiters ({{= }}): they stay {{ and }}"
            case UInt8(ascii: "%"): "has a pragma ({{% }}): there are none"
            case UInt8(ascii: "{"), UInt8(ascii: "&"):
                "inserts a value without escapes ({{{ }}} or {{& }}): use {{ }}, which leaves addresses as they are"
            default: nil
            }
        if let detail { throw TemplateError(detail: "\(detail) (line \(line(of: start)))") }
    }

    private mutating func show(_ content: ArraySlice<UInt8>, at start: Int) throws(TemplateError) {
        let name = try name(content, at: start)
        let value = try value(name, at: start)
        if case .name(let list) = value, list.entry != nil {
            throw TemplateError(
                detail: "shows the list \(list.rawValue), which needs a section: "
                    + "{{#\(list.rawValue)}}...{{/\(list.rawValue)}} (line \(line(of: start)))"
            )
        }
        try countInList(at: start)
        keepBlanks()
        parts.append(.value(value))
        mayJoin = false
        isAtLineStart = false
    }

    private mutating func begin(
        _ content: ArraySlice<UInt8>,
        isInverted: Bool,
        at start: Int
    ) throws(TemplateError) {
        let name = try name(content, at: start)
        let value = try value(name, at: start)
        var entry: TemplateEntry?
        if !isInverted, case .name(let list) = value { entry = list.entry }
        if entry != nil, isInList {
            throw TemplateError(
                detail: "has a section over a list inside a section over a list (line \(line(of: start)))"
            )
        }
        guard open.count < Template.maximumDepth else {
            throw error("sections are nested more than \(Template.maximumDepth) deep", at: start)
        }
        try countInList(at: start)
        let isAlone = endsLineAlone()
        if !isAlone { keepBlanks() }
        open.append(
            Open(
                name: name,
                part: parts.count,
                value: value,
                isInverted: isInverted,
                entry: entry,
                isAlone: isAlone,
                start: start
            )
        )
        parts.append(.section(value, isInverted: isInverted, end: parts.count))
        startLine(isAlone)
    }

    private mutating func end(_ content: ArraySlice<UInt8>, at start: Int) throws(TemplateError) {
        let name = try name(content, at: start)
        guard let section = open.popLast() else {
            throw error("{{/\(Self.shown(name))}} ends no section", at: start)
        }
        guard section.name.elementsEqual(name) else {
            throw error(
                "the section \(Self.shown(section.name)) is closed under another name: \(Self.shown(name))",
                at: start
            )
        }
        if !endsLineAlone() { keepBlanks() }
        parts[section.part] = .section(section.value, isInverted: section.isInverted, end: parts.count)
        startLine(section.isAlone)
    }

    /// After the tag of a section: whether the text that follows is at the start of a line.
    private mutating func startLine(_ isAtLineStart: Bool) {
        self.isAtLineStart = isAtLineStart
        blanks = 0..<0
        mayJoin = false
    }

    /// Whether the tag that was just read stands alone on its line; then the end of the line is read, too.
    private mutating func endsLineAlone() -> Bool {
        guard isAtLineStart else { return false }
        if index == bytes.count { return true }
        let end = skippingBlanks(from: index)
        guard end < bytes.count else { return false }
        if bytes[end] == 0x0A {
            index = end + 1
        } else if bytes[end] == 0x0D, end + 1 < bytes.count, bytes[end + 1] == 0x0A {
            index = end + 2
        } else {
            return false
        }
        return true
    }

    // MARK: Names

    private func name(_ content: ArraySlice<UInt8>, at start: Int) throws(TemplateError) -> ArraySlice<UInt8>
    {
        guard let first = content.firstIndex(where: { !$0.isASCIIWhitespace }),
            let last = content.lastIndex(where: { !$0.isASCIIWhitespace })
        else { throw error("a tag has no name", at: start) }
        let name = content[first...last]
        guard name.allSatisfy(Self.isNameByte) else {
            throw error(
                "\(Self.shown(name)) is no name: it may have letters, digits and . - _ alone",
                at: start
            )
        }
        return name
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// What a name stands for at this place.
    private mutating func value(
        _ name: ArraySlice<UInt8>,
        at start: Int
    ) throws(TemplateError) -> Template.Value {
        if name.elementsEqual([UInt8(ascii: ".")]) { return try whole(at: start) }
        let parts = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let first = parts.first, !parts.contains(where: \.isEmpty) else {
            throw error("\(Self.shown(name)) has nothing before, after or between its dots", at: start)
        }
        if parts.count == 1 {
            let bytes = Array(first)
            if let field = open.lazy.compactMap(\.entry).first?.field(bytes: bytes) { return .field(field) }
            if let known = TemplateName(bytes: bytes) {
                if known == .isDigest { isForDigests = true }
                return .name(known)
            }
        } else {
            let rest = Text(trusted: Array(name[(first.endIndex + 1)...]))
            if first.elementsEqual("labels".utf8) { return .label(rest) }
            if first.elementsEqual("annotations".utf8) { return .annotation(rest) }
        }
        throw error("there is no name \(Self.shown(name))", at: start)
    }

    /// What `{{.}}` stands for: what the innermost section is about.
    private func whole(at start: Int) throws(TemplateError) -> Template.Value {
        for section in open.reversed() where !section.isInverted {
            if let entry = section.entry {
                guard entry.isText else { break }
                return .entry
            }
            if case .name(let name) = section.value, name.isFlag { continue }
            return section.value
        }
        throw error("{{.}} stands for nothing here", at: start)
    }

    // MARK: Limits and errors

    private var isInList: Bool { open.contains { $0.entry != nil } }

    private mutating func countInList(at start: Int) throws(TemplateError) {
        guard isInList else { return }
        tagsInLists += 1
        guard tagsInLists <= Template.maximumTagsInLists else {
            throw TemplateError(
                detail: "has more than \(Template.maximumTagsInLists) tags in sections over lists "
                    + "(line \(line(of: start)))"
            )
        }
    }

    private func error(_ detail: String, at start: Int) -> TemplateError {
        TemplateError(detail: "is no valid template (line \(line(of: start))): \(detail)")
    }

    private func line(of start: Int) -> Int { 1 + bytes[..<start].count { $0 == 0x0A } }

    /// A name as it is shown to its owner: at most 64 bytes on one line.
    private static func shown(_ name: ArraySlice<UInt8>) -> String {
        let line = name.prefix(256).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        return String(decoding: Text(trusted: line).prefix(bytes: 64).bytes, as: UTF8.self)
    }
}
