import Native
import Testing

@Suite("JSON: writing")
struct JSONWriterTests {
    private func text(_ body: (inout JSONWriter) -> Void) -> String {
        String(decoding: JSONWriter.encode(body), as: UTF8.self)
    }

    @Test("commas come by themselves at every depth")
    func commas() {
        let written = text { json in
            json.object { json in
                json.field("a", 1)
                json.object("b") { _ in }
                json.array("c") { array in
                    array.value(1)
                    array.object { $0.field("d", true) }
                    array.array { _ in }
                    array.null()
                }
                json.rawField("e", utf8("[1,{}]"))
                json.null("f")
            }
        }
        #expect(written == #"{"a":1,"b":{},"c":[1,{"d":true},[],null],"e":[1,{}],"f":null}"#)
    }

    @Test("numbers and constants")
    func scalars() {
        let written = text { json in
            json.array { json in
                for number in [0, -7, 10, Int64.max, Int64.min] { json.value(number) }
                json.value(UInt64.max)
                for number in [0.5, -0.0, 1e100, Double.infinity, -Double.infinity, Double.nan] {
                    json.value(number)
                }
                json.value(true)
                json.value(false)
            }
        }
        #expect(
            written
                == "[0,-7,10,9223372036854775807,-9223372036854775808,18446744073709551615,"
                + "0.5,-0.0,1e+100,null,null,null,true,false]"
        )
    }

    @Test("optional fields become null or their value")
    func optionals() {
        let written = text { json in
            json.object { json in
                json.field("a", String?.none)
                json.field("b", String?.some("x"))
                json.field("c", Int?.none)
                json.field("d", Int?.some(1))
                json.field("e", Int64?.none)
                json.field("f", Bool?.some(false))
                json.field("g", Double?.some(2.5))
                json.field("h", utf8: [UInt8]?.none)
                json.field("i", repairing: [UInt8]?.none)
            }
        }
        #expect(
            written
                == #"{"a":null,"b":"x","c":null,"d":1,"e":null,"f":false,"g":2.5,"h":null,"i":null}"#
        )
    }

    @Test(
        "escapes",
        arguments: [
            ("", ""), ("a\"b", #"a\"b"#), (#"\"#, #"\\"#), ("\n\r\t", #"\n\r\t"#),
            ("\u{0}\u{1F}", #"\u0000\u001f"#),
            ("\u{8}\u{C}", #"\u0008\u000c"#), ("/\u{7F}é中𝄞\u{2028}", "/\u{7F}é中𝄞\u{2028}"),
            ("long enough for words\n, and more of it", #"long enough for words\n, and more of it"#),
        ]
    )
    func escapes(value: String, written: String) {
        #expect(text { $0.value(value) } == "\"" + written + "\"")
        #expect(text { $0.value(utf8: utf8(value)) } == "\"" + written + "\"")
        #expect(text { $0.object { $0.field(text: value, "") } } == "{\"" + written + "\":\"\"}")
    }

    @Test("every byte at every place of a word is escaped when it must be")
    func everyByte() {
        for byte in UInt8(0)..<0x80 {
            for place in 0..<17 {
                var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 17)
                bytes[place] = byte
                let isPlain = byte >= 0x20 && byte != 0x22 && byte != 0x5C
                let count = JSONWriter.encode { $0.value(utf8: bytes) }.count
                #expect((count == 19) == isPlain)
            }
        }
    }

    @Test("what is written reads back the same")
    func roundTrip() throws {
        let pool = JSONParserPool()
        var random = SecureRandom()
        let alphabet = [
            "\"", "\\", "\n", "\u{0}", "\u{1B}", "a", "é", "中", "𝄞", " ", "/", "\u{7F}", "\u{FFFD}",
        ]
        for length in 0..<200 {
            let value = (0..<length).compactMap { _ in alphabet.randomElement(using: &random) }.joined()
            let document = JSONWriter.encode { $0.object { $0.field("v", value) } }
            let read = try pool.parse(document, maximumDepth: 2) { root in
                let again = JSONWriter.encode { json in
                    json.object { object in
                        object.key("v")
                        if let text = root.member("v")?.string { object.value(text) }
                    }
                }
                #expect(again == document)
                return root.member("v")?.string?.bytes
            }.get()
            #expect(read == utf8(value))
        }
    }

    @Test("bytes that are not UTF-8 are repaired by the method that says so")
    func repair() {
        let bytes = utf8("a") + [0xFF] + utf8("é") + [0xE2, 0x82]
        #expect(text { $0.value(repairing: bytes) } == "\"a\u{FFFD}é\u{FFFD}\"")
        #expect(text { $0.object { $0.field("x", repairing: utf8("é")) } } == #"{"x":"é"}"#)
    }

    @Test("names from data, in bytes or text")
    func names() {
        let written = text { json in
            json.object { json in
                let (name, value) = (utf8("n\"1"), utf8("v"))
                json.field(utf8: name.span, utf8: value.span)
                json.field(text: "n2", "w")
            }
        }
        #expect(written == #"{"n\"1":"v","n2":"w"}"#)
    }
}

@Suite("UTF-8")
struct UTF8ScanTests {
    @Test(
        "valid and invalid bytes",
        arguments: [
            ([], true), ([0], true), ([0x7F], true), ([0xC3, 0xA9], true), ([0xF0, 0x9D, 0x84, 0x9E], true),
            ([0xFF], false), ([0xC0, 0x80], false), ([0xED, 0xA0, 0x80], false), ([0xE2, 0x82], false),
            ([UInt8](repeating: 0x61, count: 200) + [0x80], false),
        ] as [([UInt8], Bool)]
    )
    func validity(bytes: [UInt8], isValid: Bool) {
        #expect(UTF8Scan.isValidUTF8(bytes) == isValid)
        #expect(UTF8Scan.isValidUTF8(bytes.span) == isValid)
        #expect((utf8(UTF8Scan.repairedText(bytes)) == bytes) == isValid)
    }
}
