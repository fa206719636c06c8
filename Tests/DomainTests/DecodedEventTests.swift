import Domain
import Testing

@Suite("DecodedEvent")
struct DecodedEventTests {
    private static func text(_ scalar: String, _ count: Int) -> Text {
        Text(String(repeating: scalar, count: count))
    }

    @Test(
        "is cut to the limits, and says so",
        arguments: [
            (event(title: text("a", 512), description: text("a", 2_048)), 512, 2_048, false),
            (event(title: text("a", 513)), 512, 0, true), (event(title: text("容", 171)), 510, 0, true),
            (event(description: text("a", 2_049)), 8, 2_048, true),
            (event(labels: Labels([(text("n", 129), "")])), 8, 0, true),
            (event(annotations: Labels([("n", text("v", 2_049))])), 8, 0, true),
        ]
    )
    func limits(event: DecodedEvent, title: Int, description: Int, wasCut: Bool) {
        let result = (event.title.bytes.count, event.description.bytes.count, event.notes.contains(.cut))
        #expect(result == (title, description, wasCut))
    }

    @Test(
        "only web addresses that are fit to show become links",
        arguments: [
            ("https://a.example/x?y=1", "https://a.example/x?y=1"), ("HTTP://a", "HTTP://a"),
            (" https://a ", "https://a"),
            ("javascript:alert(1)", nil), ("ftp://a", nil), ("//a", nil), ("", nil), ("https:/a", nil),
            ("https://a b", nil), ("https://a\nb", nil), ("data:text/html,https://", nil),
            (
                Text("https://" + String(repeating: "a", count: 2_040)),
                Text("https://" + String(repeating: "a", count: 2_040))
            ),
            (Text("https://" + String(repeating: "a", count: 2_041)), nil),
        ] as [(Text, Text?)]
    )
    func link(sent: Text, link: Text?) {
        #expect(event(link: sent).link == link)
    }

    @Test("an alert key of more than 255 bytes becomes its hash", arguments: [(255, 255), (256, 34)])
    func longKey(length: Int, result: Int) {
        #expect(event(Self.text("k", length)).alertKey.bytes.count == result)
    }

    @Test("two long alert keys stay two")
    func longKeys() {
        #expect(
            event(Text(String(repeating: "k", count: 300) + "1")).alertKey
                != event(Text(String(repeating: "k", count: 300) + "2")).alertKey
        )
    }

    @Test(
        "it happened at the start of a firing, the end of a recovery, else when it was received",
        arguments: [
            (event(startsAt: 1, endsAt: 2), 1), (event(endsAt: 2), 9),
            (event(isRecovery: true, startsAt: 1, endsAt: 2), 2),
            (event(isRecovery: true, startsAt: 1), 9),
        ] as [(DecodedEvent, Int64)]
    )
    func occurredAt(event: DecodedEvent, seconds: Int64) {
        #expect(event.occurredAt(received: at(9)) == at(seconds))
    }

    @Test(
        "the content digest sees description, link, labels and annotations, not the title",
        arguments: [
            (event(description: "d"), false), (event(link: "https://a"), false),
            (event(labels: labels(("a", ""))), false),
            (event(annotations: labels(("a", ""))), false), (event(title: "t"), true), (event(), true),
        ]
    )
    func contentDigest(other: DecodedEvent, isSame: Bool) {
        #expect((other.contentDigest == event().contentDigest) == isSame)
    }
}

@Suite("AlertKey")
struct AlertKeyTests {
    private static let excluded: [StaticString] = ["severity", "level"]

    @Test(
        "is the same for the same labels without those that are excluded",
        arguments: [
            ([("a", "1"), ("b", "2")], true), ([("b", "2"), ("a", "1")], true),
            ([("a", "1"), ("b", "2"), ("severity", "P1"), ("level", "x")], true), ([("a", "1")], false),
            ([("a", "1"), ("b", "3")], false), ([("a", "1"), ("b", "2"), ("Severity", "P1")], false),
            ([("a", "1b"), ("", "2")], false),
        ] as [([(Text, Text)], Bool)]
    )
    func hash(pairs: [(Text, Text)], isSame: Bool) {
        let key = AlertKey.hash(of: labels(("a", "1"), ("b", "2")), excluding: Self.excluded)
        #expect((AlertKey.hash(of: Labels(pairs), excluding: Self.excluded) == key) == isSame)
    }

    @Test("is the version of the rule and 128 bits of the length-prefixed, sorted labels")
    func known() {
        // printf '\0\0\0\1a\0\0\0\2bc' | sha256sum
        #expect(AlertKey.hash(of: labels(("a", "bc"))) == "1-b534ce16ac9c8b36823f39a395ce8e0e")
    }
}
