import Domain
import Native
import SQL

/// Writes a batch of pushes inside one transaction: steps 7 and 8 of a push. Together with `AlertStore.close` the only writer of
/// alert state.
///
/// The batch is grouped by account, accounts in the order of their numbers, so that several nodes lock in one order.
struct PushWriter {
    let connection: any SQLConnection
    let identifiers: IdentifierSource
    let now: UnixTime

    static let account = SQLStatement(
        """
        SELECT a.status, a.deleted_at, a.revision, a.stored_bytes_limit, u.stored_bytes, u.newest_at
        FROM accounts a JOIN account_usage u ON u.account_id = a.account_id WHERE a.account_id = $1
        """
    )
    static let addUsage = SQLStatement(
        "UPDATE account_usage SET stored_bytes = stored_bytes + $2, newest_at = $3 WHERE account_id = $1"
    )
    static let stored = SQLRowsStatement(
        "d.id",
        from: "deliveries d",
        where: "d.account_id = $1 AND d.id = v.column1",
        leading: 1,
        types: ["BYTEA"]
    )
    static let insertDelivery = SQLStatement(
        """
        INSERT INTO deliveries (
            account_id, id, integration_id, received_at, disposition, reason, event_count, size, content_type,
            remote_address, last_event_id, body, decisions, outcomes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """
    )
    static let updateDelivery = SQLStatement(
        """
        UPDATE deliveries SET replayed_at = $3, disposition = $4, reason = $5, event_count = $6,
            last_event_id = COALESCE($7::BYTEA, last_event_id), decisions = $8, outcomes = $9
        WHERE account_id = $1 AND id = $2
        """
    )
    static let insertEvent = SQLStatement(
        """
        INSERT INTO events (
            account_id, id, delivery_id, position, integration_id, alert_key, severity, is_recovery, is_guessed,
            occurred_at, received_at, content, outcome, tellings)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """
    )
    static let earlierOutcomes = SQLStatement(
        "SELECT outcomes FROM deliveries WHERE account_id = $1 AND id = $2"
    )

    static let statements =
        [account, addUsage, insertDelivery, updateDelivery, insertEvent, earlierOutcomes] + stored.statements

    /// What came of each push of a batch, in the order of the batch.
    typealias Results = [Result<StoredPush, PushFailure>]

    /// Writes all pushes. Throws when the store failed: then the transaction must be taken back.
    func write(_ pushes: [PreparedPush]) throws -> Results {
        var results = Results(repeating: .failure(.accountUnavailable), count: pushes.count)
        let groups = Dictionary(grouping: pushes.indices, by: { pushes[$0].account })
        for (account, indices) in groups.sorted(by: { $0.key < $1.key }) {
            let stored = try write(indices.map { pushes[$0] }, of: account)
            for (index, result) in zip(indices, stored) { results[index] = result }
        }
        return results
    }

    private struct AccountState {
        let isActive: Bool
        let revision: Revision
        let limit: Int64
        var storedBytes: Int64
        let newestAt: UnixTime
    }

    private func write(_ pushes: [PreparedPush], of account: AccountNumber) throws -> Results {
        connection.enter(.of(account))
        try AccountLock.usage(of: account, on: connection)
        guard var state = try state(of: account) else {
            return pushes.map { _ in .failure(.accountUnavailable) }
        }
        if connection.dialect == .postgres { identifiers.observe(state.newestAt) }
        let current = try upToDate(pushes, account, state.revision)
        let stored = try alreadyStored(pushes, account)
        var batch = AccountBatch(writer: self, account: account)
        batch.fold = AlertFold(newest: try newestAlerts(current.compactMap { $0 }, account))
        let bytesBefore = state.storedBytes
        var results: Results = []
        for (push, given) in zip(current, pushes) {
            if let id = given.deliveryID, stored.contains(id) {
                results.append(.success(StoredPush(deliveryID: id, outcomes: [], applied: 0)))
            } else {
                results.append(try add(push, to: &batch, &state))
            }
        }
        try batch.save()
        let newest = max(state.newestAt, identifiers.newestTime)
        let usage: [SQLValue] = [
            .account(account), .integer(state.storedBytes - bytesBefore), .time(newest),
        ]
        try connection.batch(Self.addUsage, [usage])
        return results
    }

    /// nil: the account is not there, or takes no pushes.
    private func state(of account: AccountNumber) throws(SQLError) -> AccountState? {
        let state = try connection.row(Self.account, [.account(account)]) { row throws(SQLError) in
            AccountState(
                isActive: row.isNull(1) && row.text(0) == "active",
                revision: Revision(row.integer(2)),
                limit: row.integer(3),
                storedBytes: row.integer(4),
                newestAt: row.time(5)
            )
        }
        guard let state, state.isActive else { return nil }
        return state
    }

    /// `push` is nil when it is no longer admitted. One that was acknowledged before is stored whatever the account's limit says.
    private func add(
        _ push: PreparedPush?,
        to batch: inout AccountBatch,
        _ state: inout AccountState
    ) throws -> Result<StoredPush, PushFailure> {
        guard let push else { return .failure(.noLongerAdmitted) }
        let bytes = Int64(push.storedBytes)
        guard push.mayBeStored || state.storedBytes + bytes <= state.limit else {
            return .failure(.storedBytesLimit)
        }
        state.storedBytes += bytes
        return .success(try CrashGuard.during(push.mark) { try batch.add(push) })
    }

    /// Those of the pushes that may have been stored before and were: all of what they do was done then.
    private func alreadyStored(
        _ pushes: [PreparedPush],
        _ account: AccountNumber
    ) throws(SQLError) -> Set<DeliveryID> {
        let ids = pushes.filter(\.mayBeStored).compactMap(\.deliveryID).map { [SQLValue.id($0)] }
        return Set(
            try connection.rows(Self.stored, [.account(account)], keys: ids) { row throws(SQLError) in
                try row.id(0)
            }
        )
    }

    /// The pushes, admitted and decided again where the configuration moved on since; nil for one that is no longer admitted.
    private func upToDate(
        _ pushes: [PreparedPush],
        _ account: AccountNumber,
        _ revision: Revision
    ) throws -> [PreparedPush?] {
        guard pushes.contains(where: { $0.revision < revision }),
            let snapshot = try SnapshotLoader.load(account, on: connection)
        else { return pushes }
        return pushes.map { $0.revision < revision ? $0.redecided(by: snapshot) : $0 }
    }

    private func newestAlerts(_ pushes: [PreparedPush], _ account: AccountNumber) throws -> [Alert] {
        var identities: Set<AlertFold.Identity> = []
        for push in pushes {
            for event in push.events {
                identities.insert(.init(integrationID: push.integration.id, alertKey: event.event.alertKey))
            }
        }
        guard !identities.isEmpty else { return [] }
        return try AlertRows.newest(of: Array(identities), in: account, on: connection)
    }
}

/// The pushes of one account in a batch: folds them in order and gathers the rows to write.
private struct AccountBatch {
    let writer: PushWriter
    let account: AccountNumber
    var fold = AlertFold(newest: [])
    private var deliveries = SQLRows(columns: 14)
    private var replayed = SQLRows(columns: 9)
    private var events = SQLRows(columns: 14)
    private var teller: Teller
    private var usage = UsageCount()
    /// What replays in this very batch came to: not in the store yet.
    private var justReplayed: [DeliveryID: [EventOutcome]] = [:]

    init(writer: PushWriter, account: AccountNumber) {
        self.writer = writer
        self.account = account
        teller = Teller(account, writer.identifiers)
    }

    mutating func add(_ push: PreparedPush) throws -> StoredPush {
        let id = push.replay?.deliveryID ?? push.deliveryID ?? writer.identifiers.next()
        let earlier = try earlierOutcomes(of: push)
        var outcomes: [EventOutcome] = []
        var lastEvent: EventID?
        var applied = 0
        for (position, prepared) in push.events.enumerated() {
            var packed = prepared.content
            let content = {
                if let packed { return packed }
                let content = Packing.pack(prepared.event)
                packed = content
                return content
            }
            let before = position < earlier.count ? earlier[position].channels : []
            let outcome = fold.apply(
                prepared.event,
                content: content,
                decision: prepared.decision,
                integration: push.integration.id,
                received: push.receivedAt,
                applied: before
            ) { writer.identifiers.next() }
            outcomes.append(outcome)
            let news = outcome.without(before)
            applied += news.channels.count { $0.outcome.isEffective }
            guard news.outcome != .duplicate, push.replay == nil || news.outcome.isEffective else { continue }
            let event: EventID = writer.identifiers.next()
            lastEvent = event
            let tellings = push.notifiers.isEmpty ? [] : tell(prepared, news, event, push)
            gather(prepared, content(), news, tellings, event, delivery: id, position: position, push)
        }
        if push.replay != nil { justReplayed[id] = outcomes } else { usage.add(push) }
        gather(push, id, outcomes, lastEvent)
        return StoredPush(
            deliveryID: id,
            outcomes: outcomes,
            applied: applied,
            quarantine: push.quarantine,
            told: teller.takeTold()
        )
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
                description: prepared.event.description,
                labels: prepared.event.labels,
                event: event,
                notifiers: rules,
                at: push.receivedAt
            )
        }
    }

    /// What the delivery did before, as the store has it now: two replays at the same time must not both take effect.
    private func earlierOutcomes(of push: PreparedPush) throws -> [EventOutcome] {
        guard let replay = push.replay else { return [] }
        if let outcomes = justReplayed[replay.deliveryID] { return outcomes }
        let bytes = try writer.connection.row(
            PushWriter.earlierOutcomes,
            [.account(account), .id(replay.deliveryID)]
        ) { row throws(SQLError) in row.bytes(0) }
        return bytes.flatMap { EventOutcome.decode($0) } ?? replay.earlier
    }

    private mutating func gather(
        _ push: PreparedPush,
        _ id: DeliveryID,
        _ outcomes: [EventOutcome],
        _ lastEvent: EventID?
    ) {
        let reason = SQLValue.text(push.reason)
        let disposition = SQLValue.integer(Int64(push.disposition.rawValue))
        let decisions = push.packedDecisions.map { SQLValue.blob($0) } ?? .null
        let packed = push.packedDecisions == nil ? SQLValue.null : .blob(EventOutcome.encode(outcomes))
        if push.replay != nil {
            replayed.append(.account(account))
            replayed.append(.id(id))
            replayed.append(.time(push.receivedAt))
            replayed.append(disposition)
            replayed.append(reason)
            replayed.append(.int(push.events.count))
            replayed.append(.id(lastEvent))
            replayed.append(decisions)
            replayed.append(packed)
        } else {
            deliveries.append(.account(account))
            deliveries.append(.id(id))
            deliveries.append(.id(push.integration.id))
            deliveries.append(.time(push.receivedAt))
            deliveries.append(disposition)
            deliveries.append(reason)
            deliveries.append(.int(push.events.count))
            deliveries.append(.int(push.size))
            deliveries.append(.text(push.contentType))
            deliveries.append(.text(push.remoteAddress))
            deliveries.append(.id(lastEvent))
            deliveries.append(.blob(push.packedBody))
            deliveries.append(decisions)
            deliveries.append(packed)
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
        try writer.connection.batch(PushWriter.insertEvent, events)
        try AlertRows.save(fold.changes, in: account, on: writer.connection)
        try teller.save(on: writer.connection)
        try usage.save(of: account, on: writer.connection)
    }
}

extension EventOutcome {
    /// What came of the event besides what had come of it before.
    func without(_ before: [InChannel]) -> EventOutcome {
        guard !before.isEmpty else { return self }
        return EventOutcome(channels: channels.filter { !before.contains($0) }, whenEmpty: reasonWhenEmpty)
    }
}
