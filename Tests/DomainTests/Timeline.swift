import Domain

/// Alerts of one account as a store would keep them: each delivery loads the newest alerts, folds its events over them
/// and saves what changed. Times in seconds; the routes are whatever `to` says.
struct Timeline {
    /// In the order in which they were opened.
    private(set) var alerts: [Alert] = []
    /// What the last delivery saved.
    private(set) var saved: [AlertFold.Saved] = []
    /// Recoveries that came before their firings.
    private(set) var early: [EarlyRecovery] = []
    private var made: UInt64 = 0

    /// The alerts that are open in a channel.
    func open(in number: UInt64) -> [Alert] { alerts.filter { $0.isOpen && $0.channelID == channel(number) } }

    /// A delivery with one firing event.
    @discardableResult
    mutating func fire(
        _ key: Text = "cpu",
        at seconds: Int64,
        to channels: [UInt64] = [1],
        startsAt: Int64? = 0,
        _ severity: Severity = .warning,
        title: Text = "CPU high",
        applied: [EventOutcome.InChannel] = []
    ) -> EventOutcome {
        let firing = event(key, title: title, startsAt: startsAt)
        return deliver([(firing, severity, channels)], at: seconds, applied: applied)[0]
    }

    /// A delivery with one recovery.
    @discardableResult
    mutating func recover(
        _ key: Text = "cpu",
        at seconds: Int64,
        startsAt: Int64? = 0,
        endsAt: Int64? = nil,
        from number: UInt64 = 1,
        applied: [EventOutcome.InChannel] = []
    ) -> EventOutcome {
        let recovery = event(key, isRecovery: true, startsAt: startsAt, endsAt: endsAt)
        return deliver([(recovery, .warning, [])], at: seconds, from: number, applied: applied)[0]
    }

    /// A delivery with these events of integration `number`. The content of each is its position.
    @discardableResult
    mutating func deliver(
        _ events: [(event: DecodedEvent, severity: Severity, channels: [UInt64])],
        at seconds: Int64,
        from number: UInt64 = 1,
        applied: [EventOutcome.InChannel] = []
    ) -> [EventOutcome] {
        var fold = AlertFold(newest: newest, early: early)
        var count = made
        let outcomes = events.enumerated().map { index, item in
            let decision = Decision(
                severity: verdict(item.severity),
                routing: item.event.isRecovery
                    ? .recovery : .routes(matched: [], of: 0, stopped: false, usedDefaults: true),
                channels: item.channels.map(channel)
            )
            return fold.apply(
                item.event,
                content: { [UInt8(index)] },
                decision: decision,
                integration: integration(number),
                received: at(seconds),
                applied: applied
            ) {
                count += 1
                return alert(count)
            }
        }
        made = count
        save(fold.changes)
        let (added, removed) = fold.early.changed
        early.removeAll { old in
            added.contains { $0.identity == old.identity && $0.startsAt == old.startsAt }
                || removed.contains { $0.0 == old.identity && $0.startsAt == old.startsAt }
        }
        early += added
        return outcomes
    }

    /// A caller closes what is open in a channel.
    mutating func close(in number: UInt64, at seconds: Int64) {
        for index in alerts.indices where alerts[index].channelID == channel(number) {
            alerts[index] =
                alerts[index].closed(at: at(seconds), by: APIKeyID(high: 1, low: 1)) ?? alerts[index]
        }
    }

    private var newest: [Alert] {
        alerts.indices.filter { index in
            !alerts[(index + 1)...].contains {
                $0.identity == alerts[index].identity && $0.channelID == alerts[index].channelID
            }
        }.map { alerts[$0] }
    }

    private mutating func save(_ changes: [AlertFold.Saved]) {
        saved = changes
        for change in changes {
            if change.isNew {
                alerts.append(change.alert)
            } else if let index = alerts.firstIndex(where: { $0.id == change.alert.id }) {
                alerts[index] = change.alert
            }
        }
    }
}
