import FoundationEssentials
import SQL
import Storage
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The PostgreSQL server that was given to this run: `TOCSIN_TEST_POSTGRES`, the URL of its database `postgres` for a role that may create
/// databases. What is made there is named `tocsin_test_TIME_RUN_NUMBER`, and is dropped at the latest when the process ends.
package enum PostgresServer {
    /// Why there are no databases.
    struct Missing: Error, CustomStringConvertible {
        let description =
            "these tests are to run on PostgreSQL, but TOCSIN_TEST_POSTGRES is not set, or this build has no PostgreSQL"
    }

    private static let given = ProcessInfo.processInfo.environment["TOCSIN_TEST_POSTGRES"]

    /// Whether there is one, and the program has its driver.
    package static let isThere: Bool = {
        #if PostgreSQL
        if given != nil { return true }
        #endif
        print("No PostgreSQL: the tests that need it are skipped (TOCSIN_TEST_POSTGRES is not set).")
        return false
    }()

    /// How many databases may be in use at the same time: a node holds eight connections.
    static let gate = Permits(24)

    private static let prefix = "tocsin_test_"
    /// Milliseconds since 1970 and a number of this process, as in all its names.
    private static let run = "\(seconds)_\(UInt32.random(in: .min ... .max))"
    private static let number = Atomic<Int>(0)
    private static var seconds: Int { Int(Date().timeIntervalSince1970) }
    /// How old the leftovers of another process are, in seconds.
    private static let leftoverAge = 3_600

    static func newName() -> String {
        "\(prefix)\(run)_\(number.add(1, ordering: .relaxed).newValue)"
    }

    /// The URL of the database `name`.
    static func url(of name: String) throws -> String {
        let parts = given?.split(separator: "://", maxSplits: 1) ?? []
        guard isThere, parts.count == 2 else { throw Missing() }
        let path = parts[1].prefix { $0 != "?" }
        let authority = path.prefix { $0 != "/" }
        return "\(parts[0])://\(authority)/\(name)\(parts[1].dropFirst(path.count))"
    }

    /// A connection to `url` that may take its time, with the rows of all accounts in sight.
    static func administrator(_ url: String) throws -> any SQLConnection {
        #if PostgreSQL
        let connection = PostgresConnection(url: url, purpose: .administrator)
        connection.enter(.platform)
        return connection
        #else
        throw Missing()
        #endif
    }

    // MARK: Databases

    /// Several connections, because making a database takes a while.
    private static let administrators = Task { () throws -> Database in
        guard let given, isThere else { throw Missing() }
        return try Database(size: .init(writers: 3, readers: 1)) { _ throws(SQLError) in
            do {
                return try administrator(given)
            } catch {
                throw SQLError(.other, code: 0, message: "\(error)")
            }
        }
    }

    /// An empty database with the schema, made once in a process: a copy of it is made faster than the tables are.
    static let template = Task { () async throws -> String in
        try await sweep()
        atexit { PostgresServer.dropAll() }
        let name = newName()
        try await execute("CREATE DATABASE \(name)")
        let place = try url(of: name)
        _ = try await administrators.value.write(.platform) { _ in
            try Migrator.migrate(try administrator(place), Schema.migrations, now: 0)
        }
        return name
    }

    /// How a template is copied, as a part of the statement: file by file, as servers before 15 did anyway,
    /// takes half the time of the way through the log.
    static let copying = Task { () async throws -> String in
        let version = SQLStatement("SELECT current_setting('server_version_num')::BIGINT")
        let found = try await administrators.value.read(.platform) { connection in
            try connection.row(version, []) { row throws(SQLError) in row.integer(0) }
        }
        return found.map { $0 >= 150_000 } == true ? " STRATEGY FILE_COPY" : ""
    }

    /// Runs `script` on the server's own database.
    static func execute(_ script: String) async throws {
        try await administrators.value.write(.platform) { try $0.execute(script: script) }
    }

    /// Drops `name`, who ever is connected to it.
    static func drop(_ name: String) async throws {
        try await administrators.value.write(.platform) { try drop(name, $0) }
    }

    /// Drops `name` some time.
    static func dropLater(_ name: String) {
        Task { try? await drop(name) }
    }

    private static func drop(_ name: String, _ connection: any SQLConnection) throws {
        do {
            try connection.execute(script: "DROP DATABASE IF EXISTS \(name) WITH (FORCE)")
        } catch {
            // The server's own housekeeping is in it, which may not be forced out, but goes when it is asked without force.
            try connection.execute(script: "DROP DATABASE IF EXISTS \(name)")
        }
    }

    private static let list = SQLStatement("SELECT datname::TEXT FROM pg_database WHERE datname LIKE $1")

    private static func names(_ prefix: String, _ connection: any SQLConnection) throws(SQLError) -> [String]
    {
        try connection.rows(list, [.text(prefix + "%")]) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
    }

    /// Drops what processes that crashed have left.
    private static func sweep() async throws {
        let found = try await administrators.value.read(.platform) { try names(prefix, $0) }
        for name in found {
            let time = name.dropFirst(prefix.count).prefix { $0 != "_" }
            guard let time = Int(time), time < seconds - leftoverAge else { continue }
            try await drop(name)
        }
    }

    /// At the end of the process: drops all that it made.
    private static func dropAll() {
        guard let given, let connection = try? administrator(given) else { return }
        for name in (try? names(prefix + run, connection)) ?? [] {
            try? drop(name, connection)
        }
    }
}
