import Domain
import Native
import Testing

@Suite("Labels")
struct LabelsTests {
    @Test(
        "of several pairs with one name the last counts",
        arguments: [
            ([("a", "1"), ("a", "2")], "2"), ([("a", "1"), ("b", "x"), ("a", "2"), ("b", "y")], "2"),
            ([("a", "2"), ("a", "1")], "1"), ([("a", "x"), ("a", "")], ""), ([("a", "1"), ("a", "1")], "1"),
        ] as [([(Text, Text)], Text)]
    )
    func lastWins(pairs: [(Text, Text)], value: Text) {
        #expect(Labels(pairs).value(of: "a" as Text) == value)
    }

    @Test("a name is there once")
    func once() {
        #expect(labels(("b", "1"), ("a", "1"), ("b", "2")).all.map(\.name) == ["a", "b"])
    }

    @Test("an empty name counts its last pair too")
    func emptyName() {
        #expect(labels(("", ""), ("", "x")).all.map(\.value) == ["x"])
    }

    @Test("names are sorted by their bytes")
    func sorted() {
        let names: [Text] = ["", "A", "Z", "a", "aa", "b", "e\u{301}", "z", "é", "\u{FFFF}", "\u{10000}"]
        #expect(Labels(names.reversed().map { ($0, "") }).all.map(\.name) == names)
    }

    @Test(
        "a value is found by its exact name",
        arguments: [
            ("a", "1"), ("aa", "2"), ("é", "3"), ("e\u{301}", "4"), ("b", nil), ("A", nil), ("", nil),
            ("aaa", nil),
        ] as [(Text, Text?)]
    )
    func lookUp(name: Text, value: Text?) {
        let labels = labels(("é", "3"), ("aa", "2"), ("a", "1"), ("e\u{301}", "4"))
        #expect(labels.value(of: name) == value)
    }

    @Test("a value is found by a literal name")
    func literalLookUp() {
        let name: StaticString = "b"
        #expect(labels(("a", "1"), ("b", "2")).value(of: name) == "2")
    }

    @Test(
        "the same pairs are equal, however they came",
        arguments: [
            ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")], true),
            ([("a", "1")], [("a", "0"), ("a", "1")], true), ([], [], true),
            ([("a", "1")], [("a", "2")], false),
            ([("a", "bc")], [("ab", "c")], false), ([("a", "1")], [("a", "1"), ("b", "")], false),
            ([("é", "")], [("e\u{301}", "")], false),
        ] as [([(Text, Text)], [(Text, Text)], Bool)]
    )
    func equality(one: [(Text, Text)], other: [(Text, Text)], isEqual: Bool) {
        #expect((Labels(one) == Labels(other)) == isEqual)
    }

    @Test(
        "the digest tells where one part ends and the next begins",
        arguments: [
            ([("a", "bc")], [("ab", "c")]), ([("", "a")], [("a", "")]),
            ([("a", "b"), ("c", "d")], [("a", "bcd")]),
            ([("a", "")], []), ([("a", "1"), ("b", "2")], [("a", "2"), ("b", "1")]),
        ] as [([(Text, Text)], [(Text, Text)])]
    )
    func boundaries(one: [(Text, Text)], other: [(Text, Text)]) {
        #expect(Labels(one).digest != Labels(other).digest)
    }

    @Test("the digest is the SHA-256 of every part after its length")
    func knownDigest() {
        // printf '\0\0\0\1a\0\0\0\2bc' | sha256sum
        let digits = "b534ce16ac9c8b36823f39a395ce8e0e3c7ad9605b82b5444f18cadacd217a5d"
        #expect(labels(("a", "bc")).digest.hexadecimal == digits)
    }

    @Test("becomes a JSON object in byte order")
    func json() {
        let json = JSONWriter.encode { writer in
            writer.object { labels(("b", "\"\n"), ("a", "é")).write(to: &$0, as: "labels") }
        }
        #expect(String(decoding: json, as: UTF8.self) == #"{"labels":{"a":"é","b":"\"\n"}}"#)
    }

    @Suite("capped")
    struct Capped {
        private func numbered(_ count: Int) -> Labels {
            Labels((0..<count).map { (Text("n\(1_000 + $0)"), Text("\($0)")) })
        }

        private func text(_ scalar: String, _ count: Int) -> Text {
            Text(String(repeating: scalar, count: count))
        }

        @Test("100 labels are kept as they are")
        func allKept() {
            #expect(numbered(100).capped() == (numbered(100), false))
        }

        @Test("of 101 labels the first 100 are kept, and it is said")
        func tooMany() {
            #expect(numbered(101).capped() == (numbered(100), true))
        }

        @Test(
            "a name of 129 bytes is dropped, one of 128 is kept",
            arguments: [(128, 2, false), (129, 1, true)]
        )
        func longName(length: Int, count: Int, isCut: Bool) {
            let (labels, wasCut) = Labels([("a", ""), (text("n", length), "")]).capped()
            #expect((labels.count, wasCut) == (count, isCut))
        }

        @Test("a name that is dropped takes no other's place")
        func droppedName() {
            var builder = Labels.Builder()
            builder.append(text("a", 129), "")
            for (name, value) in numbered(100).all { builder.append(name, value) }
            #expect(builder.build().capped().labels == numbered(100))
        }

        @Test(
            "a long value is cut before a scalar that does not fit",
            arguments: [
                ("a", 2_048, 2_048, false), ("a", 2_049, 2_048, true), ("容", 683, 2_046, true),
                ("é", 1_024, 2_048, false),
            ]
        )
        func longValue(scalar: String, count: Int, kept: Int, isCut: Bool) {
            let (labels, wasCut) = Labels([("a", text(scalar, count))]).capped()
            #expect((labels.value(at: 0).bytes.count, wasCut) == (kept, isCut))
        }
    }
}
