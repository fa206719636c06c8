import SQL
import Storage

/// All that a database holds, to be compared.
package enum StoreContents {
    /// Drawn at random, or made of what was.
    private static let random: Set = [
        "id", "account_id", "integration_id", "channel_id", "delivery_id", "route_id", "actor_id",
        "closed_by", "notifier_id", "alert_id", "event_id", "by_id", "settings", "health_integration_id",
        "created_by", "last_event_id", "number", "tag", "token_digest", "public_id", "digest", "resource",
    ]
    /// Depend on the order of random ids: the time of the newest identifier is that of the account which came last.
    private static let shifting: Set = ["newest_at"]
    /// Hold random ids among other things: only their length is told.
    private static let mixed: Set = [
        "outcome", "outcomes", "detail", "tellings", "state_before", "state_after", "answer",
    ]
    /// The statements that read all tables: the schema is the same in all tests.
    private static let known = Lock<[Reading: [SQLStatement]]>([:])

    private struct Reading: Hashable {
        let dialect: SQLDialect
        let isMasked: Bool
    }

    /// Every row of every table, sorted. `masked`: random values are left out, so that two runs of the same work are equal.
    package static func rows(on connection: any SQLConnection, masked: Bool) throws -> [String] {
        let reading = Reading(dialect: connection.dialect, isMasked: masked)
        let statements = try known.withLock({ $0[reading] }) ?? statements(connection, reading)
        known.withLock { $0[reading] = statements }
        return try statements.flatMap { try texts(connection, $0) }.sorted()
    }

    private static func statements(
        _ connection: any SQLConnection,
        _ reading: Reading
    ) throws -> [SQLStatement] {
        let tables = SQLStatement(
            reading.dialect == .sqlite
                ? "SELECT name FROM sqlite_master WHERE type = 'table'"
                : "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public'"
        )
        let selects = try texts(connection, tables).map { table in
            let columns = SQLStatement(
                reading.dialect == .sqlite
                    ? "SELECT name FROM pragma_table_info('\(table)')"
                    : """
                    SELECT column_name::TEXT FROM information_schema.columns
                    WHERE table_schema = 'public' AND table_name = '\(table)' ORDER BY ordinal_position
                    """
            )
            let row = try texts(connection, columns).map { text(of: $0, reading) }
                .joined(separator: " || ' ' || ")
            return "SELECT '\(table): ' || \(row) FROM \(table)"
        }
        // As one statement where each costs a way to a server; that many parts are too many for SQLite.
        guard reading.dialect == .postgres else { return selects.map { SQLStatement($0) } }
        return [SQLStatement(selects.joined(separator: " UNION ALL "))]
    }

    /// What stands for a column.
    private static func text(of column: String, _ reading: Reading) -> String {
        if reading.isMasked {
            if random.contains(column) || shifting.contains(column) {
                return "CASE WHEN \(column) IS NULL THEN 'NULL' ELSE '#' END"
            }
            if mixed.contains(column) { return "COALESCE(CAST(length(\(column)) AS TEXT), 'NULL')" }
        }
        return reading.dialect == .sqlite ? "quote(\(column))" : "quote_nullable(\(column))"
    }

    private static func texts(_ connection: any SQLConnection, _ statement: SQLStatement) throws -> [String] {
        try connection.rows(statement, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
    }
}
