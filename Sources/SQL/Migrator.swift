/// One step of the schema. Append-only: once released it is never edited.
package struct Migration: Sendable {
    /// From 1, without gaps.
    package let version: Int
    /// Several statements, for an embedded database.
    package let script: String
    /// The same for a server.
    package let serverScript: String

    package init(version: Int, script: String, serverScript: String) {
        self.version = version
        self.script = script
        self.serverScript = serverScript
    }
}

/// Why a database can't be used by this program.
package enum MigrationError: Error, Equatable, Sendable {
    /// Its schema is newer than this program knows.
    case newerSchema(found: Int, known: Int)
}

/// Brings a database to the newest schema.
package enum Migrator {
    private static let table = """
        CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)
        """
    package static let newest = SQLStatement("SELECT COALESCE(MAX(version), 0) FROM schema_migrations")
    package static let record = SQLStatement(
        "INSERT INTO schema_migrations (version, applied_at) VALUES ($1, $2)"
    )

    /// Runs what is missing, each migration in a transaction of its own. `now` is in milliseconds since 1970. Answers the version.
    @discardableResult
    package static func migrate(
        _ connection: any SQLConnection,
        _ migrations: [Migration],
        now: Int64
    ) throws -> Int {
        try connection.execute(script: table)
        let found = try connection.row(newest, []) { row throws(SQLError) in Int(row.integer(0)) } ?? 0
        let known = migrations.last?.version ?? 0
        guard found <= known else { throw MigrationError.newerSchema(found: found, known: known) }
        for migration in migrations where migration.version > found {
            try connection.transaction {
                let isServer = connection.dialect == .postgres
                try connection.execute(script: isServer ? migration.serverScript : migration.script)
                try connection.run(record, [.integer(Int64(migration.version)), .integer(now)])
            }
        }
        return known
    }
}
