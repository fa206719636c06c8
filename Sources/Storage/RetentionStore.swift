import Domain
import SQL

/// Removes what accounts keep no longer, in batches so small that pushes hardly wait for the writer.
///
/// - Order: oldest first. Identifiers carry the time at which their rows were stored, so what is due of deliveries, events and the audit is
///   the beginning of an account's rows by primary key. Alerts end in another order than they open: the index `alerts_ended` has them by
///   their end.
/// - Deliveries without a body are an account's first ones, up to `account_usage.bodies_purged_to`: they are not looked at again.
/// - Usage is kept as long as the audit, by whole days.
/// - A look that finds nothing due costs eight searches of an index for each account, on a reading connection; the writer is left alone.
/// - Not here: deleted accounts, which `DeletionStore` empties, and the installation's own audit, which stays.
package struct RetentionStore: Sendable {
    let store: Store

    static let look = SQLStatement(
        """
        SELECT a.account_id, a.body_days, a.event_days, a.alert_days, a.audit_days,
            (SELECT e.id FROM events e WHERE e.account_id = a.account_id ORDER BY e.id LIMIT 1),
            (SELECT d.id FROM deliveries d WHERE d.account_id = a.account_id ORDER BY d.id LIMIT 1),
            (SELECT b.id FROM deliveries b
                WHERE b.account_id = a.account_id AND b.id > COALESCE(u.bodies_purged_to, $3::BYTEA)
                ORDER BY b.id LIMIT 1),
            (SELECT t.ended_at FROM alerts t
                WHERE t.account_id = a.account_id AND t.ended_at IS NOT NULL ORDER BY t.ended_at LIMIT 1),
            (SELECT r.id FROM audit r WHERE r.account_id = a.account_id ORDER BY r.id LIMIT 1),
            (SELECT n.id FROM notifications n WHERE n.account_id = a.account_id ORDER BY n.id LIMIT 1),
            (SELECT y.day FROM usage_days y WHERE y.account_id = a.account_id ORDER BY y.day LIMIT 1),
            (SELECT z.day FROM usage_refusals z WHERE z.account_id = a.account_id ORDER BY z.day LIMIT 1)
        FROM accounts a JOIN account_usage u ON u.account_id = a.account_id
        WHERE a.deleted_at IS NULL AND a.account_id > $1 ORDER BY a.account_id LIMIT $2
        """
    )
    static let deleteEvents = SQLStatement(
        """
        DELETE FROM events WHERE account_id = $1
            AND id IN (SELECT id FROM events WHERE account_id = $1 AND id < $2 ORDER BY id LIMIT $3)
        """
    )
    static let deleteDeliveries = SQLStatement(
        """
        DELETE FROM deliveries WHERE account_id = $1
            AND id IN (SELECT id FROM deliveries WHERE account_id = $1 AND id < $2 ORDER BY id LIMIT $3)
        RETURNING COALESCE(LENGTH(body), 0)
        """
    )
    /// All slices of a delivery at once: at most some hundred rows more than `$3`.
    static let deleteSlices = SQLStatement(
        """
        DELETE FROM delivery_slices WHERE account_id = $1 AND delivery_id IN (
            SELECT delivery_id FROM delivery_slices WHERE account_id = $1 AND delivery_id < $2
            ORDER BY delivery_id, position LIMIT $3)
        """
    )
    static let deletePending = SQLStatement(
        "DELETE FROM pending_deliveries WHERE account_id = $1 AND delivery_id < $2"
    )
    static let purgedTo = SQLStatement("SELECT bodies_purged_to FROM account_usage WHERE account_id = $1")
    static let bodies = SQLStatement(
        """
        SELECT id, COALESCE(LENGTH(body), 0) FROM deliveries
        WHERE account_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4
        """
    )
    static let clearBodies = SQLStatement(
        "UPDATE deliveries SET body = NULL WHERE account_id = $1 AND id > $2 AND id <= $3"
    )
    static let notePurged = SQLStatement(
        "UPDATE account_usage SET bodies_purged_to = $2 WHERE account_id = $1"
    )
    static let deleteAlerts = SQLStatement(
        """
        DELETE FROM alerts WHERE account_id = $1
            AND id IN (SELECT id FROM alerts WHERE account_id = $1 AND ended_at < $2 ORDER BY ended_at LIMIT $3)
        """
    )
    static let deleteNotifications = SQLStatement(
        """
        DELETE FROM notifications WHERE account_id = $1
            AND id IN (SELECT id FROM notifications WHERE account_id = $1 AND id < $2 ORDER BY id LIMIT $3)
        """
    )
    static let freeUsage = SQLStatement(
        "UPDATE account_usage SET stored_bytes = stored_bytes - $2 WHERE account_id = $1"
    )
    static let deleteAudit = SQLStatement(
        """
        DELETE FROM audit WHERE account_id = $1
            AND id IN (SELECT id FROM audit WHERE account_id = $1 AND id < $2 ORDER BY id LIMIT $3)
        RETURNING bytes
        """
    )
    static let deleteUsage = SQLStatement(
        """
        DELETE FROM usage_days WHERE account_id = $1
            AND day IN (SELECT day FROM usage_days WHERE account_id = $1 AND day < $2 ORDER BY day LIMIT $3)
        """
    )
    /// All reasons of a day at once: at most some rows more than `$3`.
    static let deleteRefusalUsage = SQLStatement(
        """
        DELETE FROM usage_refusals WHERE account_id = $1
            AND day IN (SELECT day FROM usage_refusals WHERE account_id = $1 AND day < $2 ORDER BY day LIMIT $3)
        """
    )

    /// Of whatever account, the installation's own calls among them.
    static let deleteAnswers = SQLStatement(
        """
        DELETE FROM idempotency_keys WHERE (account_id, scope) IN (
            SELECT account_id, scope FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)
        RETURNING account_id, bytes
        """
    )
    static let oldAnswers = SQLStatement(
        """
        SELECT DISTINCT account_id FROM (
            SELECT account_id FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2) AS old
        ORDER BY account_id
        """
    )

    static let statements = [
        look, deleteEvents, deleteDeliveries, deleteSlices, deletePending, purgedTo, bodies, clearBodies,
        notePurged, deleteAlerts,
        deleteNotifications, deleteAudit, freeUsage, deleteUsage, deleteRefusalUsage,
    ]

    /// Before all deliveries.
    private static let lowest = DeliveryID(high: 0, low: 0)

    /// What goes separately, in this order: a notification before the event that has its texts, an event before the delivery that has its
    /// trace.
    package enum Kind: String, Sendable, CaseIterable {
        case notifications, events, deliveries, bodies, alerts, audit, usage
    }

    /// What is due of one account.
    package struct Due: Sendable, Equatable {
        package let account: AccountNumber
        package let bounds: Retention.Bounds
        /// Never empty.
        package fileprivate(set) var kinds: [Kind]
    }

    /// What a look at some accounts found.
    package struct Look: Sendable {
        package let due: [Due]
        /// Where the next look goes on; nil: these were the last accounts.
        package let next: AccountNumber?
    }

    /// What one transaction did.
    package struct Batch: Sendable {
        /// What is still due, those that had a turn behind the others.
        package let rest: [Due]
        /// How many rows of each kind were removed, or lost their body.
        package let counts: [Kind: Int]
        /// For how long the writer was busy, without the commit.
        package let work: Duration
    }

    /// What is due at `now` of the first `limit` accounts after number `account`.
    package func look(after account: AccountNumber, limit: Int, at now: UnixTime) async throws -> Look {
        try await store.database.read(.platform) { connection in
            var due: [Due] = []
            var last: AccountNumber?
            var count = 0
            try connection.forEachRow(Self.look, [.account(account), .int(limit), .id(Self.lowest)]) {
                row throws(SQLError) in
                let found = try Self.due(row, at: now)
                (last, count) = (found.account, count + 1)
                if !found.kinds.isEmpty { due.append(found) }
                return true
            }
            return Look(due: due, next: count < limit ? nil : last)
        }
    }

    /// Removes at most `limit` answers that no call is given any more at `now`. Answers how many went, and how long the writer was busy.
    package func purgeAnswers(limit: Int, at now: UnixTime) async throws -> (count: Int, work: Duration) {
        let oldest = SQLValue.time(now.adding(seconds: -Idempotency.keptFor))
        return try await store.database.transaction(.platform, .later) { connection in
            let start = ContinuousClock.now
            let accounts = try connection.rows(Self.oldAnswers, [oldest, .int(limit)]) {
                row throws(SQLError) in
                AccountNumber(UInt32(truncatingIfNeeded: row.integer(0)))
            }
            // Before the answers, as calls do.
            for account in accounts { try AccountLock.usage(of: account, on: connection) }
            var (count, freed) = (0, [AccountNumber: Int64]())
            try connection.forEachRow(Self.deleteAnswers, [oldest, .int(limit)]) { row throws(SQLError) in
                freed[AccountNumber(UInt32(truncatingIfNeeded: row.integer(0))), default: 0] += row.integer(1)
                count += 1
                return true
            }
            for (account, bytes) in freed.sorted(by: { $0.key < $1.key }) {
                try Self.free(bytes, of: account, on: connection)
            }
            return (count, start.duration(to: .now))
        }
    }

    /// Removes at most `limit` rows of what is `due`, in one transaction.
    package func purge(_ due: [Due], limit: Int) async throws -> Batch {
        try await store.database.transaction(.platform, .later) { connection in
            let start = ContinuousClock.now
            var counts: [Kind: Int] = [:]
            var (waiting, begun) = (due[...], [Due]())
            var left = limit
            var last = AccountNumber.installation
            // In the order of numbers, because several are held at once; those that had a turn come first in the next batch.
            while left > 0, waiting.first.map({ $0.account > last }) == true, var account = waiting.popFirst()
            {
                last = account.account
                try AccountLock.usage(of: last, on: connection)
                while left > 0, let kind = account.kinds.first {
                    let count = try Self.purge(kind, of: account, limit: left, on: connection)
                    counts[kind, default: 0] += count
                    left -= count
                    if left > 0 { account.kinds.removeFirst() }
                }
                if !account.kinds.isEmpty { begun.append(account) }
            }
            return Batch(rest: waiting + begun, counts: counts, work: start.duration(to: .now))
        }
    }

    private static func due(_ row: any SQLRow, at now: UnixTime) throws(SQLError) -> Due {
        let bounds = row.retention(1).bounds(at: now)
        var kinds: [Kind] = []
        if try row.isStored(10, before: bounds.event) { kinds.append(.notifications) }
        if try row.isStored(5, before: bounds.event) { kinds.append(.events) }
        if try row.isStored(6, before: bounds.event) { kinds.append(.deliveries) }
        if try row.isStored(7, before: bounds.body) { kinds.append(.bodies) }
        if let end = row.optionalTime(8), end < bounds.alert { kinds.append(.alerts) }
        if try row.isStored(9, before: bounds.audit) { kinds.append(.audit) }
        let firstDay = UTCDay(of: bounds.audit).number
        for column in 11...12
        where !row.isNull(column) && row.integer(column) < firstDay && kinds.last != .usage {
            kinds.append(.usage)
        }
        let number = AccountNumber(UInt32(truncatingIfNeeded: row.integer(0)))
        return Due(account: number, bounds: bounds, kinds: kinds)
    }

    /// Answers how many rows went: fewer than `limit` when nothing more is due.
    private static func purge(
        _ kind: Kind,
        of due: Due,
        limit: Int,
        on connection: any SQLConnection
    ) throws(SQLError) -> Int {
        let (key, bounds, count) = (SQLValue.account(due.account), due.bounds, SQLValue.int(limit))
        switch kind {
        case .notifications:
            let end = NotificationID.lowest(at: bounds.event)
            return try connection.run(deleteNotifications, [key, .id(end), count])
        case .events:
            return try connection.run(deleteEvents, [key, .id(EventID.lowest(at: bounds.event)), count])
        case .deliveries: return try purgeDeliveries(of: due, limit: limit, on: connection)
        case .bodies: return try purgeBodies(of: due, limit: limit, on: connection)
        case .alerts: return try connection.run(deleteAlerts, [key, .time(bounds.alert), count])
        case .audit:
            let end = SQLValue.id(AuditID.lowest(at: bounds.audit))
            let freed = try connection.rows(deleteAudit, [key, end, count]) { row throws(SQLError) in
                row.integer(0)
            }
            try free(freed.reduce(0, +), of: due.account, on: connection)
            return freed.count
        case .usage:
            let day = SQLValue.integer(UTCDay(of: bounds.audit).number)
            let days = try connection.run(deleteUsage, [key, day, count])
            guard days < limit else { return days }
            return days + (try connection.run(deleteRefusalUsage, [key, day, .int(limit - days)]))
        }
    }

    private static func purgeDeliveries(
        of due: Due,
        limit: Int,
        on connection: any SQLConnection
    ) throws(SQLError) -> Int {
        let key: [SQLValue] = [.account(due.account), .id(DeliveryID.lowest(at: due.bounds.event))]
        let slices = try connection.run(deleteSlices, key + [.int(limit)])
        guard slices < limit else { return limit }
        try connection.run(deletePending, key)
        let freed = try connection.rows(deleteDeliveries, key + [.int(limit - slices)]) {
            row throws(SQLError) in row.integer(0)
        }
        try free(freed.reduce(0, +), of: due.account, on: connection)
        return slices + freed.count
    }

    private static func purgeBodies(
        of due: Due,
        limit: Int,
        on connection: any SQLConnection
    ) throws(SQLError) -> Int {
        let key = SQLValue.account(due.account)
        let known = try connection.row(purgedTo, [key]) { row throws(SQLError) in
            try row.optionalID(0) as DeliveryID?
        }
        let start = (known ?? nil) ?? lowest
        let end = DeliveryID.lowest(at: due.bounds.body)
        let found = try connection.rows(
            bodies,
            [key, .id(start), .id(end), .int(limit)]
        ) { row throws(SQLError) in (id: try row.id(0) as DeliveryID, size: row.integer(1)) }
        guard let last = found.last else { return 0 }
        try connection.run(clearBodies, [key, .id(start), .id(last.id)])
        try connection.run(notePurged, [key, .id(last.id)])
        try free(found.reduce(0) { $0 + $1.size }, of: due.account, on: connection)
        return found.count
    }

    private static func free(
        _ bytes: Int64,
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) {
        guard bytes > 0 else { return }
        try connection.run(freeUsage, [.account(account), .integer(bytes)])
    }
}

extension SQLRow {
    /// Whether a column holds the identifier of a row that was stored before `time`; no when it is NULL.
    fileprivate func isStored(_ column: Int, before time: UnixTime) throws(SQLError) -> Bool {
        guard let id: DeliveryID = try optionalID(column) else { return false }
        return id < .lowest(at: time)
    }
}
