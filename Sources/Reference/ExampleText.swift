/// Values as JSON text.
enum ExampleText {
    private static let width = 76

    /// What a body looks like: a text as it is, everything else as JSON.
    static func body(_ value: SpecValue) -> String {
        value.string ?? json(value)
    }

    /// JSON on as many lines as it takes; what fits on one stays on one.
    static func json(_ value: SpecValue, indent: Int = 0) -> String {
        let line = compact(value)
        guard line.count + indent > width else { return line }
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch value {
        case .list(let items):
            let lines = items.map { inner + json($0, indent: indent + 2) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
        case .map(let members):
            let lines = members.pairs.map {
                inner + quoted($0.key) + ": " + json($0.value, indent: indent + 2)
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        default: return line
        }
    }

    private static func compact(_ value: SpecValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let text): text
        case .string(let text): quoted(text)
        case .list(let items): "[" + items.map(compact).joined(separator: ", ") + "]"
        case .map(let members) where members.pairs.isEmpty: "{}"
        case .map(let members):
            "{ " + members.pairs.map { quoted($0.key) + ": " + compact($0.value) }.joined(separator: ", ")
                + " }"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case ..<" ":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
