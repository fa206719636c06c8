import SQL
import Storage

/// A database of a test's own on the PostgreSQL server.
package struct PostgresDatabase: Sendable {
    /// How it begins.
    package enum Origin: Sendable {
        /// Without tables.
        case empty
        /// With the tables of the schema.
        case schema
        /// As another one is, to which nobody may be connected.
        case copy(PostgresDatabase)
    }

    package let name: String
    /// For libpq.
    package let url: String

    /// Makes it. It stays until `remove`, or until the process ends.
    package init(_ origin: Origin = .schema) async throws {
        let template =
            switch origin {
            case .empty: "template1"
            case .schema: try await PostgresServer.template.value
            case .copy(let other): other.name
            }
        name = PostgresServer.newName()
        url = try PostgresServer.url(of: name)
        let copied = try await PostgresServer.copying.value
        try await PostgresServer.execute("CREATE DATABASE \(name) TEMPLATE \(template)\(copied)")
    }

    /// Drops it, who ever is connected to it.
    package func remove() {
        PostgresServer.dropLater(name)
    }

    /// Runs `body` with a new database that is removed afterwards.
    package static func with<Result>(
        _ origin: Origin = .schema,
        _ body: (PostgresDatabase) async throws -> Result
    ) async throws -> Result {
        try await inTurn {
            let database = try await PostgresDatabase(origin)
            do {
                let result = try await body(database)
                try await database.drop()
                return result
            } catch {
                try? await database.drop()
                throw error
            }
        }
    }

    /// Runs `body`, which has connections to a database, when not too many others do.
    package static func inTurn<Result>(_ body: () async throws -> Result) async throws -> Result {
        await PostgresServer.gate.take()
        defer { PostgresServer.gate.giveBack() }
        return try await body()
    }

    private func drop() async throws {
        try await PostgresServer.drop(name)
    }

    /// Runs `script` in the server's own database, as the owner of this one.
    package func administer(_ script: String) async throws {
        try await PostgresServer.execute(script)
    }

    /// A connection that sees the rows of all accounts, and has no limits of time.
    package func administrator() throws -> any SQLConnection {
        try PostgresServer.administrator(url)
    }

    /// A connection as a node would open it.
    package func connection(for purpose: Database.Purpose) throws(SQLError) -> any SQLConnection {
        #if PostgreSQL
        let same: PostgresConnection.Purpose =
            switch purpose {
            case .pushes: .pushes
            case .writer: .writer
            case .reader: .reader
            }
        return PostgresConnection(url: url, purpose: same)
        #else
        throw SQLError(.other, code: 0, message: "\(PostgresServer.Missing())")
        #endif
    }

    /// What a node has, with fewer connections.
    package func open() throws(SQLError) -> Database {
        try Database(size: .init(writers: 2, readers: 2)) { purpose throws(SQLError) in
            try connection(for: purpose)
        }
    }
}
