import Domain
import SQL

/// Removes what deleted accounts hold, a batch at a time, so that no push waits long for the writer.
///
/// History goes first, then configuration, children before parents. The account's row stays for ever, without
/// name and labels, so that its number is never given out again; so does its audit.
extension AccountStore {
    static let nextDeleted = SQLStatement(
        """
        SELECT account_id FROM accounts WHERE deleted_at IS NOT NULL AND name <> '' ORDER BY account_id LIMIT 1
        """
    )
    static let blank = SQLStatement(
        "UPDATE accounts SET name = '', external_id = NULL, labels = '{}' WHERE account_id = $1"
    )

    /// In the order in which they run; `$2` is how many rows, or how many parents' rows, may go.
    static let purges: [SQLStatement] = [
        purge("notifications", by: "id"), purge("events", by: "id"), purge("alerts", by: "id"),
        purge("deliveries", by: "id"), purge("notifiers", by: "id"),
        purge("notifier_states", by: "notifier_id"),
        purge("route_channels", by: "route_id"), purge("routes", by: "id"),
        purge("integration_defaults", by: "integration_id"), purge("push_urls", by: "id"),
        purge("refusals", by: "integration_id"), purge("integration_activity", by: "integration_id"),
        purge("integrations", by: "id"), purge("integration_numbers", by: "number"),
        purge("channels", by: "id"),
        purge("severity_tables", by: "integration_type"), purge("api_keys", by: "id"),
        purge("idempotency_keys", by: "scope"),
        purge("usage_days", by: "day"), purge("usage_refusals", by: "day"),
        purge("account_usage", by: "account_id"),
    ]

    /// Removes about `limit` rows of one deleted account. Answers how many rows it touched; 0: there is
    /// nothing left to do.
    package func purgeDeleted(limit: Int) async throws -> Int {
        try await store.database.transaction(.platform) { connection in
            let number = try connection.row(Self.nextDeleted, []) { row throws(SQLError) in
                AccountNumber(UInt32(truncatingIfNeeded: row.integer(0)))
            }
            guard let number else { return 0 }
            try AccountLock.usage(of: number, on: connection)
            var count = 0
            for statement in Self.purges {
                count += try connection.run(statement, [.account(number), .int(limit - count)])
                if count >= limit { return count }
            }
            return count + (try connection.run(Self.blank, [.account(number)]))
        }
    }

    /// Table and column are constants of this file.
    private static func purge(_ table: String, by column: String) -> SQLStatement {
        SQLStatement(
            """
            DELETE FROM \(table) WHERE account_id = $1
                AND \(column) IN (SELECT \(column) FROM \(table) WHERE account_id = $1 ORDER BY \(column) LIMIT $2)
            """
        )
    }
}
