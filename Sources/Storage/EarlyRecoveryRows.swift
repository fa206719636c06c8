import Domain
import SQL

/// The statements of the table `early_recoveries`, and how its rows are read and written.
enum EarlyRecoveryRows {
    static let find = SQLRowsStatement(
        "e.integration_id, e.alert_key, e.starts_at, e.ends_at, e.received_at",
        from: "early_recoveries e",
        where: "e.account_id = $1 AND e.integration_id = v.column1 AND e.alert_key = v.column2",
        leading: 1,
        types: ["BYTEA", "TEXT"]
    )
    static let put = SQLStatement(
        """
        INSERT INTO early_recoveries (account_id, integration_id, alert_key, starts_at, ends_at, received_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account_id, integration_id, alert_key, starts_at)
        DO UPDATE SET ends_at = excluded.ends_at, received_at = excluded.received_at
        """
    )
    static let remove = SQLStatement(
        """
        DELETE FROM early_recoveries
        WHERE account_id = $1 AND integration_id = $2 AND alert_key = $3 AND starts_at = $4
        """,
        isRowwise: true
    )
    /// Some at a time: whoever pushes waits for it.
    static let forget = SQLStatement(
        """
        DELETE FROM early_recoveries WHERE account_id = $1 AND (integration_id, alert_key, starts_at) IN (
            SELECT e.integration_id, e.alert_key, e.starts_at FROM early_recoveries e
            WHERE e.account_id = $1 AND e.received_at < $2 ORDER BY e.received_at LIMIT 128)
        """
    )
    static let count = SQLStatement("SELECT COUNT(*) FROM early_recoveries WHERE account_id = $1")

    static let statements = find.statements + [put, remove, forget, count]

    /// The early recoveries of these identities.
    static func find(
        _ identities: [AlertFold.Identity],
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> [EarlyRecovery] {
        let keys = identities.map { [SQLValue.id($0.integrationID), .text($0.alertKey)] }
        return try connection.rows(find, [.account(account)], keys: keys) { row throws(SQLError) in
            EarlyRecovery(
                identity: .init(integrationID: try row.id(0), alertKey: row.text(1)),
                startsAt: row.time(2),
                endsAt: row.optionalTime(3),
                receivedAt: row.time(4)
            )
        }
    }

    /// Removes the rows whose time is over for whoever pushes at `now`.
    static func forget(
        in account: AccountNumber,
        at now: UnixTime,
        on connection: any SQLConnection
    ) throws(SQLError) {
        let end = now.adding(milliseconds: -EarlyRecovery.memory)
        try connection.run(forget, [.account(account), .time(end)])
    }

    /// Saves the changes that a fold made, as far as the account may have them.
    static func save(
        _ recoveries: EarlyRecoveries,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) {
        let (added, removed) = recoveries.changed
        try connection.batch(
            remove,
            removed.map {
                [.account(account), .id($0.0.integrationID), .text($0.0.alertKey), .time($0.startsAt)]
            }
        )
        guard !added.isEmpty else { return }
        let known = try connection.row(count, [.account(account)]) { row throws(SQLError) in row.int(0) } ?? 0
        let room = max(0, EarlyRecovery.most - known)
        try connection.batch(
            put,
            added.prefix(room).map { recovery in
                [
                    .account(account), .id(recovery.identity.integrationID),
                    .text(recovery.identity.alertKey),
                    .time(recovery.startsAt), .time(recovery.endsAt), .time(recovery.receivedAt),
                ]
            }
        )
    }
}
