/// Folds the events of deliveries, one after the other, over the alerts of one account. Pure: it starts from the alerts that the
/// caller loaded and ends with those that the caller has to save.
package struct AlertFold: Sendable {
    /// Whose alert: at most one alert per channel and identity is the newest.
    package struct Identity: Hashable, Sendable {
        package let integrationID: IntegrationID
        package let alertKey: Text

        package init(integrationID: IntegrationID, alertKey: Text) {
            self.integrationID = integrationID
            self.alertKey = alertKey
        }
    }

    /// One alert that changed.
    package struct Saved: Sendable {
        package var alert: Alert
        /// Whether no row of it exists yet.
        package var isNew: Bool
        /// The packed content that it has now; nil when it stays as it is.
        package var content: [UInt8]?
        /// The stored alert that it follows as the newest of its identity in its channel.
        package let retires: AlertID?

        package init(alert: Alert, isNew: Bool, content: [UInt8]?, retires: AlertID?) {
            self.alert = alert
            self.isNew = isNew
            self.content = content
            self.retires = retires
        }
    }

    private var newest: [Identity: [Alert]] = [:]
    /// Recoveries whose firings may still come.
    package private(set) var early: EarlyRecoveries
    /// The changed alerts by id, with the order in which they were first changed.
    private var saved: [AlertID: Saved] = [:]
    private var order: [AlertID] = []

    /// Begins with the newest alert of each identity in each channel, and with the early recoveries, as stored.
    package init(newest alerts: [Alert], early recoveries: [EarlyRecovery] = []) {
        early = EarlyRecoveries(recoveries)
        for alert in alerts { newest[alert.identity, default: []].append(alert) }
    }

    /// The alerts to save, in the order in which they were first changed. A new alert comes after the one that it follows.
    package var changes: [Saved] { order.compactMap { saved[$0] } }

    /// An alert that was changed, as it is now; nil for any other.
    package func changed(_ id: AlertID) -> Alert? { saved[id]?.alert }

    /// Folds one event. `content` makes its packed description, link, labels and annotations, called for each alert that takes
    /// them. Channels in `applied` have had this event before and are left alone (replay). `hearing` says who hears of the end of an alert
    /// that a firing event left as it is given.
    package mutating func apply(
        _ event: DecodedEvent,
        content: () -> [UInt8],
        decision: Decision,
        integration: IntegrationID,
        received: UnixTime,
        applied: [EventOutcome.InChannel] = [],
        hearing: (Alert, AlertChange?) -> Hearing = { alert, _ in alert.hearing },
        newID: () -> AlertID
    ) -> EventOutcome {
        let identity = Identity(integrationID: integration, alertKey: event.alertKey)
        let before = applied.filter(\.outcome.isEffective)
        // Asked before the alerts change.
        let isEarly =
            event.isRecovery
            && early.remember(event, identity, newest[identity] ?? [], received: received)
        let recovery = early.recovery(of: event.startsAt, identity, at: received)
        let steps =
            event.isRecovery
            ? recover(event, identity, received: received, skipping: before)
            : fire(event, decision, identity, recovery, received: received, skipping: before, newID: newID)
        if let recovery, steps.contains(where: { $0.step.reason == .endedBefore }) { early.forget(recovery) }
        let results = steps.map { entry in
            take(entry.step, content: content, channel: entry.channel, identity) { alert in
                event.isRecovery ? alert.hearing : hearing(alert, AlertChange(entry.step.outcome))
            }
        }
        let whenEmpty: ReductionReason =
            event.isRecovery ? (isEarly ? .remembered : .neverSeen) : .noChannel
        return EventOutcome(channels: before + results, whenEmpty: whenEmpty)
    }

    private func fire(
        _ event: DecodedEvent,
        _ decision: Decision,
        _ identity: Identity,
        _ recovery: EarlyRecovery?,
        received: UnixTime,
        skipping before: [EventOutcome.InChannel],
        newID: () -> AlertID
    ) -> [(channel: ChannelID, step: AlertReduction.Step)] {
        let channels = decision.channels.filter { channel in !before.contains { $0.channelID == channel } }
        return channels.map { channel in
            let step = AlertReduction.firing(
                event,
                severity: decision.severity.severity,
                channel: channel,
                integration: identity.integrationID,
                current: newest[identity]?.first { $0.channelID == channel },
                early: recovery,
                received: received,
                newID: newID
            )
            return (channel, step)
        }
    }

    private func recover(
        _ event: DecodedEvent,
        _ identity: Identity,
        received: UnixTime,
        skipping before: [EventOutcome.InChannel]
    ) -> [(channel: ChannelID, step: AlertReduction.Step)] {
        let known = (newest[identity] ?? []).filter { alert in
            !before.contains { $0.channelID == alert.channelID }
        }
        let open = known.filter(\.isOpen)
        // A replayed recovery that took effect before counts nowhere else as a repeat.
        return (open.isEmpty && before.isEmpty ? known : open).map { alert in
            (alert.channelID, AlertReduction.recovery(event, current: alert, received: received))
        }
    }

    private mutating func take(
        _ step: AlertReduction.Step,
        content: () -> [UInt8],
        channel: ChannelID,
        _ identity: Identity,
        hearing: (Alert) -> Hearing
    ) -> EventOutcome.InChannel {
        if var alert = step.alert, step.outcome.isEffective {
            alert.hearing = hearing(alert)
            let before = newest[identity]?.first { $0.channelID == channel }
            newest[identity, default: []].removeAll { $0.channelID == channel }
            newest[identity, default: []].append(alert)
            save(
                alert,
                after: before,
                isNew: step.outcome == .opened,
                content: step.takesContent ? content() : nil
            )
        }
        return EventOutcome.InChannel(
            channelID: channel,
            alertID: step.alert?.id,
            outcome: step.outcome,
            reason: step.reason
        )
    }

    private mutating func save(_ alert: Alert, after before: Alert?, isNew: Bool, content: [UInt8]?) {
        if var entry = saved[alert.id] {
            entry.alert = alert
            entry.content = content ?? entry.content
            saved[alert.id] = entry
        } else {
            saved[alert.id] = Saved(
                alert: alert,
                isNew: isNew,
                content: content,
                retires: isNew ? before?.id : nil
            )
            order.append(alert.id)
        }
    }
}

/// What became of one event, in all channels that it concerned.
package struct EventOutcome: Sendable, Equatable {
    /// What became of it in one channel.
    package struct InChannel: Sendable, Equatable {
        package let channelID: ChannelID
        /// The alert that it changed or met.
        package let alertID: AlertID?
        package let outcome: Outcome
        package let reason: ReductionReason

        package init(channelID: ChannelID, alertID: AlertID?, outcome: Outcome, reason: ReductionReason) {
            self.channelID = channelID
            self.alertID = alertID
            self.outcome = outcome
            self.reason = reason
        }
    }

    package let channels: [InChannel]
    /// Why there are no channels, when there are none.
    package let reasonWhenEmpty: ReductionReason

    package init(channels: [InChannel], whenEmpty: ReductionReason) {
        self.channels = channels
        reasonWhenEmpty = whenEmpty
    }

    /// The strongest of its outcomes.
    package var outcome: Outcome {
        channels.map(\.outcome).max() ?? (reasonWhenEmpty == .noChannel ? .unrouted : .ignored)
    }
}

extension Alert {
    /// The identity that it shares with the alerts of its key in other channels.
    package var identity: AlertFold.Identity {
        AlertFold.Identity(integrationID: integrationID, alertKey: alertKey)
    }
}

// MARK: - Stored form

extension EventOutcome {
    /// The bytes that a delivery keeps of its events' outcomes, in the order of the events.
    ///
    ///     1 byte   version, 1
    ///     per event:
    ///       1 byte   reason when there are no channels
    ///       2 bytes  number of channels, big-endian
    ///       per channel: 16 bytes channel id, 16 bytes alert id (zero: none), 1 byte outcome, 1 byte reason
    package static func encode(_ outcomes: [EventOutcome]) -> [UInt8] {
        var bytes: [UInt8] = [1]
        bytes.reserveCapacity(1 + outcomes.count * 37)
        for outcome in outcomes {
            bytes.append(outcome.reasonWhenEmpty.rawValue)
            bytes.appendBigEndian(UInt64(outcome.channels.count), count: 2)
            for channel in outcome.channels {
                bytes.appendBigEndian(channel.channelID.high, count: 8)
                bytes.appendBigEndian(channel.channelID.low, count: 8)
                bytes.appendBigEndian(channel.alertID?.high ?? 0, count: 8)
                bytes.appendBigEndian(channel.alertID?.low ?? 0, count: 8)
                bytes.append(channel.outcome.rawValue)
                bytes.append(channel.reason.rawValue)
            }
        }
        return bytes
    }

    /// Reads what `encode` wrote; nil when it is something else.
    package static func decode(_ bytes: [UInt8]) -> [EventOutcome]? {
        guard bytes.first == 1 else { return nil }
        var outcomes: [EventOutcome] = []
        var rest = bytes[1...]
        while !rest.isEmpty {
            guard rest.count >= 3, let reason = ReductionReason(rawValue: rest[rest.startIndex]) else {
                return nil
            }
            let count = Int(rest[rest.startIndex + 1]) << 8 | Int(rest[rest.startIndex + 2])
            rest = rest.dropFirst(3)
            guard rest.count >= count * 34 else { return nil }
            var channels: [InChannel] = []
            for _ in 0..<count {
                guard let channel = InChannel(encoded: rest.prefix(34)) else { return nil }
                channels.append(channel)
                rest = rest.dropFirst(34)
            }
            outcomes.append(EventOutcome(channels: channels, whenEmpty: reason))
        }
        return outcomes
    }
}

extension EventOutcome.InChannel {
    fileprivate init?(encoded bytes: ArraySlice<UInt8>) {
        let start = bytes.startIndex
        guard let channelID = ChannelID(bytes: bytes[start..<start + 16]),
            let alertID = AlertID(bytes: bytes[start + 16..<start + 32]),
            let outcome = Outcome(rawValue: bytes[start + 32]),
            let reason = ReductionReason(rawValue: bytes[start + 33])
        else { return nil }
        self.init(
            channelID: channelID,
            alertID: alertID.high == 0 && alertID.low == 0 ? nil : alertID,
            outcome: outcome,
            reason: reason
        )
    }
}
