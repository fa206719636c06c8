/// One HTTP request received on a push URL.
package struct Delivery: Sendable {
    /// What was done with it: the raw value is what the database holds.
    package enum Disposition: UInt8, Sendable, CaseIterable {
        /// Its events were applied.
        case accepted = 1
        /// The sender's test button: nothing raised.
        case test = 2
        /// It could not be decoded, or the integration's source rules do not take it: kept for inspection and replay.
        case quarantined = 3
        /// Its push URL was expired or its integration disabled: kept for inspection and replay.
        case refused = 4

        /// The wire spelling.
        package var name: String {
            switch self {
            case .accepted: "accepted"
            case .test: "test"
            case .quarantined: "quarantined"
            case .refused: "refused"
            }
        }

        /// Reads the exact wire spelling.
        package init?(name: String) {
            guard let match = Disposition.allCases.first(where: { $0.name == name }) else { return nil }
            self = match
        }
    }

    /// Every word that may be the reason of one.
    package static let reasons = [
        "not_json", "no_alerts", "too_many_alerts", "crashed_before", "content_encoding", "source_address",
        "pinned_label",
        "expired", "integration_disabled",
    ]

    package let id: DeliveryID
    package let integrationID: IntegrationID
    package let receivedAt: UnixTime
    package let disposition: Disposition
    /// A stable word that says why it was not accepted.
    package let reason: Text?
    package let eventCount: Int
    /// Bytes of the body as received.
    package let size: Int
    package let contentType: Text?
    package let remoteAddress: Text?
    package let replayedAt: UnixTime?
    /// How many of its events were applied so far; nil: all.
    package let appliedTo: Int?

    package init(
        id: DeliveryID,
        integrationID: IntegrationID,
        receivedAt: UnixTime,
        disposition: Disposition,
        reason: Text?,
        eventCount: Int,
        size: Int,
        contentType: Text?,
        remoteAddress: Text?,
        replayedAt: UnixTime?,
        appliedTo: Int? = nil
    ) {
        self.appliedTo = appliedTo
        self.id = id
        self.integrationID = integrationID
        self.receivedAt = receivedAt
        self.disposition = disposition
        self.reason = reason
        self.eventCount = eventCount
        self.size = size
        self.contentType = contentType
        self.remoteAddress = remoteAddress
        self.replayedAt = replayedAt
    }
}

extension Delivery {
    /// Whether the integration's source rules keep it out: it was quarantined for them, and nobody took it by a replay since.
    package var isKeptOut: Bool {
        let rules: [Quarantine] = [.sourceAddress, .pinnedLabel]
        return disposition == .quarantined && rules.contains { Text($0.reason) == reason }
    }
}

/// One event of a delivery as it was decided: what a delivery keeps of each of its events, also of those that said nothing new.
package struct EventResult: Sendable {
    package let alertKey: Text
    package let title: Text
    package let isRecovery: Bool
    /// What had to be done to read it.
    package let notes: ReadingNotes
    package let decision: Decision
    package let outcome: EventOutcome

    package init(
        alertKey: Text,
        title: Text,
        isRecovery: Bool,
        notes: ReadingNotes,
        decision: Decision,
        outcome: EventOutcome
    ) {
        self.alertKey = alertKey
        self.title = title
        self.isRecovery = isRecovery
        self.notes = notes
        self.decision = decision
        self.outcome = outcome
    }

    /// The severity of a firing event, `Ok` of a recovery.
    package var status: String { isRecovery ? okStatus : decision.severity.severity.name }

    /// All steps, from decoding to the outcome in each channel.
    package var trace: [TraceStep] { decision.trace(notes: notes) + outcome.trace }
}

/// One step of a decision trace.
package struct TraceStep: Sendable, Equatable {
    /// Which rule spoke.
    package enum Stage: String, Sendable {
        case decode
        case severity
        case route
        case reduce
    }

    package let stage: Stage
    /// A sentence for the person who asks why.
    package let detail: String
    /// The routes that it speaks of.
    package let routeIDs: [String]
    package let channelID: ChannelID?
    package let alertID: AlertID?
    package let outcome: Outcome?

    package init(
        _ stage: Stage,
        _ detail: String,
        routeIDs: [String] = [],
        channelID: ChannelID? = nil,
        alertID: AlertID? = nil,
        outcome: Outcome? = nil
    ) {
        self.stage = stage
        self.detail = detail
        self.routeIDs = routeIDs
        self.channelID = channelID
        self.alertID = alertID
        self.outcome = outcome
    }
}

extension Decision {
    /// The steps that led an event to this decision; `notes` say what had to be done to read it.
    package func trace(notes: ReadingNotes) -> [TraceStep] {
        var steps = notes.notes.map { TraceStep(.decode, $0.detail) }
        steps.append(TraceStep(.severity, severity.detail))
        switch routing {
        case .dedicated(let channel):
            let detail =
                channels.isEmpty
                ? "the integration's channel is disabled" : "the integration belongs to this channel"
            steps.append(TraceStep(.route, detail, channelID: channel))
        case .recovery:
            steps.append(
                TraceStep(.route, "a recovery goes to every open alert with its key, whatever the routes say")
            )
        case .routes(let matched, let count, let stopped, let usedDefaults):
            var detail = "\(matched.count + routesOmitted) of \(count) routes matched"
            if routesOmitted > 0 { detail += ", of which the first \(matched.count) are named" }
            if stopped { detail += ", the last one said stop" }
            if usedDefaults {
                detail +=
                    channels.isEmpty ? "; no default channel is enabled" : "; the default channels get it"
            }
            if channelsOmitted > 0 {
                detail +=
                    "; an event has at most \(Decision.mostChannels) channels: \(channelsOmitted) more were left out"
            }
            steps.append(TraceStep(.route, detail, routeIDs: matched.map(\.description)))
        }
        return steps
    }
}

extension EventOutcome {
    /// The steps of the reduction, one a channel.
    package var trace: [TraceStep] {
        if channels.isEmpty { return [TraceStep(.reduce, reasonWhenEmpty.detail, outcome: outcome)] }
        return channels.map {
            TraceStep(
                .reduce,
                $0.reason.detail,
                channelID: $0.channelID,
                alertID: $0.alertID,
                outcome: $0.outcome
            )
        }
    }
}

extension SeverityVerdict {
    fileprivate var detail: String {
        guard let candidate else {
            return "no known level in the alert: the table's fallback, \(severity.name)"
        }
        let found = "\(candidate.field) \"\(candidate.level)\""
        let meaning = meansRecovery ? okStatus : severity.name
        if let alias { return "\(found) is another word for \(alias.string.uppercased()): \(meaning)" }
        return "\(found) is \(meaning) in the severity table"
    }
}

/// One stored event.
package struct Event: Sendable {
    package let id: EventID
    package let deliveryID: DeliveryID
    package let integrationID: IntegrationID
    package let alertKey: Text
    package let content: AlertContent
    package let severity: Severity
    package let isRecovery: Bool
    package let isSeverityGuessed: Bool
    package let occurredAt: UnixTime
    package let receivedAt: UnixTime
    package let outcome: EventOutcome

    package init(
        id: EventID,
        deliveryID: DeliveryID,
        integrationID: IntegrationID,
        alertKey: Text,
        content: AlertContent,
        severity: Severity,
        isRecovery: Bool,
        isSeverityGuessed: Bool,
        occurredAt: UnixTime,
        receivedAt: UnixTime,
        outcome: EventOutcome
    ) {
        self.id = id
        self.deliveryID = deliveryID
        self.integrationID = integrationID
        self.alertKey = alertKey
        self.content = content
        self.severity = severity
        self.isRecovery = isRecovery
        self.isSeverityGuessed = isSeverityGuessed
        self.occurredAt = occurredAt
        self.receivedAt = receivedAt
        self.outcome = outcome
    }

    /// The severity of a firing event, `Ok` of a recovery.
    package var status: String { isRecovery ? okStatus : severity.name }
}

/// The part of an event that an alert takes over and shows.
package struct AlertContent: Sendable, Equatable {
    package let title: Text
    package let description: Text
    package let link: Text?
    /// The addresses that the sender gave.
    package let addresses: SourceAddresses
    package let labels: Labels
    package let annotations: Labels

    package init(
        title: Text,
        description: Text,
        link: Text?,
        addresses: SourceAddresses = SourceAddresses(),
        labels: Labels,
        annotations: Labels
    ) {
        self.title = title
        self.description = description
        self.link = link
        self.addresses = addresses
        self.labels = labels
        self.annotations = annotations
    }

    /// About how many bytes of memory it takes.
    package var byteCount: Int {
        let links = [link, addresses.external, addresses.generator].reduce(0) { $0 + ($1?.bytes.count ?? 0) }
        let texts = title.bytes.count + description.bytes.count + links
        return 512 + texts + labels.byteCount + annotations.byteCount
    }
}
