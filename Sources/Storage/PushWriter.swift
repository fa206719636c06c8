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
        SELECT a.status, a.deleted_at, a.revision, a.stored_bytes_limit, u.stored_bytes + a.record_bytes, u.newest_at,
            EXISTS (SELECT 1 FROM pending_deliveries p WHERE p.account_id = $1),
            EXISTS (SELECT 1 FROM early_recoveries e WHERE e.account_id = $1)
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
    /// Of a replay in slices: what came of the events that it has not reached stays.
    static let updateSlicedDelivery = SQLStatement(
        """
        UPDATE deliveries SET replayed_at = $3, disposition = $4, reason = $5, event_count = $6,
            last_event_id = COALESCE($7::BYTEA, last_event_id)
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
        [
            account, addUsage, insertDelivery, updateDelivery, updateSlicedDelivery, insertEvent,
            earlierOutcomes,
        ] + stored.statements + EarlyRecoveryRows.statements

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
        /// Whether a delivery is stored that is not applied to its end: what comes waits behind it.
        var isBehind: Bool
        /// Whether recoveries are remembered whose firings may still come.
        let hasEarlyRecoveries: Bool
    }

    private func write(_ pushes: [PreparedPush], of account: AccountNumber) throws -> Results {
        connection.enter(.of(account))
        try AccountLock.usage(of: account, on: connection)
        guard var state = try state(of: account) else {
            return pushes.map { _ in .failure(.accountUnavailable) }
        }
        if connection.dialect == .postgres { identifiers.observe(state.newestAt) }
        let stored = try alreadyStored(pushes, account)
        var batch = AccountBatch(writer: self, account: account)
        let applied = pushes.filter { $0.revision >= state.revision && (!state.isBehind || $0.isAhead) }
        batch.fold = try fold(for: applied, account, state)
        let bytesBefore = state.storedBytes
        var results: Results = []
        for push in pushes {
            if let id = push.deliveryID, push.mayBeStored, stored.contains(id) {
                results.append(.success(StoredPush(deliveryID: id, outcomes: [], applied: 0)))
            } else if push.revision < state.revision {
                // Not here: what a tenant wrote is never run on this thread.
                results.append(.failure(.outdated(state.revision)))
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
                newestAt: row.time(5),
                isBehind: row.flag(6),
                hasEarlyRecoveries: row.flag(7)
            )
        }
        guard let state, state.isActive else { return nil }
        return state
    }

    /// One that was acknowledged before is stored whatever the account's limit says.
    private func add(
        _ push: PreparedPush,
        to batch: inout AccountBatch,
        _ state: inout AccountState
    ) throws -> Result<StoredPush, PushFailure> {
        let bytes = Int64(push.storedBytes)
        guard push.mayBeStored || push.isContinued || state.storedBytes + bytes <= state.limit else {
            return .failure(.storedBytesLimit)
        }
        if push.isContinued, try appliedTo(push) != push.firstPosition {
            return .failure(.noLongerAdmitted)
        }
        state.storedBytes += bytes
        let waits = state.isBehind && !push.isAhead
        let stored = try CrashGuard.during(push.mark) { try batch.add(push, waits: waits) }
        if stored.appliedTo != nil, push.replay == nil { state.isBehind = true }
        return .success(stored)
    }

    /// How many events of a delivery were applied; nil: all.
    private func appliedTo(_ push: PreparedPush) throws(SQLError) -> Int? {
        let key: [SQLValue] = [.account(push.account), .id(push.deliveryID)]
        return try connection.row(DeliverySlices.pending, key) { row throws(SQLError) in row.int(0) }
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

    /// What the events of the pushes are folded over, as the store has it.
    private func fold(
        for pushes: [PreparedPush],
        _ account: AccountNumber,
        _ state: AccountState
    ) throws -> AlertFold {
        var identities: Set<AlertFold.Identity> = []
        for push in pushes {
            for event in push.events {
                identities.insert(.init(integrationID: push.integration.id, alertKey: event.event.alertKey))
            }
        }
        guard !identities.isEmpty else { return AlertFold(newest: []) }
        let keys = Array(identities)
        var early: [EarlyRecovery] = []
        if state.hasEarlyRecoveries {
            // What waited in a spool came long ago, and so did what it may belong to.
            let oldest = pushes.map(\.receivedAt).min() ?? now
            try EarlyRecoveryRows.forget(in: account, at: min(now, oldest), on: connection)
            early = try EarlyRecoveryRows.find(keys, in: account, on: connection)
        }
        return AlertFold(newest: try AlertRows.newest(of: keys, in: account, on: connection), early: early)
    }
}
