import Native
import Testing

@Suite("JSON: what is accepted")
struct JSONAcceptanceTests {
    static let accepted = [
        "null", "true", "false", "0", "-0", "-1", "1.5", "1e5", "1E+2", "-1.5e-3", "\"\"", "\"a\"", "[]",
        "{}",
        " [1 , 2]\n", "\t{\"a\" : {}}\r\n", "[[[[]]]]", "[\"\\u0000\"]", "[\"\\uD834\\uDD1E\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "{\"a\":1,\"a\":2}", "{\"\":0}", "[\"é𝄞\u{7F}\"]",
        "[123456789012345678]",
        "[0.1e-400]",
    ]

    static let refused = [
        "", " ", "[", "]", "{", "}", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
        "{'a':1}",
        "[1]]", "[] x", "nul", "NULL", "tru", "True", "01", "-", "+1", ".5", "1.", "1e", "0x1", "NaN",
        "Infinity",
        "\"", "\"a", "\"\\x\"", "\"\\u12\"", "\"\n\"", "\"\t\"", "\"\u{0}\"", "[\"\\uD834\"]",
        "[\"\\uDD1E\"]",
        "// c\n1", "[1]/**/", "1 2", "\u{A0}1", "{\"a\":1 \"b\":2}", "{1:2}", "[1}", "{\"a\":1]",
    ]

    let pool = JSONParserPool()

    @Test("well-formed documents", arguments: accepted)
    func accepts(document: String) throws {
        try pool.parse(utf8(document), maximumDepth: 16) { _ in }.get()
    }

    @Test("malformed documents", arguments: refused)
    func refuses(document: String) {
        #expect(throws: JSONError.syntax) { try pool.parse(utf8(document), maximumDepth: 16) { _ in }.get() }
    }

    @Test(
        "bytes that are not UTF-8",
        arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF4, 0x90, 0x80, 0x80]]
            as [[UInt8]]
    )
    func refusesInvalidUTF8(bytes: [UInt8]) {
        let document = utf8("[\"") + bytes + utf8("\"]")
        #expect(throws: JSONError.invalidUTF8) { try pool.parse(document, maximumDepth: 16) { _ in }.get() }
    }

    @Test("integers beyond 64 bits and doubles beyond range are refused")
    func refusesHugeNumbers() {
        for number in ["18446744073709551616", "-9223372036854775809", "1e400", "-1e400"] {
            #expect(throws: JSONError.syntax) { try pool.parse(utf8(number), maximumDepth: 1) { _ in }.get() }
        }
    }

    @Test("nesting up to the limit, not beyond", arguments: [1, 2, 32, 1_000])
    func depth(limit: Int) throws {
        func nested(_ depth: Int) -> [UInt8] {
            utf8(String(repeating: "[", count: depth) + "0" + String(repeating: "]", count: depth))
        }
        try pool.parse(nested(limit), maximumDepth: limit) { _ in }.get()
        #expect(throws: JSONError.depth) {
            try pool.parse(nested(limit + 1), maximumDepth: limit) { _ in }.get()
        }
    }

    @Test("a million brackets are refused without harm")
    func manyBrackets() {
        for bracket in ["[", "{\"a\":"] {
            let bytes = utf8(String(repeating: bracket, count: 1_000_000))
            let result = pool.parse(bytes, maximumDepth: 32) { _ in }
            #expect(throws: JSONError.self) { try result.get() }
        }
    }

    @Test("documents up to the parser's size, not beyond")
    func size() throws {
        let small = JSONParserPool(maximumBytes: 100)
        try small.parse(utf8("\"" + String(repeating: "x", count: 98) + "\""), maximumDepth: 1) { _ in }.get()
        let document = utf8("\"" + String(repeating: "x", count: 99) + "\"")
        #expect(throws: JSONError.tooLarge) { try small.parse(document, maximumDepth: 1) { _ in }.get() }
    }

    @Test("every error has its own sentence")
    func messages() {
        let errors: [JSONError] = [.syntax, .depth, .invalidUTF8, .tooLarge]
        #expect(Set(errors.map(\.message)).count == 4)
    }
}
