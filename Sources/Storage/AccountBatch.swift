import Domain
import SQL

/// The pushes of one account in a batch: folds them in order and gathers the rows to write.
struct AccountBatch {
    let writer: PushWriter
    let account: AccountNumber
    var fold = AlertFold(newest: [])
    private var deliveries = SQLRows(columns: 14)
    private var replayed: [[SQLValue]] = []
    private var replayedSlices: [[SQLValue]] = []
    private var events = SQLRows(columns: 14)
    private var slices: [[SQLValue]] = []
    /// Deliveries that are stored and not applied to their end, and those that go on.
    private var pending: [[SQLValue]] = []
    private var continued: [(id: DeliveryID, lastEvent: EventID?, appliedTo: Int?)] = []
    private var teller: Teller
    private var usage = UsageCount()
    /// What replays in this very batch came to: not in the store yet.
    private var justReplayed: [DeliveryID: [Int: EventOutcome]] = [:]

    init(writer: PushWriter, account: AccountNumber) {
        self.writer = writer
        self.account = account
        teller = Teller(account, writer.identifiers)
    }

    /// Applies the events of a push until they have cost as much as a transaction may; none where it `waits` behind others of its account.
    mutating func add(_ push: PreparedPush, waits: Bool) throws -> StoredPush {
        let id = push.replay?.deliveryID ?? push.deliveryID ?? writer.identifiers.next()
        var progress = Progress(earlier: try earlierOutcomes(of: push))
        let budget = push.isContinued ? DeliverySlices.laterBudget : DeliverySlices.budget
        for (place, prepared) in push.events.enumerated() {
            let isRow = place % DeliverySlices.size == 0
            if isRow, waits || place > 0 && progress.cost >= budget { break }
            apply(prepared, at: push.firstPosition + place, of: id, push, &progress)
        }
        let end = push.firstPosition + progress.outcomes.count
        let appliedTo = end < push.eventCount ? end : nil
        if push.replay != nil {
            for (place, outcome) in progress.outcomes.enumerated() {
                justReplayed[id, default: [:]][push.firstPosition + place] = outcome
            }
        } else if !push.isContinued {
            usage.add(push)
        }
        gather(push, id, progress, appliedTo)
        return StoredPush(
            deliveryID: id,
            outcomes: progress.outcomes,
            applied: progress.applied,
            quarantine: push.quarantine,
            told: teller.takeTold(),
            appliedTo: appliedTo
        )
    }

    /// How far the events of a push were applied.
    private struct Progress {
        /// What came of the same events before, for a replay.
        let earlier: [EventOutcome]
        var outcomes: [EventOutcome] = []
        var lastEvent: EventID?
        var applied = 0
        /// In steps.
        var cost = 0

        init(earlier: [EventOutcome]) {
            self.earlier = earlier
        }
    }

    private mutating func apply(
        _ prepared: PreparedEvent,
        at position: Int,
        of delivery: DeliveryID,
        _ push: PreparedPush,
        _ progress: inout Progress
    ) {
        var packed = prepared.content
        let content = {
            if let packed { return packed }
            let content = Packing.pack(prepared.event)
            packed = content
            return content
        }
        let place = progress.outcomes.count
        let before = place < progress.earlier.count ? progress.earlier[place].channels : []
        let outcome = fold.apply(
            prepared.event,
            content: content,
            decision: prepared.decision,
            integration: push.integration.id,
            received: push.receivedAt,
            applied: before,
            hearing: { alert, change in Self.hearing(of: alert, after: change, prepared, push) },
            newID: { writer.identifiers.next() }
        )
        progress.outcomes.append(outcome)
        progress.cost += 1 + outcome.channels.count
        let news = outcome.without(before)
        progress.applied += news.channels.count { $0.outcome.isEffective }
        guard news.outcome != .duplicate, push.replay == nil || news.outcome.isEffective else { return }
        let event: EventID = writer.identifiers.next()
        progress.lastEvent = event
        let tellings = push.notifiers.isEmpty ? [] : tell(prepared, news, event, push)
        progress.cost += tellings.count
        gather(prepared, content(), news, tellings, event, delivery: delivery, position: position, push)
    }

    /// Who hears of the end of an alert after a firing event of which the notifiers of its channel were told, or not.
    private static func hearing(
        of alert: Alert,
        after change: AlertChange?,
        _ prepared: PreparedEvent,
        _ push: PreparedPush
    ) -> Hearing {
        guard !push.notifiers.isEmpty else { return alert.hearing }
        let rules = push.notifiers.rules(of: alert.channelID)
        let met = prepared.met(in: alert.channelID)
        guard met.count == rules.count else { return alert.hearing }
        let told = change.map { Self.verdicts(on: $0, of: alert, prepared, rules) }
        return alert.hearing.after(told, of: rules, met: met)
    }

    /// Whether each of the notifiers of the alert's channel is told, by what was found with the decision: nothing is asked here that a tenant
    /// wrote.
    private static func verdicts(
        on change: AlertChange,
        of alert: Alert,
        _ prepared: PreparedEvent,
        _ rules: [NotifierRule]
    ) -> [Telling.Verdict] {
        if change == .opened, !alert.isOpen { return rules.map { _ in .alreadyOver } }
        if change == .recovered {
            return rules.map { $0.verdict(on: change, isMet: alert.hearing.includes($0)) }
        }
        let met = prepared.met(in: alert.channelID)
        return rules.enumerated().map { place, rule in
            rule.verdict(on: change, isMet: place < met.count && met[place].contains(.firing))
        }
    }

    /// Tells the notifiers of the channels in which the event changed an alert.
    private mutating func tell(
        _ prepared: PreparedEvent,
        _ news: EventOutcome,
        _ event: EventID,
        _ push: PreparedPush
    ) -> [Telling] {
        news.channels.flatMap { channel -> [Telling] in
            let rules = push.notifiers.rules(of: channel.channelID)
            guard !rules.isEmpty, let change = AlertChange(channel.outcome),
                let alert = channel.alertID.flatMap({ fold.changed($0) })
            else { return [] }
            return teller.tell(
                change,
                of: alert,
                event: event,
                notifiers: rules,
                verdicts: Self.verdicts(on: change, of: alert, prepared, rules),
                at: push.receivedAt
            )
        }
    }

    /// What the events of the push did before, as the store has it now: two replays at the same time must not both take effect.
    private func earlierOutcomes(of push: PreparedPush) throws -> [EventOutcome] {
        guard let replay = push.replay else { return [] }
        let first = push.firstPosition
        let key: [SQLValue] = [.account(account), .id(replay.deliveryID)]
        let rows = (push.events.count + DeliverySlices.size - 1) / DeliverySlices.size
        var outcomes: [EventOutcome] = []
        try writer.connection.forEachRow(DeliverySlices.outcomes, key + [.int(first), .int(rows)]) {
            row throws(SQLError) in
            let isNext = row.int(0) == first + outcomes.count
            guard isNext, let found = EventOutcome.decode(row.bytes(1)) else { return false }
            outcomes += found
            return true
        }
        if outcomes.count < push.events.count {
            let bytes = try writer.connection.row(PushWriter.earlierOutcomes, key) { row throws(SQLError) in
                row.bytes(0)
            }
            let whole = bytes.flatMap { EventOutcome.decode($0) } ?? replay.earlier
            outcomes += whole.dropFirst(first + outcomes.count)
        }
        // What replays of the same batch came to is not in the store yet, and is newer.
        guard let newer = justReplayed[replay.deliveryID] else { return outcomes }
        for place in push.events.indices {
            guard let outcome = newer[first + place] else { continue }
            if place < outcomes.count { outcomes[place] = outcome }
            if place == outcomes.count { outcomes.append(outcome) }
        }
        return outcomes
    }

    private mutating func gather(
        _ push: PreparedPush,
        _ id: DeliveryID,
        _ progress: Progress,
        _ appliedTo: Int?
    ) {
        let isWhole = push.firstPosition == 0 && appliedTo == nil && !push.isContinued
        if !isWhole { gatherSlices(of: push, id, progress) }
        let reason = SQLValue.text(push.reason)
        let disposition = SQLValue.integer(Int64(push.disposition.rawValue))
        let packedDecisions = isWhole ? push.packedDecisions : nil
        let decisions = packedDecisions.map { SQLValue.blob($0) } ?? .null
        let packed = packedDecisions == nil ? SQLValue.null : .blob(EventOutcome.encode(progress.outcomes))
        if push.isContinued {
            continued.append((id, progress.lastEvent, appliedTo))
        } else if push.replay != nil {
            let head: [SQLValue] = [
                .account(account), .id(id), .time(push.receivedAt), disposition, reason,
                .int(push.eventCount), .id(progress.lastEvent),
            ]
            if isWhole { replayed.append(head + [decisions, packed]) } else { replayedSlices.append(head) }
        } else {
            if let appliedTo { pending.append([.account(account), .id(id), .int(appliedTo)]) }
            deliveries.append(.account(account))
            deliveries.append(.id(id))
            deliveries.append(.id(push.integration.id))
            deliveries.append(.time(push.receivedAt))
            deliveries.append(disposition)
            deliveries.append(reason)
            deliveries.append(.int(push.eventCount))
            deliveries.append(.int(push.size))
            deliveries.append(.text(push.contentType))
            deliveries.append(.text(push.remoteAddress))
            deliveries.append(.id(progress.lastEvent))
            deliveries.append(.blob(push.packedBody))
            deliveries.append(decisions)
            deliveries.append(packed)
        }
    }

    /// The rows of what was applied of a delivery that is not applied at once.
    private mutating func gatherSlices(of push: PreparedPush, _ id: DeliveryID, _ progress: Progress) {
        for start in stride(from: 0, to: progress.outcomes.count, by: DeliverySlices.size) {
            let range = start..<min(start + DeliverySlices.size, progress.outcomes.count)
            slices.append([
                .account(account), .id(id), .int(push.firstPosition + start),
                .blob(DecisionRecord.pack(push.events[range])),
                .blob(EventOutcome.encode(Array(progress.outcomes[range]))),
            ])
        }
    }

    private mutating func gather(
        _ prepared: PreparedEvent,
        _ content: [UInt8],
        _ outcome: EventOutcome,
        _ tellings: [Telling],
        _ id: EventID,
        delivery: DeliveryID,
        position: Int,
        _ push: PreparedPush
    ) {
        let (event, severity) = (prepared.event, prepared.decision.severity)
        events.append(.account(account))
        events.append(.id(id))
        events.append(.id(delivery))
        events.append(.int(position))
        events.append(.id(push.integration.id))
        events.append(.text(event.alertKey))
        events.append(.integer(Int64(severity.severity.rawValue)))
        events.append(.flag(event.isRecovery))
        events.append(.flag(severity.isGuessed))
        events.append(.time(event.occurredAt(received: push.receivedAt)))
        events.append(.time(push.receivedAt))
        events.append(.blob(content))
        events.append(.blob(EventOutcome.encode([outcome])))
        events.append(tellings.isEmpty ? .null : .blob(Telling.encode(tellings)))
    }

    func save() throws {
        try writer.connection.batch(PushWriter.insertDelivery, deliveries)
        try writer.connection.batch(PushWriter.updateDelivery, replayed)
        try writer.connection.batch(PushWriter.updateSlicedDelivery, replayedSlices)
        try writer.connection.batch(DeliverySlices.put, slices)
        try writer.connection.batch(DeliverySlices.addPending, pending)
        try saveContinued()
        try writer.connection.batch(PushWriter.insertEvent, events)
        try AlertRows.save(fold.changes, in: account, on: writer.connection)
        try EarlyRecoveryRows.save(fold.early, in: account, on: writer.connection)
        try teller.save(on: writer.connection)
        try usage.save(of: account, on: writer.connection)
    }

    private func saveContinued() throws {
        for (id, lastEvent, appliedTo) in continued {
            let key: [SQLValue] = [.account(account), .id(id)]
            try writer.connection.run(DeliverySlices.noteLastEvent, key + [.id(lastEvent)])
            if let appliedTo {
                try writer.connection.run(DeliverySlices.movePending, key + [.int(appliedTo)])
            } else {
                try writer.connection.run(DeliverySlices.removePending, key)
            }
        }
    }
}

extension EventOutcome {
    /// What came of the event besides what had come of it before.
    func without(_ before: [InChannel]) -> EventOutcome {
        guard !before.isEmpty else { return self }
        return EventOutcome(channels: channels.filter { !before.contains($0) }, whenEmpty: reasonWhenEmpty)
    }
}
