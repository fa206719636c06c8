import Native
import Testing

@Suite("JSON: values")
struct JSONValueTests {
    let pool = JSONParserPool()

    private func read<R>(_ document: String, _ body: (JSONValue) -> R) throws(JSONError) -> R {
        try pool.parse(utf8(document), maximumDepth: 64, body).get()
    }

    @Test("integers keep all their bits")
    func integers() throws {
        for number in [0, 1, -1, Int64.max, Int64.min] {
            #expect(try read("\(number)") { $0.int64Value } == number)
        }
        let isUnsigned = try read("18446744073709551615") { value in
            if case .unsigned(UInt64.max) = value.kind { value.int64Value == nil } else { false }
        }
        #expect(isUnsigned)
        #expect(try read("18446744073709551615") { $0.doubleValue } == 18446744073709551615.0)
    }

    @Test("doubles read back exactly")
    func doubles() throws {
        for number in [0.1, -2.5, 1e300, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
            #expect(try read("\(number)") { $0.doubleValue } == number)
        }
        #expect(try read("1.0") { $0.int64Value } == nil)
        #expect(try read("3") { $0.doubleValue } == 3)
    }

    @Test("each kind answers only to its own name")
    func kinds() throws {
        let document = #"[null, true, false, 7, 1.5, "s", [1, 2], {"a": 1}]"#
        let seen = try read(document) { root in
            root.elements.map { value in
                switch value.kind {
                case .null: value.isNull && value.boolValue == nil ? "null" : "?"
                case .bool(let truth): value.boolValue == truth && !value.isNull ? "\(truth)" : "?"
                case .integer(let number): value.string == nil ? "\(number)" : "?"
                case .unsigned(let number): "\(number)"
                case .double(let number): value.int64Value == nil ? "\(number)" : "?"
                case .string(let text): value.doubleValue == nil ? text.text : "?"
                case .array: value.isArray && !value.isObject ? "array \(value.elementCount)" : "?"
                case .object: value.isObject && !value.isArray ? "object \(value.elementCount)" : "?"
                }
            }
        }
        #expect(seen == ["null", "true", "false", "7", "1.5", "s", "array 2", "object 1"])
    }

    @Test(
        "strings are decoded",
        arguments: [
            (#""""#, ""), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\u4e2d""#, "é中"),
            (#""\uD834\uDD1E""#, "𝄞"), (#""容器 CPU""#, "容器 CPU"), (#""a\u0000b""#, "a\u{0}b"),
        ]
    )
    func strings(document: String, text: String) throws {
        #expect(try read(document) { $0.string?.text } == text)
        #expect(try read(document) { $0.string?.bytes } == utf8(text))
        #expect(try read(document) { $0.string?.count } == text.utf8.count)
        #expect(try read(document) { $0.string?.equals(utf8(text)) } == true)
        #expect(
            try read(document) { $0.string?.withBytes { Digest256.hash(of: $0) } }
                == Digest256.hash(of: utf8(text))
        )
    }

    @Test("strings compare by bytes")
    func comparison() throws {
        try read(#"["abc", "abd", "", "\u00e9", "e\u0301"]"#) { root in
            let strings = root.elements.compactMap(\.string)
            #expect(strings.map { $0.equals("abc") } == [true, false, false, false, false])
            #expect(strings.map { $0.equals("") } == [false, false, true, false, false])
            #expect(strings.map { $0.equals("é") } == [false, false, false, true, false])
            #expect(strings.map(\.isEmpty) == [false, false, true, false, false])
            #expect(strings[0].equals(strings[0]) && !strings[0].equals(strings[1]))
            var joined = utf8("<")
            strings[0].append(to: &joined)
            #expect(joined == utf8("<abc"))
        }
    }

    @Test(
        "blank is white space of JSON or nothing",
        arguments: [
            (#""""#, true), (#"" \t\r\n""#, true), (#"" x ""#, false), (#""\u00a0""#, false),
            (#""\u0000""#, false),
        ]
    )
    func blank(document: String, isBlank: Bool) throws {
        #expect(try read(document) { $0.string?.isBlank } == isBlank)
    }

    @Test("members come in order, with duplicates; the last one wins by name")
    func duplicates() throws {
        try read(#"{"a": 1, "b": [{"x": [1, 2]}, 3], "a": 2.5, "c": {}}"#) { root in
            var names: [String] = []
            root.forEachMember { name, _ in names.append(name.text) }
            #expect(names == ["a", "b", "a", "c"])
            #expect(root.members.map(\.name.text) == names)
            #expect(root.elementCount == 4)
            #expect(root.member("a")?.doubleValue == 2.5)
            #expect(root.member("c")?.isObject == true)
            #expect(root.member("x") == nil)
            #expect(root.member("b")?.elementCount == 2)
        }
    }

    @Test("a scalar has no members and no elements, an object no elements, an array no members")
    func strangers() throws {
        for document in ["1", "\"a\"", "null", "2.5", "18446744073709551615"] {
            try read(document) { value in
                #expect(value.elementCount == 0)
                #expect(value.member("a") == nil)
                value.forEachMember { _, _ in Issue.record("a member of a scalar") }
                value.forEachElement { _ in Issue.record("an element of a scalar") }
            }
        }
        try read("{\"a\":1}") { $0.forEachElement { _ in Issue.record("an element of an object") } }
        try read("[\"a\",1]") { $0.forEachMember { _, _ in Issue.record("a member of an array") } }
    }

    @Test("what the body throws comes out as it is")
    func bodyError() throws {
        struct Stop: Error, Equatable { let at: Int64 }
        #expect(throws: Stop(at: 2)) {
            _ = try pool.parse(utf8("[1,2,3]"), maximumDepth: 2) { root throws(Stop) in
                try root.forEachElement { value throws(Stop) in
                    if let number = value.int64Value, number == 2 { throw Stop(at: number) }
                }
            }
        }
        #expect(try read("[1]") { $0.elementCount } == 1)
    }
}
