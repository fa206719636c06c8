import Domain
import Native
import Testing

/// One alert key in one channel, event after event; times in seconds.
private struct Story {
    private(set) var current: Alert?
    private var opened: UInt64 = 0

    /// A firing event; it started at `startsAt`.
    @discardableResult
    mutating func fire(
        at seconds: Int64,
        startsAt: Int64? = 0,
        _ severity: Severity = .warning,
        title: Text = "CPU high",
        labels: Labels = Labels(),
        description: Text = ""
    ) -> AlertReduction.Step {
        let firing = event(title: title, description: description, labels: labels, startsAt: startsAt)
        var count = opened
        let step = AlertReduction.firing(
            firing,
            severity: severity,
            channel: channel(1),
            integration: integration(1),
            current: current,
            received: newYear.adding(seconds: seconds)
        ) {
            count += 1
            return alert(count)
        }
        opened = count
        current = step.alert
        return step
    }

    /// A recovery of the alert that there is.
    @discardableResult
    mutating func recover(
        at seconds: Int64,
        startsAt: Int64? = 0,
        endsAt: Int64? = nil
    ) throws -> AlertReduction.Step {
        let recovery = event(isRecovery: true, startsAt: startsAt, endsAt: endsAt)
        let step = AlertReduction.recovery(
            recovery,
            current: try #require(current),
            received: newYear.adding(seconds: seconds)
        )
        current = step.alert
        return step
    }

    mutating func close(at seconds: Int64) {
        current = current?.closed(at: newYear.adding(seconds: seconds), by: APIKeyID(high: 1, low: 1))
    }
}

@Suite("AlertReduction")
struct AlertReductionTests {
    @Test("the first firing opens an alert")
    func opened() {
        var story = Story()
        let step = story.fire(at: 5, startsAt: 2, .critical)
        #expect(step.outcome == .opened)
        #expect(step.reason == .noOpenAlert)
    }

    @Test("an opened alert holds what its event says")
    func openedAlert() {
        var story = Story()
        story.fire(at: 5, startsAt: 2, .critical, title: "T", labels: labels(("a", "1")))
        let firing = event(title: "T", labels: labels(("a", "1")), startsAt: 2)
        let expected = Alert(
            id: alert(1),
            channelID: channel(1),
            integrationID: integration(1),
            alertKey: "cpu",
            title: "T",
            severity: .critical,
            maxSeverity: .critical,
            phase: .open,
            startsAt: at(2),
            firstSeenAt: at(5),
            lastSeenAt: at(5),
            eventCount: 1,
            labelsDigest: firing.labelsDigest.prefix(16),
            contentDigest: firing.contentDigest.prefix(16)
        )
        #expect(story.current == expected)
    }

    @Test("an opened alert takes its event's content")
    func openedContent() {
        var story = Story()
        #expect(story.fire(at: 0).takesContent)
    }

    @Test(
        "what changes severity, title or labels updates, what does not is a duplicate",
        arguments: [
            (.warning, "CPU high", "1", "", .duplicate), (.critical, "CPU high", "1", "", .updated),
            (.info, "CPU high", "1", "", .updated), (.warning, "CPU higher", "1", "", .updated),
            (.warning, "CPU high", "2", "", .updated), (.warning, "CPU high", "1", "new words", .duplicate),
        ] as [(Severity, Text, Text, Text, Outcome)]
    )
    func refiring(severity: Severity, title: Text, label: Text, description: Text, outcome: Outcome) {
        var story = Story()
        story.fire(at: 0, .warning, title: "CPU high", labels: labels(("a", "1")))
        let step = story.fire(
            at: 10,
            severity,
            title: title,
            labels: labels(("a", label)),
            description: description
        )
        #expect(step.outcome == outcome)
    }

    @Test("a title that differs in normal form alone is another title")
    func titleBytes() {
        var story = Story()
        story.fire(at: 0, title: "é")
        #expect(story.fire(at: 1, title: "e\u{301}").outcome == .updated)
    }

    @Test(
        "a duplicate with another description hands its content on",
        arguments: [("same", false), ("other", true)] as [(Text, Bool)]
    )
    func duplicateContent(description: Text, takesContent: Bool) {
        var story = Story()
        story.fire(at: 0, description: "same")
        #expect(story.fire(at: 1, description: description).takesContent == takesContent)
    }

    @Test(
        "a label beyond the limits that changes is a change",
        arguments: [("1", .duplicate), ("2", .updated)] as [(Text, Outcome)]
    )
    func cutLabel(last: Text, outcome: Outcome) {
        let many = (100..<200).map { (Text("n\($0)"), "" as Text) }
        var story = Story()
        story.fire(at: 0, labels: Labels(many + [("z", "1")]))
        #expect(story.fire(at: 1, labels: Labels(many + [("z", last)])).outcome == outcome)
    }

    @Test("severity follows the latest firing, the highest stays")
    func maxSeverity() {
        var story = Story()
        story.fire(at: 0, .warning)
        story.fire(at: 1, .critical)
        story.fire(at: 2, .info)
        #expect(story.current?.severity == .info)
        #expect(story.current?.maxSeverity == .critical)
    }

    @Test(
        "last seen moves with the receiver's clock and never back",
        arguments: [(20, 20), (-20, 10)] as [(Int64, Int64)]
    )
    func lastSeen(seconds: Int64, lastSeen: Int64) {
        var story = Story()
        story.fire(at: 10)
        story.fire(at: seconds)
        #expect(story.current?.lastSeenAt == at(lastSeen))
    }

    @Test("events are counted: firings, repeats and recoveries, not what is ignored")
    func counted() throws {
        var story = Story()
        story.fire(at: 0, startsAt: 100)
        story.fire(at: 1, startsAt: 100)
        story.fire(at: 2, startsAt: 100, .critical)
        try story.recover(at: 3, startsAt: nil, endsAt: 50)
        try story.recover(at: 4, endsAt: 200)
        try story.recover(at: 5, endsAt: 200)
        story.fire(at: 6, startsAt: 100)
        #expect(story.current?.eventCount == 5)
    }

    @Test("a recovery ends the alert when it is received")
    func recovered() throws {
        var story = Story()
        story.fire(at: 0)
        #expect(try story.recover(at: 9, endsAt: 7).outcome == .recovered)
        #expect(story.current?.phase == .recovered(at: at(9)))
    }

    @Test("a recovery leaves severity, title and content alone")
    func recoveryKeeps() throws {
        var story = Story()
        story.fire(at: 0, .critical, title: "T", labels: labels(("a", "1")))
        var expected = try #require(story.current)
        try story.recover(at: 9)
        expected.phase = .recovered(at: at(9))
        expected.lastSeenAt = at(9)
        expected.eventCount = 2
        #expect(story.current == expected)
    }

    @Test("a repeated recovery is a duplicate and moves the end no more")
    func repeatedRecovery() throws {
        var story = Story()
        story.fire(at: 0)
        try story.recover(at: 9)
        #expect(try story.recover(at: 12).reason == .repeatedRecovery)
        #expect(story.current?.phase == .recovered(at: at(9)))
    }

    @Test(
        "a recovery that ended before the newest start is out of order",
        arguments: [
            (100, 101, .recovered), (100, 100, .recovered), (100, 99, .ignored), (100, nil, .recovered),
            (99, nil, .ignored),
            (nil, 99, .ignored), (nil, nil, .recovered), (500, 99, .ignored),
        ] as [(Int64?, Int64?, Outcome)]
    )
    func recoveryOrder(startsAt: Int64?, endsAt: Int64?, outcome: Outcome) throws {
        var story = Story()
        story.fire(at: 200, startsAt: 100)
        #expect(try story.recover(at: 300, startsAt: startsAt, endsAt: endsAt).outcome == outcome)
    }

    @Test(
        "the newest start is the latest that any firing gave",
        arguments: [(99, .ignored), (100, .recovered)] as [(Int64, Outcome)]
    )
    func newestStart(endsAt: Int64, outcome: Outcome) throws {
        var story = Story()
        story.fire(at: 0, startsAt: 50)
        story.fire(at: 1, startsAt: 100)
        story.fire(at: 2, startsAt: 70)
        story.fire(at: 3, startsAt: nil)
        #expect(try story.recover(at: 4, endsAt: endsAt).outcome == outcome)
    }

    @Test("a recovery out of order changes nothing")
    func outOfOrder() throws {
        var story = Story()
        story.fire(at: 0, startsAt: 100)
        let before = story.current
        try story.recover(at: 1, endsAt: 99)
        #expect(story.current == before)
    }

    @Test("without a start any recovery is in order")
    func noStart() throws {
        var story = Story()
        story.fire(at: 0, startsAt: nil)
        #expect(try story.recover(at: 1, startsAt: nil, endsAt: -1_000).outcome == .recovered)
    }

    @Test(
        "after a recovery a copy of the firing is late for 60 s, all else opens an alert",
        arguments: [
            (70, 0, "1", .ignored), (10, 0, "1", .ignored), (71, 0, "1", .opened), (70, 1, "1", .opened),
            (70, -1, "1", .opened), (70, nil, "1", .opened), (70, 0, "2", .opened), (9, 0, "1", .ignored),
        ] as [(Int64, Int64?, Text, Outcome)]
    )
    func lateCopy(seconds: Int64, startsAt: Int64?, label: Text, outcome: Outcome) throws {
        var story = Story()
        story.fire(at: 0, startsAt: 0, labels: labels(("a", "1")))
        try story.recover(at: 10)
        #expect(story.fire(at: seconds, startsAt: startsAt, labels: labels(("a", label))).outcome == outcome)
    }

    @Test("a late copy changes nothing")
    func lateCopyChangesNothing() throws {
        var story = Story()
        story.fire(at: 0)
        try story.recover(at: 10)
        let before = story.current
        story.fire(at: 20, .critical, title: "Other")
        #expect(story.current == before)
    }

    @Test("a repeated recovery does not make the 60 s longer")
    func repeatedRecoveryAndLateCopy() throws {
        var story = Story()
        story.fire(at: 0)
        try story.recover(at: 10)
        try story.recover(at: 60)
        #expect(story.fire(at: 75).outcome == .opened)
    }

    @Test(
        "firing again after a recovery opens a new alert, whatever its start says",
        arguments: [20, -500, nil] as [Int64?]
    )
    func refire(startsAt: Int64?) throws {
        var story = Story()
        story.fire(at: 0, .critical)
        try story.recover(at: 10)
        story.fire(at: 20, startsAt: startsAt, .info)
        #expect(story.current?.id == alert(2))
        #expect(story.current?.maxSeverity == .info)
    }

    @Test("firing after a close opens a new alert at once, a copy too")
    func closedThenFiring() {
        var story = Story()
        story.fire(at: 0)
        story.close(at: 10)
        #expect(story.fire(at: 11).outcome == .opened)
    }

    @Test("a recovery after a close is counted as a duplicate")
    func closedThenRecovery() throws {
        var story = Story()
        story.fire(at: 0)
        story.close(at: 10)
        #expect(try story.recover(at: 11).outcome == .duplicate)
    }
}

@Suite("Alert")
struct AlertTests {
    @Test("an open alert can be closed once")
    func closedOnce() throws {
        var story = Story()
        story.fire(at: 0)
        let key = APIKeyID(high: 1, low: 1)
        let closed = try #require(story.current?.closed(at: at(1), by: key))
        #expect(closed.phase == .closed(at: at(1), by: key))
        #expect(closed.closed(at: at(2), by: key) == nil)
    }

    @Test("a recovered alert cannot be closed")
    func recoveredNotClosed() throws {
        var story = Story()
        story.fire(at: 0)
        try story.recover(at: 1)
        #expect(story.current?.closed(at: at(2), by: APIKeyID(high: 1, low: 1)) == nil)
    }

    @Test("the status of an open alert is its severity")
    func openStatus() {
        var story = Story()
        story.fire(at: 0, .critical)
        #expect(story.current?.status == "Critical")
    }

    @Test("the status of a recovered alert is Ok")
    func recoveredStatus() throws {
        var story = Story()
        story.fire(at: 0, .critical)
        try story.recover(at: 1)
        #expect(story.current?.status == "Ok")
    }

    @Test("the status of a closed alert stays its severity")
    func closedStatus() {
        var story = Story()
        story.fire(at: 0, .critical)
        story.close(at: 1)
        #expect(story.current?.status == "Critical")
    }
}

@Suite("Outcome")
struct OutcomeTests {
    @Test("opened > updated > recovered > duplicate > ignored > unrouted")
    func order() {
        #expect(
            Outcome.allCases.sorted().reversed() == [
                .opened, .updated, .recovered, .duplicate, .ignored, .unrouted,
            ]
        )
    }

    @Test("only what is ignored or unrouted leaves nothing behind", arguments: Outcome.allCases)
    func effective(outcome: Outcome) {
        #expect(outcome.isEffective == ![.ignored, .unrouted].contains(outcome))
    }
}
