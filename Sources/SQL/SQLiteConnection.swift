import CSQLite

/// A connection to an SQLite database file.
///
/// - Rule: exactly one connection of a process writes and checkpoints; the others only read.
///   Why: SQLite before 3.51.3 can corrupt the log when one connection commits while another checkpoints.
///   Otherwise: a damaged database. So automatic checkpoints are off everywhere, and closing a reader never checkpoints.
/// - Rule: `synchronous=FULL`, but for transactions that are synced later, which take `NORMAL`: the log keeps their order all the same. Why: a
///   commit that returns must survive a power cut. Otherwise: acknowledged pushes are lost.
package final class SQLiteConnection: SQLConnection {
    /// What a connection is for.
    package enum Purpose: Sendable {
        /// Writes and checkpoints.
        case writer
        /// Only reads; a statement that takes longer than `SQLiteConnection.readLimit` ends as busy.
        case reader
        /// Only reads, for as long as it takes: for a check of the whole database.
        case inspector
    }

    /// How long a reader's statement may take, in milliseconds: a reader that stays keeps the log from being checkpointed.
    private static let readLimit: Int64 = 2_000
    /// Pages in the log from which a checkpoint is worth it: 16 MiB.
    private static let checkpointPages = 4_096

    private let database: OpaquePointer
    private var prepared: [ObjectIdentifier: SQLiteStatement] = [:]
    private let logPages = LogPages()
    private let deadline = Deadline()
    private let purpose: Purpose
    /// What a commit survives by the present setting: `later` only inside a transaction that asked for it, so that a statement outside of
    /// one is synced, too.
    private var durability = SQLDurability.synced

    /// Opens the file, which a writer creates when it is missing.
    package init(path: String, purpose: Purpose) throws(SQLError) {
        let flags = purpose == .writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let handle else {
            defer { sqlite3_close_v2(handle) }
            throw SQLError(code: code, database: handle)
        }
        database = handle
        self.purpose = purpose
        try configure()
    }

    deinit {
        for statement in prepared.values { statement.finalize() }
        sqlite3_close_v2(database)
    }

    private func configure() throws(SQLError) {
        sqlite3_busy_timeout(database, 5_000)
        _ = csqlite_set_defensive(database, 1)
        _ = csqlite_set_trusted_schema(database, 0)
        _ = csqlite_set_double_quoted_strings_dml(database, 0)
        _ = csqlite_set_double_quoted_strings_ddl(database, 0)
        try execute(script: "PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cell_size_check=ON;")
        switch purpose {
        case .writer:
            try execute(
                script: """
                    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;
                    PRAGMA temp_store=MEMORY; PRAGMA cache_size=-65536;
                    """
            )
            watchLog()
        case .reader, .inspector:
            _ = csqlite_set_no_checkpoint_on_close(database, 1)
            try execute(script: "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192;")
            if purpose == .reader { limitReads() }
        }
    }

    /// Learns after each commit how many pages the log holds.
    private func watchLog() {
        let context = Unmanaged.passUnretained(logPages).toOpaque()
        sqlite3_wal_hook(
            database,
            { context, _, _, pages in
                if let context {
                    Unmanaged<LogPages>.fromOpaque(context).takeUnretainedValue().count = Int(pages)
                }
                return SQLITE_OK
            },
            context
        )
    }

    /// Ends a statement that runs past its deadline.
    private func limitReads() {
        let context = Unmanaged.passUnretained(deadline).toOpaque()
        sqlite3_progress_handler(
            database,
            10_000,
            { context in
                guard let context else { return 0 }
                return Unmanaged<Deadline>.fromOpaque(context).takeUnretainedValue().isOver ? 1 : 0
            },
            context
        )
    }

    // MARK: Statements

    package var dialect: SQLDialect { .sqlite }

    /// All rows are in one process's hands: the statements alone say whose they touch.
    package func enter(_ scope: SQLScope) {}

    package func flush() throws(SQLError) {}

    /// There is no server.
    package func allow(_ time: Duration?) {}

    /// Nobody else has the database.
    package func announce(_ text: String) throws(SQLError) {}

    @discardableResult
    package func run(_ statement: SQLStatement, _ values: [SQLValue]) throws(SQLError) -> Int {
        try forEachRow(statement, values) { _ throws(SQLError) in true }
        return Int(sqlite3_changes(database))
    }

    package func batch(_ statement: SQLStatement, _ rows: SQLRows) throws(SQLError) {
        guard !rows.isEmpty else { return }
        let prepared = try prepare(statement)
        for start in stride(from: 0, to: rows.values.count, by: rows.columns) {
            defer { prepared.reset() }
            try prepared.bind(rows.values[start..<start + rows.columns], database: database)
            var code = prepared.step()
            while code == SQLITE_ROW { code = prepared.step() }
            guard code == SQLITE_DONE else { throw SQLError(code: code, database: database) }
        }
    }

    package func forEachRow(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        _ body: (any SQLRow) throws(SQLError) -> Bool
    ) throws(SQLError) {
        let prepared = try prepare(statement)
        if purpose == .reader { deadline.set(milliseconds: SQLiteConnection.readLimit) }
        defer { prepared.reset() }
        try prepared.bind(values[...], database: database)
        while true {
            let code = prepared.step()
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw SQLError(code: code, database: database) }
            guard try body(prepared) else { return }
        }
    }

    package func execute(script: String) throws(SQLError) {
        let code = sqlite3_exec(database, script, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLError(code: code, database: database) }
    }

    private func prepare(_ statement: SQLStatement) throws(SQLError) -> SQLiteStatement {
        if let known = prepared[ObjectIdentifier(statement)] { return known }
        let new = try SQLiteStatement(statement, database: database)
        prepared[ObjectIdentifier(statement)] = new
        return new
    }

    // MARK: Transactions

    private static let beginStatement = SQLStatement("BEGIN IMMEDIATE")
    private static let commitStatement = SQLStatement("COMMIT")
    private static let savepointStatement = SQLStatement("SAVEPOINT step")
    private static let releaseStatement = SQLStatement("RELEASE step")

    package func begin(_ durability: SQLDurability) throws(SQLError) {
        try set(durability)
        try run(SQLiteConnection.beginStatement, [])
    }

    package func commit() throws(SQLError) {
        try run(SQLiteConnection.commitStatement, [])
        // The commit stands: where this fails, the next `begin` tries again, and says so.
        try? set(.synced)
    }

    package func rollback() {
        if sqlite3_get_autocommit(database) == 0 { sqlite3_exec(database, "ROLLBACK", nil, nil, nil) }
        try? set(.synced)
    }

    private func set(_ durability: SQLDurability) throws(SQLError) {
        guard durability != self.durability else { return }
        try execute(
            script: durability == .synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"
        )
        self.durability = durability
    }

    package func beginSavepoint() throws(SQLError) {
        try run(SQLiteConnection.savepointStatement, [])
    }

    package func endSavepoint(keep: Bool) throws(SQLError) {
        if !keep { try execute(script: "ROLLBACK TO step") }
        try run(SQLiteConnection.releaseStatement, [])
    }

    // MARK: Checkpoints

    /// Carries the log over into the database when it has grown enough.
    package func maintain() throws(SQLError) {
        guard purpose == .writer, logPages.count >= SQLiteConnection.checkpointPages else { return }
        logPages.count = 0
        try checkpoint(SQLITE_CHECKPOINT_PASSIVE)
    }

    /// Carries the whole log over and empties it. Fails as busy when a reader is in the way.
    ///
    /// Must succeed before the first push of a process is taken: after a failed sync and a restart, the log may hold rows that
    /// were read from memory but are not on the disk; appending after them would lose acknowledged rows in the next power cut.
    package func truncateLog() throws(SQLError) {
        try checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
    }

    private func checkpoint(_ mode: Int32) throws(SQLError) {
        let code = sqlite3_wal_checkpoint_v2(database, nil, mode, nil, nil)
        let isPassiveAndBusy = mode == SQLITE_CHECKPOINT_PASSIVE && code & 0xFF == SQLITE_BUSY
        guard code == SQLITE_OK || isPassiveAndBusy else { throw SQLError(code: code, database: database) }
    }
}

/// How many pages the log held after the last commit.
private final class LogPages {
    var count = 0
}

/// A moment on the monotonic clock.
private final class Deadline {
    private var end: ContinuousClock.Instant = .now

    var isOver: Bool { ContinuousClock.now > end }

    func set(milliseconds: Int64) {
        end = .now.advanced(by: .milliseconds(milliseconds))
    }
}

extension SQLError {
    /// From the result of a call to SQLite.
    init(code: Int32, database: OpaquePointer?) {
        let message = database.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "out of memory"
        self.init(SQLError.kind(of: code), code: Int(code), message: message)
    }

    private static func kind(of code: Int32) -> Kind {
        switch code {
        case Int32(CSQLITE_CONSTRAINT_UNIQUE), Int32(CSQLITE_CONSTRAINT_PRIMARYKEY): return .uniqueViolation
        case Int32(CSQLITE_CONSTRAINT_FOREIGNKEY): return .foreignKeyViolation
        case Int32(CSQLITE_IOERR_FSYNC): return .syncFailed
        default: break
        }
        switch code & 0xFF {
        case SQLITE_FULL: return .full
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_INTERRUPT: return .busy
        case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY: return .inputOutput
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .corrupt
        default: return .other
        }
    }
}
