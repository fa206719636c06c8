#if PostgreSQL
import Domain
import Logging
import SQL
import Storage

/// The store of an installation on a PostgreSQL server.
enum ServerStore {
    /// Connections of a node besides the one of pushes and the one that listens.
    private static let size = Database.Size(writers: 2, readers: 3)
    /// The oldest server that is tried: 13.
    private static let oldestVersion: Int64 = 130_000

    private static let lock = SQLStatement("SELECT pg_advisory_lock(7237954630261203)")
    private static let unlock = SQLStatement("SELECT pg_advisory_unlock(7237954630261203)")
    private static let version = SQLStatement("SELECT current_setting('server_version_num')::BIGINT")
    private static let doubts = SQLStatement(
        """
        SELECT CASE WHEN rolsuper OR rolbypassrls THEN 1 ELSE 0 END,
            CASE WHEN current_setting('fsync') = 'off' OR current_setting('full_page_writes') = 'off' THEN 1 ELSE 0 END,
            (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT
        FROM pg_roles WHERE rolname = current_user
        """
    )

    /// Brings the database to the form that this program wants, one node after the other, and lets `identify` see whose installation it is
    /// meanwhile. `url` is never logged. Throws `Installation.Problem`.
    static func prepare<Identity>(
        _ url: String,
        clock: WallClock,
        logger: Logger,
        identify: (any SQLConnection) throws -> Identity
    ) throws -> Identity {
        try withTurn(url) { connection in
            try prepare(connection, clock, logger)
            return try identify(connection)
        }
    }

    /// The same on a connection that has the turn.
    static func prepare(_ connection: any SQLConnection, _ clock: WallClock, _ logger: Logger) throws {
        let number = try connection.row(version, []) { row throws(SQLError) in row.integer(0) } ?? 0
        guard number >= oldestVersion else {
            throw Installation.Problem(description: "the database server is older than PostgreSQL 13")
        }
        try Migrator.migrate(connection, Schema.migrations, now: clock.now().milliseconds)
        try warn(connection, clock, logger)
    }

    /// The connections of a node, which connect when they are first used.
    static func connect(_ url: String) throws -> Database {
        try Database(size: size) { purpose throws(SQLError) in
            let connection = PostgresConnection(url: url, purpose: purpose.postgres)
            return connection
        }
    }

    /// Runs `body` while no other node does the same on this database.
    static func withTurn<Result>(
        _ url: String,
        _ body: (any SQLConnection) throws -> Result
    ) throws -> Result {
        let connection = PostgresConnection(url: url, purpose: .administrator)
        connection.enter(.platform)
        do {
            try connection.run(lock, [])
            let result = try body(connection)
            try connection.run(unlock, [])
            return result
        } catch let error as SQLError where error.kind == .unavailable {
            throw Installation.Problem(
                description: "the database can't be reached: \(error.message)",
                isAway: true
            )
        } catch let error as MigrationError {
            guard case .newerSchema(let found, let known) = error else { throw error }
            throw Installation.Problem(
                description:
                    "the database has schema version \(found) and this program knows versions up to \(known): run a newer program"
            )
        }
    }

    private static func warn(_ connection: any SQLConnection, _ clock: WallClock, _ logger: Logger) throws {
        try connection.forEachRow(doubts, []) { row throws(SQLError) in
            if row.integer(0) == 1 {
                logger.warning(
                    "the database role passes by row-level security: give Tocsin a role that is no superuser and has no BYPASSRLS"
                )
            }
            if row.integer(1) == 1 {
                logger.warning(
                    "the database server does not sync: what is acknowledged can be lost in a power cut"
                )
            }
            let skew = row.integer(2) - clock.now().milliseconds
            if abs(skew) > 2_000 {
                logger.warning(
                    "this node's clock differs from the database server's",
                    metadata: ["database_ahead_milliseconds": "\(skew)"]
                )
            }
            return true
        }
    }
}

extension Database.Purpose {
    fileprivate var postgres: PostgresConnection.Purpose {
        switch self {
        case .pushes: .pushes
        case .writer: .writer
        case .reader: .reader
        }
    }
}
#endif
