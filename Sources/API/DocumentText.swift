import Domain
import Native
import Web

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
