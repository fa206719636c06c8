import Domain
import FoundationEssentials
import SQL
import Storage
import TestDatabases

/// Where the database of an installation is, until it is removed: a file in a temporary folder of its own, or a database of its own on the
/// PostgreSQL server.
enum StorePlace: Sendable {
    case file(String)
    case server(PostgresDatabase)

    /// A new one, which begins as `template` ended.
    init(_ engine: TestEngine, copyOf template: StorePlace?) async throws {
        switch (engine, template) {
        case (.sqlite, nil): self = .file(try Self.newFolder() + "/store.db")
        case (.postgres, nil): self = .server(try await PostgresDatabase())
        case (_, .file(let other)):
            let path = try Self.newFolder() + "/store.db"
            try FileManager.default.copyItem(atPath: other, toPath: path)
            self = .file(path)
        case (_, .server(let other)): self = .server(try await PostgresDatabase(.copy(other)))
        }
    }

    private static func newFolder() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tocsin-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder.path
    }

    func remove() {
        switch self {
        case .file(let path):
            try? FileManager.default.removeItem(at: URL(filePath: path).deletingLastPathComponent())
        case .server(let database): database.remove()
        }
    }

    /// Runs `body`, which works on a database, when not too many others do.
    static func inTurn<Result>(
        _ engine: TestEngine,
        _ body: () async throws -> Result
    ) async throws -> Result {
        switch engine {
        case .sqlite: try await body()
        case .postgres: try await PostgresDatabase.inTurn(body)
        }
    }

    // MARK: Connections

    /// The connections of a node.
    var size: Database.Size {
        switch self {
        case .file: .init(readers: 2)
        case .server: .init(writers: 2, readers: 2)
        }
    }

    /// The file of the embedded store.
    var path: String {
        get throws {
            guard case .file(let path) = self else { throw TestInstallation.Missing() }
            return path
        }
    }

    /// As a node would open it. `now` is when its tables are made.
    func connection(
        for purpose: Database.Purpose,
        at now: UnixTime
    ) throws(SQLError) -> any SQLConnection {
        switch self {
        case .server(let database): return try database.connection(for: purpose)
        case .file(let path):
            let isWriter = purpose == .pushes
            let connection = try SQLiteConnection(path: path, purpose: isWriter ? .writer : .reader)
            guard isWriter else { return connection }
            do {
                try Migrator.migrate(connection, Schema.migrations, now: now.milliseconds)
            } catch {
                throw SQLError(.other, code: 0, message: "\(error)")
            }
            return connection
        }
    }

    /// What tests with faults look at is not what a power cut leaves.
    func relax(_ connection: any SQLConnection) throws(SQLError) {
        if case .file = self { try connection.execute(script: "PRAGMA synchronous=OFF") }
    }

    /// Reads everything, of all accounts, for as long as it takes.
    func inspector() throws -> any SQLConnection {
        switch self {
        case .file(let path): try SQLiteConnection(path: path, purpose: .inspector)
        case .server(let database): try database.administrator()
        }
    }
}
