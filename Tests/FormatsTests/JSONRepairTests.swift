import Domain
import Testing

@testable import Formats

@Suite("Repair of bodies")
struct JSONRepairTests {
    private func repaired(_ body: [UInt8]) -> [UInt8]? {
        var repair = JSONRepair(body)
        return repair.repaired()
    }

    @Test(
        "what a strict parser refuses is rewritten in its place, the rest stays byte for byte",
        arguments: [
            (#"[18446744073709551616,1]"#, #"["18446744073709551616",1]"#),
            (#"[-9223372036854775809]"#, #"["-9223372036854775809"]"#),
            (#"{"a":1e309 ,"b":-1E+400}"#, #"{"a":"1e309" ,"b":"-1E+400"}"#),
            (#"["\ud800","\udc00x"]"#, #"["\ufffd","\ufffdx"]"#),
            (#"["\ud800\ud83d\ude00"]"#, #"["\ufffd\ud83d\ude00"]"#),
            (#"["é\ud800",99999999999999999999]"#, #"["é\ufffd","99999999999999999999"]"#),
            ("\u{FEFF}[1]", "[1]"), ("\u{FEFF}\u{FEFF}[1]", "[1]"), ("[1]\0\0", "[1]"), ("[1]\n\0 \0", "[1]"),
            ("{\"a\":\"1\n2\t3\u{1}\"}", #"{"a":"1\u000a2\u00093\u0001"}"#),
            (#"{"a":[1,2, ] , }"#, #"{"a":[1,2 ]  }"#), (#"[",]",]"#, #"[",]"]"#),
            (#"[NaN,-Infinity,Infinity,nan,-inf,1]"#, #"["NaN","-Infinity","Infinity","nan","-inf",1]"#),
            ("\u{FEFF}[1e999]", #"["1e999"]"#),
        ]
    )
    func rewrites(body: String, expected: String) {
        #expect(repaired(Array(body.utf8)).map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test(
        "what needs no repair has none, and neither has what repair can't help",
        arguments: [
            "", "[", #"{"a":"#, #"""#, #"["\"#, #"["\ud83d\ude00"]"#, #"["\\ud800"]"#,
            #"["99999999999999999999"]"#,
            "[18446744073709551615,9223372036854775807,-9223372036854775808]",
            "[1e308,-1.7e308,1e-400,123456789012345678901234567890.5,0.1e99]",
            "[1e,01e999,1.e999,--99999999999999999999]",
            #"["\ud80"#, #"["\"#,
        ]
    )
    func leaves(body: String) {
        #expect(repaired(Array(body.utf8)) == nil)
    }

    @Test("each byte that is not UTF-8 is told apart from every other, and shown as U+FFFD")
    func bytes() {
        func text(_ bytes: [UInt8]) -> PushText {
            PushText(Array(#"["a"#.utf8) + bytes + Array(#"",1]"#.utf8), contentType: nil)
        }
        let one = text([0xFF, 0x62, 0xC0, 0xE2, 0x82])
        #expect(one.notes == .invalidText)
        #expect(ForeignBytes.shown(Text(trusted: one.bytes)) == "[\"a\u{FFFD}b\u{FFFD}\u{FFFD}\",1]")
        #expect(one.bytes != text([0xFE, 0x62, 0xC0, 0xE2, 0x82]).bytes)
    }

    @Test(
        "short numbers are let through without a look: all that 18 characters or two digits of exponent can spell fits"
    )
    func shortNumbers() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let digits = (0..<Int.random(in: 1...21, using: &generator)).map { _ in
                String(Int.random(in: 0...9, using: &generator))
            }
            let whole = (Bool.random() ? "-" : "") + "\(Int.random(in: 1...9))" + digits.joined()
            let number = Bool.random() ? whole : whole + "e\(Int.random(in: -330...330))"
            let fits =
                number.contains("e")
                ? Double(number)?.isFinite == true : Int64(number) != nil || UInt64(number) != nil
            #expect((repaired(Array("[\(number)]".utf8)) == nil) == fits, "\(number)")
        }
    }
}
