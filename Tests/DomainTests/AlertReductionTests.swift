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
            begunAt: at(2),
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
        try story.recover(at: 4, startsAt: 100, endsAt: 200)
        try story.recover(at: 5, startsAt: 100, endsAt: 200)
        story.fire(at: 6, startsAt: 100)
        #expect(story.current?.eventCount == 5)
        story.fire(at: 7, startsAt: 300)
        try story.recover(at: 8, startsAt: 100)
        #expect(story.current?.eventCount == 1)
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
        "a recovery ends the open alert whatever its times say, unless its start is that of an earlier alert",
        arguments: [
            (100, 300, .recovered), (100, 99, .recovered), (99, nil, .recovered), (nil, 99, .recovered),
            (nil, nil, .recovered), (500, 99, .recovered), (10, nil, .ignored), (10, 300, .ignored),
            (20, nil, .ignored), (25, nil, .ignored), (30, nil, .ignored), (11, nil, .recovered),
            (70, nil, .recovered),
        ] as [(Int64?, Int64?, Outcome)]
    )
    func recoveryOrder(startsAt: Int64?, endsAt: Int64?, outcome: Outcome) throws {
        var story = Story()
        for start in [10, 20] as [Int64] {
            story.fire(at: start, startsAt: start)
            try story.recover(at: start + 1, startsAt: start)
        }
        // A sender that renews its start: both belong to one alert, of which the newest is kept.
        story.fire(at: 25, startsAt: 25)
        story.fire(at: 30, startsAt: 30)
        try story.recover(at: 31, startsAt: 25)
        story.fire(at: 70, startsAt: 70)
        story.fire(at: 200, startsAt: 100)
        #expect(try story.recover(at: 300, startsAt: startsAt, endsAt: endsAt).outcome == outcome)
    }

    @Test("of the alerts before it the newest starts of the last eight are known")
    func earlierStarts() throws {
        var story = Story()
        for start in 1...10 as ClosedRange<Int64> {
            story.fire(at: 100 * start, startsAt: start)
            try story.recover(at: 100 * start + 1, startsAt: start)
        }
        story.fire(at: 2_000, startsAt: 20)
        #expect(story.current?.earlierStarts == [10, 9, 8, 7, 6, 5, 4, 3].map(at))
        #expect(try story.recover(at: 2_001, startsAt: 3).outcome == .ignored)
        #expect(try story.recover(at: 2_002, startsAt: 2).outcome == .recovered)
    }

    @Test(
        "begin and end are the sender's: the earliest start, and an end that is not before it",
        arguments: [(90, nil), (40, nil), (50, 50), (200, 200), (nil, nil)] as [(Int64?, Int64?)]
    )
    func sendersTimes(endsAt: Int64?, kept: Int64?) throws {
        var story = Story()
        story.fire(at: 60, startsAt: kept == nil ? 100 : 50)
        story.fire(at: 70, startsAt: 120)
        try story.recover(at: 300, startsAt: 120, endsAt: endsAt)
        #expect(story.current?.begunAt == at(kept == nil ? 100 : 50))
        #expect(story.current?.endsAt == kept.map(at))
    }

    @Test("a recovery of an earlier alert changes nothing")
    func outOfOrder() throws {
        var story = Story()
        story.fire(at: 0, startsAt: 10)
        try story.recover(at: 1, startsAt: 10)
        story.fire(at: 2, startsAt: 100)
        let before = story.current
        let step = try story.recover(at: 3, startsAt: 10, endsAt: 200)
        #expect(step.reason == .outOfOrder)
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
