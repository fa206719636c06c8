extension JSON {
    /// Why a text is not JSON.
    package struct ParseError: Error, Equatable, CustomStringConvertible {
        /// Bytes before the place.
        package let offset: Int
        package let reason: String

        package var description: String { "not JSON at byte \(offset): \(reason)" }
    }

    /// Reads one JSON text (RFC 8259), strictly: no byte order mark, nothing after it, valid UTF-8, and no
    /// name twice in an object, which Foundation's parsers let pass.
    package init(parsing bytes: some Collection<UInt8>) throws(ParseError) {
        var parser = JSONTextParser(bytes: Array(bytes))
        self = try parser.document()
    }

    /// Reads one JSON text.
    package init(parsing text: String) throws(ParseError) {
        try self.init(parsing: Array(text.utf8))
    }
}

/// A recursive descent over the bytes.
private struct JSONTextParser {
    private static let deepest = 256

    let bytes: [UInt8]
    var position = 0
    var depth = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func document() throws(JSON.ParseError) -> JSON {
        let result = try value()
        skipSpace()
        guard position == bytes.count else { throw failure("text after the value") }
        return result
    }

    private mutating func value() throws(JSON.ParseError) -> JSON {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try nested { (parser) throws(JSON.ParseError) in try parser.object() }
        case UInt8(ascii: "["): return try nested { (parser) throws(JSON.ParseError) in try parser.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw failure("the text ends")
        default: return try number()
        }
    }

    private mutating func nested(
        _ body: (inout JSONTextParser) throws(JSON.ParseError) -> JSON
    ) throws(JSON.ParseError) -> JSON {
        guard depth < Self.deepest else { throw failure("nested too deeply") }
        depth += 1
        position += 1
        let result = try body(&self)
        depth -= 1
        return result
    }

    private mutating func object() throws(JSON.ParseError) -> JSON {
        var members: [String: JSON] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw failure("a name must follow") }
            let name = try string()
            guard members[name] == nil else { throw failure("the name \(name) comes twice") }
            skipSpace()
            guard take(":") else { throw failure("a colon must follow") }
            members[name] = try value()
            skipSpace()
        } while take(",")
        guard take("}") else { throw failure("a comma or } must follow") }
        return .object(members)
    }

    private mutating func array() throws(JSON.ParseError) -> JSON {
        var items: [JSON] = []
        skipSpace()
        if take("]") { return .array(items) }
        repeat {
            items.append(try value())
            skipSpace()
        } while take(",")
        guard take("]") else { throw failure("a comma or ] must follow") }
        return .array(items)
    }

    private mutating func word(_ text: StaticString, _ value: JSON) throws(JSON.ParseError) -> JSON {
        let word = Array(text.description.utf8)
        guard bytes[position...].starts(with: word) else { throw failure("not a word of JSON") }
        position += word.count
        return value
    }

    private mutating func number() throws(JSON.ParseError) -> JSON {
        let start = position
        _ = take("-")
        if !take("0"), digits() == 0 { throw failure("not a value") }
        var isInteger = true
        if take(".") {
            isInteger = false
            if digits() == 0 { throw failure("a digit must follow") }
        }
        if take("e") || take("E") {
            isInteger = false
            _ = take("+") || take("-")
            if digits() == 0 { throw failure("a digit must follow") }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw failure("the number is too large") }
        return .number(value)
    }

    private mutating func string() throws(JSON.ParseError) -> String {
        position += 1
        var content: [UInt8] = []
        while let byte = peek {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else {
                    throw failure("not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): content += try escape()
            case ..<0x20: throw failure("a control character in a string")
            default: content.append(byte)
            }
        }
        throw failure("a string does not end")
    }

    private mutating func escape() throws(JSON.ParseError) -> [UInt8] {
        guard let byte = peek else { throw failure("the text ends") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return try unicode()
        default: throw failure("not an escape")
        }
    }

    private mutating func unicode() throws(JSON.ParseError) -> [UInt8] {
        var code = try unit()
        if code & 0xFC00 == 0xD800 {
            guard take("\\"), take("u") else { throw failure("half a surrogate pair") }
            let low = try unit()
            guard low & 0xFC00 == 0xDC00 else { throw failure("half a surrogate pair") }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate pair") }
        return Array(String(Character(scalar)).utf8)
    }

    private mutating func unit() throws(JSON.ParseError) -> UInt32 {
        let digits = bytes[position...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw failure("4 hex digits must follow") }
        position += 4
        return code
    }

    // MARK: - Bytes

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// Skips digits and says how many there were.
    private mutating func digits() -> Int {
        let start = position
        while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        return position - start
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { position += 1 }
    }

    private func failure(_ reason: String) -> JSON.ParseError {
        JSON.ParseError(offset: position, reason: reason)
    }
}
