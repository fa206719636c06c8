import Domain
import Native
import SQL

/// What waits to be told, as the workers see it: one queue for each notifier.
///
/// - A queue is worked by the one who holds its lease, so that what belongs together stays in order; who dies loses it when the lease ends.
/// - Everything that a worker does with a queue is one `Work`; several are written in one transaction.
package struct Outbox: Sendable {
    let store: Store

    /// Rows that one look takes.
    package static let lookLimit = 2_000
    /// Rows of a digest, at most.
    package static let digestLimit = 100_000
    static let digestChunk = 500

    static let waiting = SQLStatement(
        """
        SELECT id, alert_id, next_at, attempts FROM notifications
        WHERE account_id = $1 AND notifier_id = $2 AND state = 0 ORDER BY id LIMIT $3
        """
    )
    static let message = SQLStatement(
        """
        SELECT \(NotificationRows.columns), n.content, e.content, t.content, t.ended_at, c.name, i.name, a.id, a.name,
            COALESCE(t.begun_at, t.starts_at), t.ends_at
        FROM notifications n
        JOIN accounts a ON a.account_id = $1
        LEFT JOIN channels c ON c.account_id = $1 AND c.id = n.channel_id
        LEFT JOIN integrations i ON i.account_id = $1 AND i.id = n.integration_id
        LEFT JOIN events e ON e.account_id = $1 AND e.id = n.event_id
        LEFT JOIN alerts t ON t.account_id = $1 AND t.id = n.alert_id
        WHERE n.account_id = $1 AND n.id = $2
        """
    )
    /// Those that were not told of an alert since something was: all that `$4` says instead, whichever of them took whose place.
    static let supersededBy = SQLStatement(
        """
        SELECT id FROM notifications
        WHERE account_id = $1 AND alert_id = $2 AND notifier_id = $3 AND state = 2 AND id < $4 AND id > COALESCE(
            (SELECT l.id FROM notifications l
                WHERE l.account_id = $1 AND l.alert_id = $2 AND l.notifier_id = $3 AND l.state IN (1, 3, 4) AND l.id < $4
                ORDER BY l.id DESC LIMIT 1),
            $5::BYTEA)
        ORDER BY id
        """
    )
    /// Whether a notifier was told anything of an alert before, by itself or in a digest; null: it was not to be told anything.
    static let toldBefore = SQLStatement(
        """
        SELECT MAX(CASE WHEN n.state = 1 OR d.state = 1 THEN 1 ELSE 0 END)
        FROM notifications n LEFT JOIN notifications d ON d.account_id = $1 AND d.id = n.by_id AND n.state = 3
        WHERE n.account_id = $1 AND n.alert_id = $2 AND n.notifier_id = $3 AND n.id < $4
        """
    )
    static let record = SQLStatement(
        """
        UPDATE notifications SET state = $3, next_at = $4, attempts = $5, sent_at = $6, log = $7
        WHERE account_id = $1 AND id = $2 AND state = 0
        """
    )
    static let supersede = SQLStatement(
        "UPDATE notifications SET state = 2, by_id = $3 WHERE account_id = $1 AND id = $2 AND state = 0"
    )
    static let digested = SQLStatement(
        "UPDATE notifications SET state = 3, by_id = $3 WHERE account_id = $1 AND id = $2 AND state = 0",
        isRowwise: true
    )
    static let redigested = SQLStatement(
        "UPDATE notifications SET by_id = $4 WHERE account_id = $1 AND notifier_id = $2 AND by_id = $3 AND state = 3"
    )
    static let digestMembers = SQLStatement(
        """
        SELECT id, alert_id, change, severity, title, at FROM notifications
        WHERE account_id = $1 AND notifier_id = $2 AND state = 0 AND change <> 5 ORDER BY id LIMIT $3
        """
    )
    static let oldMembers = SQLStatement(
        """
        SELECT id, alert_id, change, severity, title, at FROM notifications
        WHERE account_id = $1 AND notifier_id = $2 AND by_id = $3 AND state = 3 ORDER BY id LIMIT $4
        """
    )
    static let giveUp = SQLStatement(
        "UPDATE notifications SET state = 4 WHERE account_id = $1 AND notifier_id = $2 AND state = 0"
    )
    static let failing = SQLStatement(
        """
        INSERT INTO notifier_states (account_id, notifier_id, failing_since, last_failure, last_failure_at)
        SELECT $1::BIGINT, n.id, $3::BIGINT, $4::TEXT, $3::BIGINT FROM notifiers n WHERE n.account_id = $1 AND n.id = $2
        ON CONFLICT (account_id, notifier_id) DO UPDATE SET
            failing_since = COALESCE(notifier_states.failing_since, excluded.failing_since),
            last_failure = excluded.last_failure, last_failure_at = excluded.last_failure_at
        """
    )
    static let working = SQLStatement(
        """
        INSERT INTO notifier_states (account_id, notifier_id, last_sent_at)
        SELECT $1::BIGINT, n.id, $3::BIGINT FROM notifiers n WHERE n.account_id = $1 AND n.id = $2
        ON CONFLICT (account_id, notifier_id) DO UPDATE SET failing_since = NULL, last_sent_at = excluded.last_sent_at
        """
    )
    /// Also for a notifier that is gone, so that somebody gives its queue up; not for an account that is deleted: it would stay for ever.
    static let addState = SQLStatement(
        """
        INSERT INTO notifier_states (account_id, notifier_id)
        SELECT a.account_id, $2::BYTEA FROM accounts a WHERE a.account_id = $1 AND a.deleted_at IS NULL
        ON CONFLICT (account_id, notifier_id) DO NOTHING
        """
    )
    /// A state that somebody else is just claiming is passed over.
    static let lease = SQLStatement(
        """
        UPDATE notifier_states SET lease_owner = $3, lease_until = $5
        WHERE account_id = $1 AND notifier_id IN (
            SELECT s.notifier_id FROM notifier_states s
            WHERE s.account_id = $1 AND s.notifier_id = $2
                AND (s.lease_owner IS NULL OR s.lease_owner = $3 OR s.lease_until < $4)
            FOR UPDATE SKIP LOCKED)
        """
    )
    static let release = SQLStatement(
        """
        UPDATE notifier_states SET lease_owner = NULL
        WHERE account_id = $1 AND notifier_id = $2 AND lease_owner = $3
        """
    )

    static let statements = [
        waiting, message, supersededBy, toldBefore, record, supersede, digested, redigested, digestMembers,
        oldMembers,
        giveUp, failing,
        working, addState, lease, release,
    ]

    static let nextQueue = SQLStatement(
        """
        SELECT account_id, notifier_id FROM notifications
        WHERE state = 0 AND (account_id, notifier_id) > ($1, $2) ORDER BY account_id, notifier_id LIMIT 1
        """
    )
    static let forgetLeases = SQLStatement(
        "UPDATE notifier_states SET lease_owner = NULL WHERE lease_owner IS NOT NULL"
    )
    static let platformStatements = [nextQueue, forgetLeases]

    // MARK: Finding work

    /// All queues in which something waits: one search of an index for each.
    package func queues() async throws -> Set<OutboxSignal.Key> {
        try await store.database.read(.platform) { connection in
            var keys: Set<OutboxSignal.Key> = []
            var last = OutboxSignal.Key(account: .installation, notifier: NotifierID(high: 0, low: 0))
            while let next = try connection.row(
                Self.nextQueue,
                [.account(last.account), .id(last.notifier)],
                Self.key
            ) {
                keys.insert(next)
                last = next
            }
            return keys
        }
    }

    private static func key(_ row: any SQLRow) throws(SQLError) -> OutboxSignal.Key {
        let account = AccountNumber(UInt32(truncatingIfNeeded: row.integer(0)))
        return OutboxSignal.Key(account: account, notifier: try row.id(1))
    }

    /// Takes the leases of `keys` for `owner` until `end`; answers those that it holds now.
    package func lease(
        _ keys: Set<OutboxSignal.Key>,
        owner: [UInt8],
        now: UnixTime,
        until end: UnixTime
    ) async throws -> Set<OutboxSignal.Key> {
        let sorted = keys.sorted()
        return try await store.database.transaction(.platform) { connection in
            try connection.batch(Self.addState, sorted.map { [.account($0.account), .id($0.notifier)] })
            return Set(
                try sorted.filter { key in
                    let values: [SQLValue] = [
                        .account(key.account), .id(key.notifier), .blob(owner), .time(now), .time(end),
                    ]
                    return try connection.run(Self.lease, values) > 0
                }
            )
        }
    }

    /// Gives the leases of `owner` back, so that another process need not wait for their end.
    package func release(_ keys: Set<OutboxSignal.Key>, owner: [UInt8]) async throws {
        let rows = keys.sorted().map { [SQLValue.account($0.account), .id($0.notifier), .blob(owner)] }
        try await store.database.transaction(.platform) { try $0.batch(Self.release, rows) }
    }

    /// Takes all leases back: for the start of a process that is alone on its store.
    package func forgetLeases() async throws {
        try await store.database.transaction(.platform) { connection in
            _ = try connection.run(Self.forgetLeases, [])
        }
    }

    /// What a look at a queue found.
    package struct Queue: Sendable {
        /// nil: it was deleted.
        package let notifier: Notifier?
        /// In the order of ids; at most `lookLimit`.
        package let items: [OutboxPlan.Item]
    }

    /// The queue of a notifier.
    package func queue(_ key: OutboxSignal.Key) async throws -> Queue {
        let seal = SealedSettings(store, key.account)
        return try await store.database.read(.of(key.account)) { connection in
            let items = try connection.rows(
                Self.waiting,
                [.account(key.account), .id(key.notifier), .int(Self.lookLimit)]
            ) { row throws(SQLError) in
                OutboxPlan.Item(
                    id: try row.id(0),
                    alertID: try row.optionalID(1),
                    nextAt: row.time(2),
                    attempts: row.int(3)
                )
            }
            guard !items.isEmpty else { return Queue(notifier: nil, items: []) }
            return Queue(
                notifier: try NotifierRows.find(key.notifier, in: key.account, seal, on: connection),
                items: items
            )
        }
    }

    /// The message of a notification, and its log; nil when its row is gone.
    package func message(
        _ id: NotificationID,
        in account: AccountNumber
    ) async throws -> (message: OutboundMessage, log: Text?)? {
        let publicURL = store.publicURL
        return try await store.database.read(.of(account)) { connection in
            let found = try connection.row(Self.message, [.account(account), .id(id)]) {
                row throws(SQLError) in
                let notification = try NotificationRows.decode(row)
                return (notification, try MessageSource.message(of: notification, row, publicURL))
            }
            guard let (notification, message) = found else { return nil }
            let key: [SQLValue] = [
                .account(account), .id(notification.change?.alertID), .id(notification.notifierID), .id(id),
                .id(NotificationID(high: 0, low: 0)),
            ]
            let superseded = try connection.rows(Self.supersededBy, key) { row throws(SQLError) in
                try row.id(0) as NotificationID
            }
            let isEnd = notification.change.map { $0.change >= .recovered } ?? false
            let isFirstWord =
                try isEnd
                && connection.row(Self.toldBefore, Array(key.prefix(4))) { row throws(SQLError) in
                    !row.isNull(0) && row.integer(0) == 0
                } == true
            let outbound = OutboundMessage(
                id: id,
                message: message,
                supersedes: superseded,
                isFirstWord: isFirstWord
            )
            return (outbound, notification.log)
        }
    }

    // MARK: Writing what was done

    /// What one attempt came to, and what becomes of its notification.
    package struct Attempt: Sendable {
        package let id: NotificationID
        package let result: SendResult
        let attempts: Int
        package let at: UnixTime
        /// nil: no more.
        let nextAt: UnixTime?
        let log: Text?

        /// `log` is the log before it.
        package init(
            id: NotificationID,
            result: SendResult,
            attempts: Int,
            at: UnixTime,
            nextAt: UnixTime?,
            log: Text?
        ) {
            self.id = id
            self.result = result
            self.attempts = attempts
            self.at = at
            self.nextAt = nextAt
            self.log = log
        }
    }

    /// What was done with one queue.
    package struct Work: Sendable {
        package let key: OutboxSignal.Key
        package var superseded: [OutboxPlan.Superseded] = []
        package var attempts: [Attempt] = []
        /// Whether the notifier's state is to be written when everything went well: it is not after each message.
        package var isNews = true
        /// Whether nothing that waits will ever be sent: its notifier is gone or disabled.
        package var givesUp = false

        package init(_ key: OutboxSignal.Key) {
            self.key = key
        }

        package var isEmpty: Bool { superseded.isEmpty && attempts.isEmpty && !givesUp }
    }

    /// Writes all of it in one transaction.
    package func write(_ works: [Work]) async throws {
        let works = works.sorted { $0.key < $1.key }
        try await store.database.transaction(.platform) { connection in
            for work in works {
                connection.enter(.of(work.key.account))
                try Self.write(work, connection)
            }
        }
    }

    private static func write(_ work: Work, _ connection: any SQLConnection) throws(SQLError) {
        let (account, notifier) = (SQLValue.account(work.key.account), SQLValue.id(work.key.notifier))
        try connection.batch(supersede, work.superseded.map { [account, .id($0.id), .id($0.by)] })
        try connection.batch(record, work.attempts.map { values(of: $0, account) })
        if work.givesUp { try connection.run(giveUp, [account, notifier]) }
        guard let last = work.attempts.max(by: { $0.at < $1.at }) else { return }
        if let failure = last.result.failure {
            try connection.run(failing, [account, notifier, .time(last.at), .text(failure.rawValue)])
        } else if work.isNews {
            try connection.run(working, [account, notifier, .time(last.at)])
        }
    }

    private static func values(of attempt: Attempt, _ account: SQLValue) -> [SQLValue] {
        let isSent = attempt.result.failure == nil
        let state: Notification.State = isSent ? .sent : attempt.nextAt == nil ? .dead : .waiting
        return [
            account, .id(attempt.id), .integer(Int64(state.rawValue)), .time(attempt.nextAt ?? attempt.at),
            .int(attempt.attempts), .time(isSent ? attempt.at : nil),
            .text(AttemptLog.appending(attempt.result, at: attempt.at, to: attempt.log)),
        ]
    }

    /// Disables a notifier whose receiver is gone for ever; what waits is given up.
    package func disable(_ key: OutboxSignal.Key, because reason: Notifier.DisabledReason) async throws {
        let seal = SealedSettings(store, key.account)
        let actor = Actor(key: nil, role: "system", requestID: "")
        try await store.change(key.account, by: actor) { write in
            guard let old = try NotifierRows.find(key.notifier, in: key.account, seal, on: write.connection)
            else {
                return
            }
            let new = old.changed(disabled: reason, at: write.now)
            try write.connection.run(NotifierRows.update, NotifierRows.values(new, key.account, seal))
            try write.connection.run(Self.giveUp, [.account(key.account), .id(key.notifier)])
            try write.record(
                "notifier.disable",
                key.notifier.description,
                before: old.state,
                after: new.state
            )
        }
    }
}
