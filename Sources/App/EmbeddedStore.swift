import Domain
import Native
import SQL
import Storage

/// The store of an installation in its data directory: an SQLite file.
enum EmbeddedStore {
    /// Bytes of a database up to which it is checked before it is used: about a millisecond for each MiB, while senders wait.
    private static let checkedAtOnce: Int64 = 256 << 20
    private static let size = Database.Size(readers: 2)

    /// Opens the file, in an order in which each step may rely on the ones before: log made durable, database, log emptied, schema, whose
    /// installation it is (`identify`), damage check. Answers whether the whole of it was checked.
    ///
    /// - Rule: the log is written again before it is read, and the folder synced after. Why: what a failed sync left in memory only would
    ///   be carried over into the database. Otherwise: a power cut in between leaves a damaged database.
    static func open<Identity>(
        _ path: String,
        clock: WallClock,
        failStop: @escaping @Sendable (String) -> Void,
        identify: (any SQLConnection) throws -> Identity
    ) throws -> (Database, Identity, isChecked: Bool) {
        try PrivateFile.rewrite(path + "-wal")
        let writer = try SQLiteConnection(path: path, purpose: .writer)
        try writer.truncateLog()
        try PrivateFile.syncFolder(of: path)
        try Migrator.migrate(writer, Schema.migrations, now: clock.now().milliseconds)
        let identity = try identify(writer)
        let isChecked = try check(writer)
        let database = try Database(size: size) { purpose throws(SQLError) in
            purpose == .reader ? try SQLiteConnection(path: path, purpose: .reader) : writer
        } onSyncFailure: {
            failStop("the disk did not confirm a sync: what was written may be gone")
        }
        return (database, identity, isChecked)
    }

    private static let bytes = SQLStatement(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    )
    private static let quickCheck = SQLStatement("PRAGMA quick_check(1)")

    /// Whether the database was checked; throws when it is damaged.
    private static func check(_ connection: any SQLConnection) throws -> Bool {
        let bytes = try connection.row(bytes, []) { row throws(SQLError) in row.integer(0) } ?? 0
        guard bytes <= checkedAtOnce else { return false }
        try checkNow(connection)
        return true
    }

    /// Throws when the database is damaged. Reads all of it.
    private static func checkNow(_ connection: any SQLConnection) throws {
        let verdict = try connection.row(quickCheck, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
        guard verdict == "ok" else {
            throw Installation.Problem(description: "the database is damaged: \(verdict ?? "no verdict")")
        }
    }

    /// Throws when the database is damaged. Reads all of it on a connection of its own, while others go on.
    static func checkInBackground(_ path: String) async throws {
        let inspector = try Database(size: Database.Size(readers: 1)) { purpose throws(SQLError) in
            try SQLiteConnection(path: path, purpose: purpose == .reader ? .inspector : .reader)
        }
        try await inspector.read(.platform) { try checkNow($0) }
        try await inspector.close()
    }
}
