import Domain
import Testing

@Suite("Text")
struct TextTests {
    @Test(
        "a prefix ends before a scalar that would not fit whole",
        arguments: [
            ("abc", 3, "abc"), ("abc", 2, "ab"), ("abc", 0, ""), ("", 0, ""), ("abc", 100, "abc"),
            ("aé", 2, "a"),
            ("aé", 3, "aé"), ("容器", 5, "容"), ("𝄞", 3, ""), ("𝄞", 4, "𝄞"), ("e\u{301}", 2, "e"),
        ] as [(Text, Int, Text)]
    )
    func prefix(text: Text, limit: Int, result: Text) {
        #expect(text.prefix(bytes: limit) == result)
    }

    @Test(
        "folding drops case and white space at the ends, nothing else",
        arguments: [
            ("P1", "p1"), ("  Critical\t\r\n", "critical"), ("a  B", "a  b"), ("É", "é"),
            ("E\u{301}", "e\u{301}"),
            ("ΣΑΣ", "σασ"), ("容器", "容器"), (" ", ""), ("", ""), ("[@Z{", "[@z{"), ("\u{3000}A", "\u{3000}a"),
        ] as [(Text, Text)]
    )
    func folded(text: Text, result: Text) {
        #expect(text.folded == result)
    }

    @Test(
        "trimming takes ASCII white space from both ends",
        arguments: [
            (" a b ", "a b"), ("\t\n\u{B}\u{C}\r a", "a"), ("a ", "a"), ("  ", ""), ("", ""),
            ("\u{A0}a", "\u{A0}a"),
        ] as [(Text, Text)]
    )
    func trimmed(text: Text, result: Text) {
        #expect(text.trimmed == result)
    }

    @Test(
        "blank is nothing but ASCII white space",
        arguments: [("", true), (" \t\r\n", true), (" a", false), ("\u{A0}", false)] as [(Text, Bool)]
    )
    func blank(text: Text, isBlank: Bool) {
        #expect(text.isBlank == isBlank)
    }

    @Test(
        "NUL becomes U+FFFD",
        arguments: [
            (Text("a\0b"), "a\u{FFFD}b"), (Text(repairing: [0]), "\u{FFFD}"), ("\0\0", "\u{FFFD}\u{FFFD}"),
            (Text(repairing: [0x61]), "a"),
        ] as [(Text, String)]
    )
    func nul(text: Text, result: String) {
        #expect(text.bytes == Array(result.utf8))
    }

    @Test(
        "texts that Unicode calls equivalent stay two",
        arguments: [
            ("é", "e\u{301}"), ("K", "\u{212A}"), ("a\u{301}\u{323}", "a\u{323}\u{301}"),
            ("각", "\u{1100}\u{1161}\u{11A8}"),
        ] as [(Text, Text)]
    )
    func notNormalised(one: Text, other: Text) {
        #expect(Set([one, other]).count == 2)
    }

    @Test(
        "the order is that of the bytes",
        arguments: [
            ("", "a"), ("Z", "a"), ("a", "aa"), ("z", "é"), ("e\u{301}", "é"), ("\u{FFFF}", "\u{10000}"),
        ]
            as [(Text, Text)]
    )
    func order(less: Text, greater: Text) {
        #expect(less < greater)
        #expect(!(greater < less))
    }

    @Suite("100 kB of combining marks")
    struct CombiningMarks {
        private static let marks = String(repeating: "\u{301}\u{323}", count: 25_000)
        private static let reordered = String(repeating: "\u{323}\u{301}", count: 25_000)

        @Test("are cut like anything else")
        func prefix() {
            #expect(Text("a" + Self.marks).prefix(bytes: 2_048).bytes.count == 2_047)
        }

        @Test("are no reason to merge with their canonical order")
        func equality() {
            #expect(Set([Text(Self.marks), Text(Self.reordered), Text(Self.marks)]).count == 2)
        }

        @Test("fold to themselves")
        func folded() {
            #expect(Text("A" + Self.marks).folded == Text("a" + Self.marks))
        }

        @Test("are a label name like any other")
        func labelName() {
            let labels = Labels([(Text(Self.marks), "1"), (Text(Self.reordered), "2")])
            #expect(labels.value(of: Text(Self.reordered)) == "2")
        }

        @Test("are no condition key")
        func conditionKey() {
            #expect(ConditionKey(Text("severity" + Self.marks)) == nil)
        }
    }
}
