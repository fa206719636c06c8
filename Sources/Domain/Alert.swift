import Native

/// What became of an event: the raw value is what the database holds.
package enum Outcome: UInt8, Sendable, CaseIterable, Comparable {
    /// It fired and no enabled channel wants it. Kept, counted, can be replayed.
    case unrouted = 0
    /// The recovery of a key never seen, or something out of order.
    case ignored = 1
    /// It said nothing new: counted, no event row.
    case duplicate = 2
    case recovered = 3
    /// Severity, title or labels changed.
    case updated = 4
    case opened = 5

    /// The wire spelling.
    package var name: String {
        switch self {
        case .unrouted: "unrouted"
        case .ignored: "ignored"
        case .duplicate: "duplicate"
        case .recovered: "recovered"
        case .updated: "updated"
        case .opened: "opened"
        }
    }

    /// Whether it left something behind in an alert.
    package var isEffective: Bool { self > .ignored }

    /// By strength: of an event's outcomes in several channels the greatest is its own.
    package static func < (left: Outcome, right: Outcome) -> Bool { left.rawValue < right.rawValue }
}

/// Why an event had its outcome in a channel: the raw value is what the database holds.
package enum ReductionReason: UInt8, Sendable {
    case noOpenAlert = 1
    case changed = 2
    case unchanged = 3
    case recovery = 4
    case repeatedRecovery = 5
    case lateCopy = 6
    case outOfOrder = 7
    case neverSeen = 8
    case noChannel = 9
    case remembered = 10
    case endedBefore = 11

    /// The sentence of the decision trace.
    package var detail: String {
        switch self {
        case .noOpenAlert: "no open alert with this key in the channel: a new one was opened"
        case .changed: "severity, title or labels differ from the open alert: it was updated"
        case .unchanged: "the open alert says the same already: counted"
        case .recovery: "the open alert with this key recovered"
        case .repeatedRecovery: "the alert with this key is over already: counted"
        case .lateCopy:
            "a copy of a firing that has recovered (same start and labels, within 60 s of the recovery): ignored"
        case .outOfOrder:
            "the recovery belongs, by its start, to an earlier alert of this key, which is over: ignored"
        case .neverSeen: "no alert with this key was ever opened by this integration: ignored"
        case .remembered:
            "no alert of this key has the start that it gives: remembered for 5 minutes, in case its firing comes late"
        case .endedBefore:
            "its recovery, with the same start, came before it: opened and recovered at once, and nobody is told"
        case .noChannel: "no route and no default led to an enabled channel: kept as unrouted"
        }
    }
}

/// All events of one alert key of one integration in one channel, from firing to recovery.
package struct Alert: Sendable, Equatable {
    /// How it stands.
    package enum Phase: Sendable, Equatable {
        case open
        case recovered(at: UnixTime)
        /// Closed by a caller of the API.
        case closed(at: UnixTime, by: APIKeyID)
    }

    package let id: AlertID
    package let channelID: ChannelID
    package let integrationID: IntegrationID
    package let alertKey: Text
    package var title: Text
    /// Of its latest firing event.
    package var severity: Severity
    package var maxSeverity: Severity
    package var phase: Phase
    /// The newest start that a firing event gave, by the sender's clock.
    package var startsAt: UnixTime?
    /// The earliest one: when it began, by the sender's clock.
    package var begunAt: UnixTime?
    /// The end that its recovery gave, by the sender's clock; nil when it is before the beginning.
    package var endsAt: UnixTime?
    /// The newest and the earliest starts of the alerts of its key before it in its channel, the last one's first; at most
    /// `mostEarlierStarts`.
    package let earlierStarts: [UnixTime]
    /// Received time of its first event.
    package let firstSeenAt: UnixTime
    /// Received time of its last event.
    package var lastSeenAt: UnixTime
    /// Events folded into it, repeats counted.
    package var eventCount: Int64
    /// Of the labels of its latest firing event: the first 16 bytes of their SHA-256.
    package var labelsDigest: [UInt8]
    /// Of its description, link, labels and annotations: the first 16 bytes of their SHA-256.
    package var contentDigest: [UInt8]
    /// Who hears of its end.
    package var hearing: Hearing

    /// Starts of earlier alerts that are kept.
    package static let mostEarlierStarts = 8

    package init(
        id: AlertID,
        channelID: ChannelID,
        integrationID: IntegrationID,
        alertKey: Text,
        title: Text,
        severity: Severity,
        maxSeverity: Severity,
        phase: Phase,
        startsAt: UnixTime?,
        begunAt: UnixTime? = nil,
        endsAt: UnixTime? = nil,
        earlierStarts: [UnixTime] = [],
        firstSeenAt: UnixTime,
        lastSeenAt: UnixTime,
        eventCount: Int64,
        labelsDigest: [UInt8],
        contentDigest: [UInt8],
        hearing: Hearing = .nobody
    ) {
        self.id = id
        self.channelID = channelID
        self.integrationID = integrationID
        self.alertKey = alertKey
        self.title = title
        self.severity = severity
        self.maxSeverity = maxSeverity
        self.phase = phase
        self.startsAt = startsAt
        self.begunAt = begunAt
        self.endsAt = endsAt
        self.earlierStarts = earlierStarts
        self.firstSeenAt = firstSeenAt
        self.lastSeenAt = lastSeenAt
        self.eventCount = eventCount
        self.labelsDigest = labelsDigest
        self.contentDigest = contentDigest
        self.hearing = hearing
    }

    package var isOpen: Bool { phase == .open }

    /// Whether it, or one of its key before it, began at `start`.
    package func knows(_ start: UnixTime) -> Bool {
        startsAt == start || begunAt == start || earlierStarts.contains(start)
    }

    /// What the next alert of its key knows of those before it.
    fileprivate var startsSoFar: [UnixTime] {
        let own = startsAt == begunAt ? [startsAt] : [startsAt, begunAt]
        return Array((own.compactMap { $0 } + earlierStarts).prefix(Self.mostEarlierStarts))
    }

    /// Recovered by what was received at `received`; `end` is the sender's.
    package func recovered(at received: UnixTime, end: UnixTime?) -> Alert {
        var alert = self
        alert.phase = .recovered(at: received)
        alert.endsAt = end.flatMap { end in begunAt.map { end >= $0 } ?? true ? end : nil }
        return alert
    }

    /// The severity until it recovers, then `Ok`. One that was closed keeps its severity: nobody said that it is over.
    package var status: String {
        if case .recovered = phase { okStatus } else { severity.name }
    }

    /// Closed by a caller; nil when it is not open.
    package func closed(at now: UnixTime, by key: APIKeyID) -> Alert? {
        guard isOpen else { return nil }
        var alert = self
        alert.phase = .closed(at: now, by: key)
        return alert
    }
}

/// Step 7 of a push: how an event changes the alert of its key in one channel. Pure.
package enum AlertReduction {
    /// For how long after a recovery a firing with the same start and labels counts as a late copy.
    package static let lateCopyWindow: Int64 = 60_000

    /// What came of it.
    package struct Step: Sendable, Equatable {
        package let outcome: Outcome
        package let reason: ReductionReason
        /// The alert as it is now; nil when none was touched or found.
        package let alert: Alert?
        /// Whether description, link, labels and annotations of the event become the alert's.
        package let takesContent: Bool

        package init(
            _ outcome: Outcome,
            _ reason: ReductionReason,
            _ alert: Alert?,
            takesContent: Bool = false
        ) {
            self.outcome = outcome
            self.reason = reason
            self.alert = alert
            self.takesContent = takesContent
        }
    }

    /// A firing event in `channel`, whose newest alert of this key is `current`. `newID` is called once if one is opened. `early`: the recovery
    /// that came before it.
    package static func firing(
        _ event: DecodedEvent,
        severity: Severity,
        channel: ChannelID,
        integration: IntegrationID,
        current: Alert?,
        early: EarlyRecovery? = nil,
        received: UnixTime,
        newID: () -> AlertID
    ) -> Step {
        let digest = event.labelsDigest.prefix(16)
        if let current, current.isOpen {
            return refiring(event, severity: severity, digest: digest, of: current, received)
        }
        if let current, case .recovered(let recoveredAt) = current.phase,
            let startsAt = event.startsAt, startsAt == current.startsAt, digest == current.labelsDigest,
            received.milliseconds - recoveredAt.milliseconds <= lateCopyWindow
        {
            return Step(.ignored, .lateCopy, current)
        }
        let alert = Alert(
            id: newID(),
            channelID: channel,
            integrationID: integration,
            alertKey: event.alertKey,
            title: event.title,
            severity: severity,
            maxSeverity: severity,
            phase: .open,
            startsAt: event.startsAt,
            begunAt: event.startsAt,
            earlierStarts: current?.startsSoFar ?? [],
            firstSeenAt: received,
            lastSeenAt: received,
            eventCount: 1,
            labelsDigest: digest,
            contentDigest: event.contentDigest.prefix(16)
        )
        guard let early else { return Step(.opened, .noOpenAlert, alert, takesContent: true) }
        let over = alert.recovered(at: received, end: early.endsAt)
        return Step(.opened, .endedBefore, over, takesContent: true)
    }

    private static func refiring(
        _ event: DecodedEvent,
        severity: Severity,
        digest: [UInt8],
        of current: Alert,
        _ received: UnixTime
    ) -> Step {
        let isSame =
            severity == current.severity && event.title == current.title && digest == current.labelsDigest
        var alert = current.counted(at: received)
        alert.severity = severity
        alert.maxSeverity = max(current.maxSeverity, severity)
        alert.title = event.title
        alert.labelsDigest = digest
        alert.contentDigest = event.contentDigest.prefix(16)
        if let startsAt = event.startsAt {
            alert.startsAt = max(startsAt, current.startsAt ?? startsAt)
            alert.begunAt = min(startsAt, current.begunAt ?? startsAt)
        }
        return Step(
            isSame ? .duplicate : .updated,
            isSame ? .unchanged : .changed,
            alert,
            takesContent: alert.contentDigest != current.contentDigest
        )
    }

    /// A recovery and the newest alert of its key in one channel.
    ///
    /// - Rule: it is stale only where its start is that of an earlier alert, which is over, and not one of the open alert. Why: clocks differ,
    ///   senders cut seconds, renew starts and make resolves by hand. Otherwise: alerts that stay open for ever.
    package static func recovery(_ event: DecodedEvent, current: Alert, received: UnixTime) -> Step {
        guard current.isOpen else {
            return Step(.duplicate, .repeatedRecovery, current.counted(at: received))
        }
        if let start = event.startsAt, start != current.startsAt, start != current.begunAt,
            current.earlierStarts.contains(start)
        {
            return Step(.ignored, .outOfOrder, current)
        }
        let alert = current.counted(at: received).recovered(at: received, end: event.endsAt)
        return Step(.recovered, .recovery, alert)
    }
}

extension Alert {
    fileprivate func counted(at received: UnixTime) -> Alert {
        var alert = self
        alert.eventCount += 1
        alert.lastSeenAt = max(received, lastSeenAt)
        return alert
    }
}
