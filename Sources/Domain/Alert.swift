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
        case .outOfOrder: "the recovery ended before the open alert's newest start: ignored"
        case .neverSeen: "no alert with this key was ever opened by this integration: ignored"
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
        self.firstSeenAt = firstSeenAt
        self.lastSeenAt = lastSeenAt
        self.eventCount = eventCount
        self.labelsDigest = labelsDigest
        self.contentDigest = contentDigest
        self.hearing = hearing
    }

    package var isOpen: Bool { phase == .open }

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

    /// A firing event in `channel`, whose newest alert of this key is `current`. `newID` is called once if one is opened.
    package static func firing(
        _ event: DecodedEvent,
        severity: Severity,
        channel: ChannelID,
        integration: IntegrationID,
        current: Alert?,
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
            firstSeenAt: received,
            lastSeenAt: received,
            eventCount: 1,
            labelsDigest: digest,
            contentDigest: event.contentDigest.prefix(16)
        )
        return Step(.opened, .noOpenAlert, alert, takesContent: true)
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
        if let startsAt = event.startsAt { alert.startsAt = max(startsAt, current.startsAt ?? startsAt) }
        return Step(
            isSame ? .duplicate : .updated,
            isSame ? .unchanged : .changed,
            alert,
            takesContent: alert.contentDigest != current.contentDigest
        )
    }

    /// A recovery and the newest alert of its key in one channel.
    package static func recovery(_ event: DecodedEvent, current: Alert, received: UnixTime) -> Step {
        guard current.isOpen else {
            return Step(.duplicate, .repeatedRecovery, current.counted(at: received))
        }
        if let end = event.endsAt ?? event.startsAt, let start = current.startsAt, end < start {
            return Step(.ignored, .outOfOrder, current)
        }
        var alert = current.counted(at: received)
        alert.phase = .recovered(at: received)
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
