import Domain
import Testing

@Suite("AlertFold against a plain model")
struct AlertFoldModelTests {
    @Test("3,000 random sequences of firings and recoveries end alike", arguments: [1, 2, 3] as [UInt64])
    func sequences(seed: UInt64) {
        var random = SeededRandom(seed)
        var failure: String?
        for _ in 0..<1_000 where failure == nil { failure = Self.play(random: &random) }
        #expect(failure == nil)
    }

    /// One sequence; what went wrong, if anything did.
    private static func play(random: inout SeededRandom) -> String? {
        var timeline = Timeline()
        var model = Model()
        var seconds: Int64 = 0
        var story: [String] = []
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            seconds += Int64.random(in: 0...45, using: &random)
            let events = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                Happening(random: &random, now: seconds)
            }
            story += events.map { "\(seconds): \($0)" }
            let outcomes = timeline.deliver(events.map { ($0.event, $0.severity, $0.channels) }, at: seconds)
            if outcomes.map(\.outcome) != events.map({ model.take($0, at: seconds) }) {
                return "\(story): \(outcomes)"
            }
        }
        if timeline.alerts.map(Model.Summary.init) != model.summaries {
            return "\(story): \(timeline.alerts)"
        }
        let open = timeline.alerts.filter(\.isOpen).map { "\($0.channelID) \($0.alertKey)" }
        return Set(open).count == open.count ? nil : "\(story): two open"
    }
}

/// What a sender says.
private struct Happening {
    let key: Text
    let channels: [UInt64]
    let severity: Severity
    let title: Text
    let label: Text
    let isRecovery: Bool
    let startsAt: Int64?
    let endsAt: Int64?

    init(random: inout SeededRandom, now: Int64) {
        key = random.pick(["a", "b"])
        isRecovery = random.once(in: 3)
        channels = isRecovery ? [] : random.pick([[1], [2], [1, 2], [2, 1], []])
        severity = random.pick(Severity.allCases)
        title = random.once(in: 4) ? "other" : "title"
        label = random.once(in: 4) ? "2" : "1"
        startsAt = random.once(in: 6) ? nil : random.pick([0, 0, 30, now])
        endsAt = isRecovery && !random.once(in: 3) ? random.pick([10, now, now]) : nil
    }

    var event: DecodedEvent {
        DomainTests.event(
            key,
            title: title,
            labels: labels(("l", label)),
            isRecovery: isRecovery,
            startsAt: startsAt,
            endsAt: endsAt
        )
    }
}

/// The rules of alerts a second time, written as plainly as can be: each alert is the list of events folded into it.
private struct Model {
    struct Entry {
        let channel: UInt64
        let key: Text
        var firings: [Happening]
        /// The newest starts of those before it, the last one first.
        var earlier: [Int64] = []
        var count = 1
        var recoveredAt: Int64?

        var newestStart: Int64? { firings.compactMap(\.startsAt).max() }
        var firstStart: Int64? { firings.compactMap(\.startsAt).min() }
    }

    struct Summary: Equatable {
        let channel: ChannelID
        let key: Text
        let count: Int64
        let isOpen: Bool
        let severity: Severity
        let maxSeverity: Severity
        let title: Text
    }

    private var entries: [Entry] = []
    /// Recoveries that came before their firings: key, start and when.
    private var early: [(key: Text, start: Int64, at: Int64)] = []

    var summaries: [Summary] {
        entries.map { entry in
            let last = entry.firings[entry.firings.count - 1]
            return Summary(
                channel: DomainTests.channel(entry.channel),
                key: entry.key,
                count: Int64(entry.count),
                isOpen: entry.recoveredAt == nil,
                severity: last.severity,
                maxSeverity: entry.firings.map(\.severity).max() ?? last.severity,
                title: last.title
            )
        }
    }

    mutating func take(_ happening: Happening, at now: Int64) -> Outcome {
        happening.isRecovery ? recover(happening, at: now) : fire(happening, at: now)
    }

    private mutating func fire(_ happening: Happening, at now: Int64) -> Outcome {
        var outcomes: [Outcome] = []
        var over: [(key: Text, start: Int64?)] = []
        for channel in happening.channels {
            let newest = entries.lastIndex { $0.channel == channel && $0.key == happening.key }
            if let newest, entries[newest].recoveredAt == nil {
                let last = entries[newest].firings[entries[newest].firings.count - 1]
                let isSame =
                    last.severity == happening.severity && last.title == happening.title
                    && last.label == happening.label
                entries[newest].firings.append(happening)
                entries[newest].count += 1
                outcomes.append(isSame ? .duplicate : .updated)
            } else if let newest, let recoveredAt = entries[newest].recoveredAt, now <= recoveredAt + 60,
                let start = happening.startsAt, start == entries[newest].newestStart,
                entries[newest].firings.last?.label == happening.label
            {
                outcomes.append(.ignored)
            } else {
                var entry = Entry(channel: channel, key: happening.key, firings: [happening])
                if let newest {
                    let (newestStart, first) = (entries[newest].newestStart, entries[newest].firstStart)
                    let last = (newestStart == first ? [first] : [newestStart, first]).compactMap { $0 }
                    entry.earlier = Array((last + entries[newest].earlier).prefix(8))
                }
                let isOver = early.contains {
                    $0.key == happening.key && $0.start == happening.startsAt && now - $0.at <= 300
                }
                if isOver {
                    entry.recoveredAt = now
                    over.append((happening.key, happening.startsAt))
                }
                entries.append(entry)
                outcomes.append(.opened)
            }
        }
        early.removeAll { old in over.contains { $0.key == old.key && $0.start == old.start } }
        return outcomes.max() ?? .unrouted
    }

    private mutating func recover(_ happening: Happening, at now: Int64) -> Outcome {
        let known = ([1, 2] as [UInt64]).compactMap { channel in
            entries.lastIndex { $0.channel == channel && $0.key == happening.key }
        }
        let open = known.filter { entries[$0].recoveredAt == nil }
        if let start = happening.startsAt,
            !known.contains(where: { index in
                let entry = entries[index]
                return entry.newestStart == start || entry.firstStart == start
                    || entry.earlier.contains(start)
            })
        {
            let isClear = open.isEmpty || happening.endsAt.map { $0 > start } ?? false
            if isClear {
                early.removeAll { $0.key == happening.key && $0.start == start }
                early.append((happening.key, start, now))
                let own = early.indices.filter { early[$0].key == happening.key }
                if own.count > 8 { early.remove(at: own[0]) }
            }
        }
        var outcomes: [Outcome] = []
        for index in open {
            if let start = happening.startsAt, entries[index].newestStart != start,
                entries[index].firstStart != start, entries[index].earlier.contains(start)
            {
                outcomes.append(.ignored)
            } else {
                entries[index].recoveredAt = now
                entries[index].count += 1
                outcomes.append(.recovered)
            }
        }
        if open.isEmpty {
            for index in known { entries[index].count += 1 }
            if !known.isEmpty { outcomes.append(.duplicate) }
        }
        return outcomes.max() ?? .ignored
    }
}

extension Model.Summary {
    fileprivate init(_ alert: Alert) {
        self.init(
            channel: alert.channelID,
            key: alert.alertKey,
            count: alert.eventCount,
            isOpen: alert.isOpen,
            severity: alert.severity,
            maxSeverity: alert.maxSeverity,
            title: alert.title
        )
    }
}
