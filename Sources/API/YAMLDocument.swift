import Domain
import Native
import Web

/// A document in YAML, written as JSON while it is parsed: nothing is built of it, so what it costs is linear in its bytes.
///
/// - Taken: one document of YAML 1.2's core schema, whose keys are scalars, each once in its mapping (by its bytes).
/// - Refused, where they stand: anchors and aliases (what they stand for may be exponential), merge keys, keys that are mappings or sequences,
///   other tags, directives, a second document.
struct YAMLDocument {
    /// A mapping or sequence that has begun.
    private struct Container {
        let isMapping: Bool
        /// Whether a key was read whose value comes next.
        var awaitsValue = false
        var keys: Set<[UInt8]> = []
    }

    private static let mostBytes = JSONBody.limit
    /// Values that a document may have.
    private static let mostValues = 1_000_000
    private static let coreTag = Array("tag:yaml.org,2002:".utf8)

    private let events: YAMLEvents
    private var writer = JSONWriter()
    private var open: [Container] = []
    private var count = 0

    private init(_ bytes: [UInt8]) {
        events = YAMLEvents(bytes)
    }

    /// The JSON of a document in YAML. Throws 400 when it is none, with the line and what to do, and 413 when it is too deep or too large.
    static func json(_ bytes: [UInt8]) throws -> [UInt8] {
        let bytes = JSONBody.withoutMark(bytes)
        try refuseDirectives(bytes)
        var document = YAMLDocument(bytes)
        try document.read()
        return document.writer.bytes
    }

    /// Directives are compared with each other by the parser: they are looked for before it.
    private static func refuseDirectives(_ bytes: [UInt8]) throws {
        var (line, isStart) = (1, true)
        for byte in bytes {
            if isStart, byte == UInt8(ascii: "%") {
                throw problem(line, "a line must not begin with %: directives are not taken, leave it out")
            }
            isStart = byte == 0x0A || byte == 0x0D
            if byte == 0x0A { line += 1 }
        }
    }

    private mutating func read() throws {
        var documents = 0
        while true {
            let event = try next()
            switch event.kind {
            case .streamEnd:
                guard documents == 1 else { throw Problem(.invalidRequest, "The body is empty.") }
                return
            case .documentStart:
                documents += 1
                guard documents == 1 else {
                    throw Self.problem(event.line, "a second document begins: send one")
                }
            case .documentEnd: break
            case .sequenceEnd:
                open.removeLast()
                writer.closeArray()
            case .mappingEnd:
                open.removeLast()
                writer.closeObject()
            case .alias:
                throw Self.problem(event.line, "aliases are not taken: write out what this one stands for")
            case .scalar, .sequenceStart, .mappingStart: try node(event)
            }
        }
    }

    private func next() throws -> YAMLEvents.Event {
        do {
            return try events.next()
        } catch {
            throw Self.problem(error.line, "this is not valid YAML: \(error.message)")
        }
    }

    private mutating func node(_ event: YAMLEvents.Event) throws {
        count += 1
        guard open.count < Limits.jsonDepth, count <= Self.mostValues, writer.bytes.count <= Self.mostBytes
        else {
            throw Problem(
                .tooLarge,
                "Line \(event.line): the document is deeper or larger than this operation takes."
            )
        }
        guard !event.hasAnchor else { throw Self.problem(event.line, "anchors are not taken: leave it out") }
        let tag = try tag(of: event)
        if let place = open.indices.last, open[place].isMapping {
            guard open[place].awaitsValue else { return try key(event, tag, in: place) }
            open[place].awaitsValue = false
        }
        switch event.kind {
        case .sequenceStart:
            guard tag == nil || tag == .sequence else { throw Self.wrongTag(event) }
            open.append(Container(isMapping: false))
            writer.openArray()
        case .mappingStart:
            guard tag == nil || tag == .mapping else { throw Self.wrongTag(event) }
            open.append(Container(isMapping: true))
            writer.openObject()
        default: try scalar(event, tag)
        }
    }

    private mutating func key(_ event: YAMLEvents.Event, _ tag: Tag?, in place: Int) throws {
        guard event.kind == .scalar else {
            throw Self.problem(event.line, "a key must be a text, not a mapping or a sequence")
        }
        guard tag == nil || tag == .string else { throw Self.wrongTag(event) }
        guard !event.isPlain || event.text != Array("<<".utf8) else {
            throw Self.problem(event.line, "merge keys are not taken: write out what they stand for")
        }
        guard open[place].keys.insert(event.text).inserted else {
            let name = String(decoding: event.text, as: UTF8.self)
            throw Self.problem(
                event.line,
                "the key \(Fields.escaped(name)) is in its mapping already: keep one of them"
            )
        }
        open[place].awaitsValue = true
        writer.key(utf8: event.text)
    }

    private static func problem(_ line: Int, _ detail: String) -> Problem {
        Problem(.invalidRequest, "Line \(line): \(detail).")
    }

    private static func wrongTag(_ event: YAMLEvents.Event) -> Problem {
        problem(event.line, "this tag does not fit here: leave it out")
    }
}

// MARK: Scalars

extension YAMLDocument {
    /// The tags of the core schema.
    private enum Tag: String, CaseIterable {
        case string = "str"
        case integer = "int"
        case float
        case boolean = "bool"
        case null
        case sequence = "seq"
        case mapping = "map"
    }

    /// What a scalar without quotes stands for when it is no text.
    private enum Value {
        case null
        case boolean(Bool)
        case integer(Int64)
        case float(Double)

        var tag: Tag {
            switch self {
            case .null: .null
            case .boolean: .boolean
            case .integer: .integer
            case .float: .float
            }
        }
    }

    private mutating func scalar(_ event: YAMLEvents.Event, _ tag: Tag?) throws {
        let isText = tag == .string || (tag == nil && !event.isPlain)
        guard !isText, let value = Self.value(event.text) else {
            guard tag == nil || tag == .string else { throw Self.wrongTag(event) }
            return writer.value(utf8: event.text)
        }
        switch (value, tag) {
        case (.integer(let number), .float): return writer.value(Double(number))
        case (_, nil): break
        default: guard tag == value.tag else { throw Self.wrongTag(event) }
        }
        switch value {
        case .null: writer.null()
        case .boolean(let truth): writer.value(truth)
        case .integer(let number): writer.value(number)
        case .float(let number): writer.value(number)
        }
    }

    /// By the core schema of YAML 1.2, in which `yes` and `off` are texts. nil: a text.
    private static func value(_ bytes: [UInt8]) -> Value? {
        guard let first = bytes.first else { return .null }
        // What is longer is no number that anything here could mean.
        guard bytes.count <= 40, bytes.allSatisfy({ $0 < 0x80 }) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        switch text {
        case "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .boolean(true)
        case "false", "False", "FALSE": return .boolean(false)
        default: break
        }
        let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
        guard isDigit(first) || [0x2B, 0x2D, 0x2E].contains(first), bytes.contains(where: isDigit) else {
            return nil
        }
        if text.utf8.starts(with: "0x".utf8) {
            return Int64(text.dropFirst(2), radix: 16).map { .integer($0) }
        }
        if text.utf8.starts(with: "0o".utf8) {
            return Int64(text.dropFirst(2), radix: 8).map { .integer($0) }
        }
        if let number = Int64(text) { return .integer(number) }
        let signs = Array("+-.eE".utf8)
        guard bytes.allSatisfy({ isDigit($0) || signs.contains($0) }), let number = Double(text),
            number.isFinite
        else {
            return nil
        }
        return .float(number)
    }

    /// nil: none, so that the value itself says what it is.
    private func tag(of event: YAMLEvents.Event) throws -> Tag? {
        guard let bytes = event.tag else { return nil }
        if bytes == [UInt8(ascii: "!")] { return event.kind == .scalar ? .string : nil }
        let name = bytes.starts(with: Self.coreTag) ? bytes.dropFirst(Self.coreTag.count) : []
        guard let tag = Tag.allCases.first(where: { name.elementsEqual($0.rawValue.utf8) }) else {
            throw Self.problem(event.line, "only tags of YAML's core schema are taken: leave it out")
        }
        return tag
    }
}
