import Domain
import Testing

@Suite("Source rules")
struct SourceRulesTests {
    private static func check(_ cidrs: [Text] = [], _ pinned: (Text, Text)...) throws -> SourceCheck {
        try #require(SourceCheck(SourceRules(cidrs: cidrs, pinnedLabels: Labels(pinned))))
    }

    @Test("without any there is nothing to check")
    func none() {
        #expect(SourceCheck(SourceRules()) == nil)
    }

    @Test(
        "an address is taken when it is in one of the networks",
        arguments: [
            (["10.0.0.0/8"], "10.255.0.1", true), (["10.0.0.0/8"], "11.0.0.1", false),
            (["10.0.0.0/8", "203.0.113.7"], "203.0.113.7", true), (["203.0.113.7"], "203.0.113.8", false),
            (["10.0.0.0/8"], "::ffff:10.0.0.1", true), (["2001:db8::/32"], "2001:db8:1::1", true),
            (["2001:db8::/32"], "2001:db9::1", false), (["0.0.0.0/0"], "2001:db8::1", false),
            (["::/0"], "10.0.0.1", false), (["0.0.0.0/0", "::/0"], "10.0.0.1", true),
            (["10.0.0.0/8"], nil, false), (["10.0.0.0/8"], "", false), (["10.0.0.0/8"], "10.0.0.1:80", false),
            (["10.0.0.0/8"], "10.0.0.1 ", false), ([], "10.0.0.1", true), ([], nil, true),
        ] as [([Text], Text?, Bool)]
    )
    func address(cidrs: [Text], address: Text?, isTaken: Bool) throws {
        #expect(try Self.check(cidrs, ("a", "b")).takes(from: address) == isTaken)
    }

    @Test("a network that can't be read, which is never written, lets nobody in")
    func damage() throws {
        #expect(try Self.check(["nonsense"]).takes(from: "10.0.0.1") == false)
    }

    @Test(
        "a pinned label must be there with its very value",
        arguments: [
            ([("user", "7"), ("x", "y")], true), ([("user", "8")], false), ([("user", "7 ")], false),
            ([("User", "7")], false), ([("user", "")], false), ([("x", "y")], false), ([], false),
        ] as [([(Text, Text)], Bool)]
    )
    func pinned(labels: [(Text, Text)], isTaken: Bool) throws {
        let check = try Self.check([], ("user", "7"))
        #expect(check.takes([event(labels: Labels(labels))]) == isTaken)
    }

    @Test("every alert and every pinned label counts")
    func all() throws {
        let check = try Self.check([], ("user", "7"), ("region", "hz"))
        let good = event(labels: labels(("user", "7"), ("region", "hz")))
        let half = event(labels: labels(("user", "7")))
        #expect(check.takes([good, good]))
        #expect(check.takes([good, half]) == false)
        #expect(check.takes([half, good]) == false)
        #expect(try Self.check(["10.0.0.0/8"]).takes([half]))
    }

    @Test("texts are equal byte by byte, however they look")
    func bytes() throws {
        let check = try Self.check([], ("user", "\u{E9}"))
        #expect(check.takes([event(labels: labels(("user", "\u{E9}")))]))
        #expect(check.takes([event(labels: labels(("user", "e\u{301}")))]) == false)
    }

    @Test("what was sent counts, not what cutting left of it")
    func cut() throws {
        var many = (0..<150).map { (Text("a\($0)"), Text("v")) }
        many.append(("user", "7"))
        let long = Text(String(repeating: "v", count: 3_000))
        many.append(("long", long))
        many.append((Text(String(repeating: "n", count: 200)), "x"))
        let sent = event(labels: Labels(many))
        #expect(sent.labels.value(of: "user" as Text) == nil)
        #expect(sent.labels.count == 100)
        #expect(try Self.check([], ("user", "7")).takes([sent]))
        #expect(sent.sentLabel("long") == long)
        #expect(try Self.check([], ("long", long.prefix(bytes: 2_048))).takes([sent]) == false)
        #expect(sent.sentLabel(Text(String(repeating: "n", count: 200))) == "x")
        #expect(sent.sentLabel("absent") == nil)
    }

    @Test("every reason that a delivery may have can be asked for")
    func reasons() {
        let errors: [DecodeError] = [
            .notJSON(""), .noAlerts(""), .tooManyAlerts, .crashedBefore, .contentEncoding(""),
        ]
        let quarantines: [Quarantine] = errors.map { .undecodable($0) } + [.sourceAddress, .pinnedLabel]
        let refusals: [RefusalReason] = [.expired, .integrationDisabled]
        #expect(Delivery.reasons == quarantines.map(\.reason) + refusals.map(\.name))
    }
}

@Suite("Days")
struct UTCDayTests {
    @Test(
        "a day begins at midnight in UTC",
        arguments: [
            (0, 0, "1970-01-01"),
            (-719_528 * 86_400_000, UTCDay.earliest.number, "0000-01-01"), (86_399_999, 0, "1970-01-01"),
            (86_400_000, 1, "1970-01-02"),
            (-1, -1, "1969-12-31"), (-86_400_000, -1, "1969-12-31"),
            (1_795_132_800_000, 20_777, "2026-11-20"),
        ] as [(Int64, Int64, String)]
    )
    func of(milliseconds: Int64, number: Int64, text: String) {
        let day = UTCDay(of: UnixTime(milliseconds: milliseconds))
        #expect(day.number == number)
        #expect(day.description == text)
        #expect(UTCDay(text) == day)
        #expect(day.adding(days: 400).adding(days: -400) == day)
    }

    @Test(
        "anything else is none",
        arguments: [
            "", "2026-02-29", "2026-13-01", "2026-1-1", "2026-11-20Z", "20261120", "2026-11-20T00:00:00Z",
            "2026/11/20", "26-11-20", "２026-11-2",
        ]
    )
    func bad(text: String) {
        #expect(UTCDay(text) == nil)
    }
}
