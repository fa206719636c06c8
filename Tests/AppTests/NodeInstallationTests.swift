import App
import Domain
import FoundationEssentials
import Native
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Nodes on one PostgreSQL database", .needsPostgres, .within(minutes: 2))
struct NodeInstallationTests {
    /// Folders of nodes that share a root secret, and a new database without tables.
    private struct Site {
        let folder: String
        let database: PostgresDatabase

        func settings(_ node: String, _ more: [String: String] = [:]) async throws -> Settings {
            let options = [
                "data-dir": folder + "/" + node, "root-secret-file": folder + "/root.secret",
                "database-url": database.url,
            ]
            return try await Settings.read(options: options.merging(more) { $1 }, file: nil)
        }
    }

    private func onSite(_ body: (Site) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/tocsin-nodes-\(UUID())"
        try PrivateFile.makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await PostgresDatabase.with(.empty) { database in
            try await body(Site(folder: folder, database: database))
        }
    }

    @Test("that start on it at the same time make one installation with one operator key, which works on all")
    func startTogether() async throws {
        try await onSite { site in
            let settings = [try await site.settings("a"), try await site.settings("b")]
            let nodes = try await withThrowingTaskGroup(of: Installation.self) { group in
                for settings in settings { group.addTask { try Installation.open(settings) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let made = try await withThrowingTaskGroup(of: APIKeySecret?.self) { group in
                for node in nodes { group.addTask { try await node.bootstrap()?.secret } }
                return try await group.reduce(into: [APIKeySecret]()) {
                    if let secret = $1 { $0.append(secret) }
                }
            }
            #expect(made.count == 1)
            let files = try settings.map { try PrivateFile.read($0.dataDirectory + "/operator.key") }
            #expect(files.count { $0 != nil } == 1)
            let secret = try #require(made.first)
            for node in nodes {
                #expect(try await node.store.apiKeys.authenticate(secret)?.key.owner == .operator)
                #expect(try await node.bootstrap() == nil)
            }
            let token = nodes[0].store.pushTokenKeys.issue(
                kid: nodes[0].store.pushTokenKeys.newestKid,
                account: AccountNumber(1),
                integration: IntegrationNumber(2),
                tag: PushTag(value: 3),
                expiryDay: 0
            )
            #expect(nodes[1].store.pushTokenKeys.verify(try #require(PushToken(token))))
            for node in nodes { try await node.close() }
        }
    }

    @Test("are refused with another root secret, and with none")
    func checksRootSecret() async throws {
        try await onSite { site in
            try await Installation.open(try await site.settings("a")).close()
            let other = site.folder + "/other.secret"
            try PrivateFile.create(other, Array("1 \(String(repeating: "ab", count: 32))\n".utf8))
            for path in [other, site.folder + "/missing.secret"] {
                let settings = try await site.settings("b", ["root-secret-file": path])
                #expect(throws: (any Error).self) { try Installation.open(settings) }
            }
            try await Installation.open(try await site.settings("b")).close()
        }
    }

    @Test("are refused by a database that a newer program has changed")
    func checksSchema() async throws {
        try await onSite { site in
            try await Installation.open(try await site.settings("a")).close()
            try site.database.administrator().execute(script: "INSERT INTO schema_migrations VALUES (99, 0)")
            let settings = try await site.settings("a")
            #expect {
                try Installation.open(settings)
            } throws: { error in
                (error as? Installation.Problem)?.description.contains("version 99") == true
            }
        }
    }

    @Test("start without it only when they know whose it is")
    func startsWithoutDatabase() async throws {
        try await onSite { site in
            let name = site.database.name
            let first = try await site.settings("a")
            try await Installation.open(first).close()
            try await site.database.administer("ALTER DATABASE \(name) ALLOW_CONNECTIONS false")
            try await Installation.open(first).close()
            let new = try await site.settings("b")
            #expect {
                try Installation.open(new)
            } throws: { error in
                (error as? Installation.Problem)?.isAway == true
            }
            try await site.database.administer("ALTER DATABASE \(name) ALLOW_CONNECTIONS true")
            try await Installation.open(new).close()
        }
    }
}
