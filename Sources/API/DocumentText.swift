import Domain
import Native
import Web
import Yams

/// Configuration documents as text that people keep in git: JSON or YAML, one line a value, always the same for the same document.
enum DocumentText {
    /// How a document is written.
    enum Form: String, CaseIterable {
        case json
        case yaml

        /// Its media type.
        var mediaType: String {
            switch self {
            case .json: "application/json"
            case .yaml: "application/yaml"
            }
        }
    }

    private static let parsers = JSONParserPool()
    private static let mostBytes = JSONBody.limit
    /// Values that a YAML document may have, each alias counted as what it stands for.
    private static let mostValues = 1_000_000

    /// `document`: JSON.
    static func text(_ document: [UInt8], as form: Form) -> [UInt8] {
        let lines = parsers.parse(document, maximumDepth: Limits.jsonDepth) { root -> [UInt8] in
            switch form {
            case .json:
                var writer = IndentedJSON()
                writer.write(root, indent: 0)
                return writer.bytes + [0x0A]
            case .yaml:
                var writer = BlockYAML()
                writer.write(root, indent: 0)
                return writer.bytes
            }
        }
        return (try? lines.get()) ?? document
    }

    /// The JSON of a document in YAML. Throws 400 when it is none, and 413 when what its aliases stand for is too much.
    static func json(fromYAML bytes: [UInt8]) throws -> [UInt8] {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.invalidRequest, "The body is not UTF-8.")
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw Problem(.invalidRequest, "The body is not valid YAML: \(String("\(error)".prefix(200)))")
        }
        guard let node else { throw Problem(.invalidRequest, "The body is empty.") }
        var (writer, count) = (JSONWriter(), 0)
        try write(node, depth: 0, &count, to: &writer)
        return writer.bytes
    }

    private static func write(
        _ node: Node,
        depth: Int,
        _ count: inout Int,
        to writer: inout JSONWriter
    ) throws {
        count += 1
        guard depth < Limits.jsonDepth, count <= mostValues, writer.bytes.count <= mostBytes else {
            throw Problem(
                .tooLarge,
                "The document is deeper or, with its aliases, larger than this operation takes."
            )
        }
        // `JSONWriter`'s closures do not throw.
        var failure: (any Error)?
        switch node {
        case .mapping(let mapping):
            writer.object { object in
                for (key, value) in mapping where failure == nil {
                    object.key(text: key.string ?? "")
                    do { try write(value, depth: depth + 1, &count, to: &object) } catch { failure = error }
                }
            }
        case .sequence(let sequence):
            writer.array { list in
                for value in sequence where failure == nil {
                    do { try write(value, depth: depth + 1, &count, to: &list) } catch { failure = error }
                }
            }
        case .scalar(let scalar): write(scalar, to: &writer)
        case .alias: throw Problem(.invalidRequest, "The document has an alias without its anchor.")
        }
        if let failure { throw failure }
    }

    /// By the core schema of YAML 1.2: what is quoted is a text, and so are `yes` and `off`.
    private static func write(_ scalar: Node.Scalar, to writer: inout JSONWriter) {
        let text = scalar.string
        guard scalar.style == .plain else { return writer.value(text) }
        switch text {
        case "", "~", "null", "Null", "NULL": writer.null()
        case "true", "True", "TRUE": writer.value(true)
        case "false", "False", "FALSE": writer.value(false)
        default:
            let isNumber = text.utf8.first.map {
                (0x30...0x39).contains($0) || [0x2B, 0x2D, 0x2E].contains($0)
            }
            if isNumber == true, let number = Int64(text) {
                writer.value(number)
            } else if isNumber == true, let number = Double(text) {
                writer.value(number)
            } else {
                writer.value(text)
            }
        }
    }
}

/// JSON with two spaces a level.
private struct IndentedJSON {
    var bytes: [UInt8] = []

    mutating func write(_ value: JSONValue, indent: Int) {
        if value.isObject, value.elementCount > 0 {
            block("{", "}", indent, value.members) { writer, member in
                writer.bytes += JSONWriter.encode { $0.value(member.name) } + [0x3A, 0x20]
                writer.write(member.value, indent: indent + 2)
            }
        } else if value.isArray, value.elementCount > 0 {
            block("[", "]", indent, value.elements) { $0.write($1, indent: indent + 2) }
        } else {
            bytes += JSONWriter.encode { $0.value(value) }
        }
    }

    private mutating func block<Parts: Sequence>(
        _ open: Unicode.Scalar,
        _ close: Unicode.Scalar,
        _ indent: Int,
        _ parts: Parts,
        _ body: (inout IndentedJSON, Parts.Element) -> Void
    ) {
        bytes.append(UInt8(ascii: open))
        for (place, part) in parts.enumerated() {
            if place > 0 { bytes.append(0x2C) }
            newLine(indent + 2)
            body(&self, part)
        }
        newLine(indent)
        bytes.append(UInt8(ascii: close))
    }

    private mutating func newLine(_ indent: Int) {
        bytes.append(0x0A)
        bytes += [UInt8](repeating: 0x20, count: indent)
    }
}

/// YAML in block style. Texts that could be read as something else, or hold more than letters, digits and a few signs, are in double quotes
/// with the escapes of JSON, which are YAML's, too.
private struct BlockYAML {
    var bytes: [UInt8] = []

    private static let words: Set<String> = [
        "true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf",
    ]

    /// Where a line begins, or where the value of a key or of `- ` is to follow.
    mutating func write(_ value: JSONValue, indent: Int, after key: Bool = false) {
        if value.isObject, value.elementCount > 0 {
            for (place, member) in value.members.enumerated() {
                if place > 0 || key { newLine(indent) }
                text(member.name)
                bytes.append(0x3A)
                follow(member.value, indent)
            }
        } else if value.isArray, value.elementCount > 0 {
            for (place, element) in value.elements.enumerated() {
                if place > 0 || key { newLine(indent) }
                bytes += [0x2D, 0x20]
                write(element, indent: indent + 2)
            }
        } else if let string = value.string {
            text(string)
        } else {
            bytes += JSONWriter.encode { $0.value(value) }
        }
        if indent == 0, !key { bytes.append(0x0A) }
    }

    private mutating func follow(_ value: JSONValue, _ indent: Int) {
        if value.elementCount > 0 {
            write(value, indent: indent + 2, after: true)
        } else {
            bytes.append(0x20)
            write(value, indent: indent + 2, after: true)
        }
    }

    private mutating func newLine(_ indent: Int) {
        bytes.append(0x0A)
        bytes += [UInt8](repeating: 0x20, count: indent)
    }

    private mutating func text(_ string: JSONString) {
        if isPlain(string) {
            bytes += Array(string.text.utf8)
        } else {
            bytes += JSONWriter.encode { $0.value(string) }
        }
    }

    private func isPlain(_ string: JSONString) -> Bool {
        let bytes = string.bytes
        guard let first = bytes.first, bytes.count <= 64, isLetter(first), bytes.last != 0x20 else {
            return false
        }
        let signs: [UInt8] = [0x20, 0x2D, 0x5F, 0x2E, 0x2F]
        return bytes.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || signs.contains($0) }
            && !Self.words.contains(string.text.lowercased())
    }

    private func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
