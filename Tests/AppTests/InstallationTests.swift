import App
import Domain
import FoundationEssentials
import Logging
import Native
import Storage
import Testing

@Suite("A data directory")
struct InstallationTests {
    private func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-app-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    private func settings(_ folder: String, _ more: [String: String] = [:]) async throws -> Settings {
        try await Settings.read(options: ["data-dir": folder].merging(more) { $1 }, file: nil)
    }

    @Test("is set up once, with a private operator key that works")
    func bootstrapsOnce() async throws {
        try await inFolder { folder in
            let installation = try Installation.open(try await settings(folder))
            let made = try #require(try await installation.bootstrap())
            #expect(try await installation.bootstrap() == nil)
            #expect(!PrivateFile.isReadableByOthers(made.path))
            #expect(try PrivateFile.read(made.path) == made.secret.bytes + [0x0A])
            #expect(try await installation.store.apiKeys.authenticate(made.secret)?.key.owner == .operator)
            try await installation.close()
        }
    }

    @Test("a set-up that was cut off after the key was written is taken up again with the same key")
    func resumesBootstrap() async throws {
        try await inFolder { folder in
            var random = SecureRandom()
            let secret = APIKeySecret(kind: .operator, random: &random)
            let installation = try Installation.open(try await settings(folder))
            try PrivateFile.create(folder + "/operator.key", secret.bytes + [0x0A])
            #expect(try await installation.bootstrap()?.secret.bytes == secret.bytes)
            try await installation.close()
        }
    }

    @Test("belongs to one process at a time")
    func isLocked() async throws {
        try await inFolder { folder in
            let first = try Installation.open(try await settings(folder))
            let settings = try await settings(folder)
            #expect(throws: Installation.Problem.self) { try Installation.open(settings) }
            try await first.close()
        }
    }

    @Test("is waited for while the process before still finishes, and not for ever")
    func isTakenOver() async throws {
        try await inFolder { folder in
            let settings = try await settings(folder)
            let logger = Logger(label: "test")
            let first = try Installation.open(settings)
            await #expect(throws: Installation.Problem.self) {
                try await Installation.openInTurn(settings, patience: .milliseconds(30), logger: logger)
            }
            async let second = Installation.openInTurn(settings, patience: .seconds(30), logger: logger)
            try await Task.sleep(for: .milliseconds(50))
            try await first.close()
            try await second.close()
        }
    }

    @Test("is refused with another root secret, and with none")
    func checksRootSecret() async throws {
        try await inFolder { folder in
            try await Installation.open(try await settings(folder)).close()
            let other = folder + "/other.secret"
            try PrivateFile.create(other, Array("1 \(String(repeating: "ab", count: 32))\n".utf8))
            for path in [other, folder + "/missing.secret"] {
                let settings = try await settings(folder, ["root-secret-file": path])
                #expect(throws: (any Error).self) { try Installation.open(settings) }
            }
            try await Installation.open(try await settings(folder)).close()
        }
    }

    @Test("push URLs made before a restart verify after it")
    func keepsKeys() async throws {
        try await inFolder { folder in
            let (account, integration) = (AccountNumber(1), IntegrationNumber(2))
            let first = try Installation.open(try await settings(folder))
            let text = first.store.pushTokenKeys.issue(
                kid: first.store.pushTokenKeys.newestKid,
                account: account,
                integration: integration,
                tag: PushTag(value: 3),
                expiryDay: 0
            )
            try await first.close()
            let second = try Installation.open(try await settings(folder))
            #expect(second.store.pushTokenKeys.verify(try #require(PushToken(text))))
            try await second.close()
        }
    }
}

@Suite("Settings")
struct SettingsTests {
    @Test(
        "bad ones are refused with a line that names them",
        arguments: [
            (["listen": "nonsense"], "listen"), (["listen": "0.0.0.0:80"], "listen"),
            (["role": "ingest"], "role"),
            (["tls-key": "k"], "tls"), (["trusted-proxies": "10.0.0.0/99"], "trusted-proxies"),
            (["public-url": "ftp://x"], "public-url"), (["log-level": "loud"], "log-level"),
            (["public-url": "https://" + String(repeating: "a", count: 191)], "public-url"),
            (["max-connections-per-address": "0"], "max-connections-per-address"),
            (["max-connections-per-address": "4097"], "max-connections-per-address"),
        ]
    )
    func refuses(options: [String: String], name: String) async {
        do {
            _ = try await Settings.read(options: options, file: nil)
            Issue.record("taken")
        } catch {
            #expect("\(error)".contains(name))
        }
    }

    #if PostgreSQL
    @Test(
        "a database on another machine needs sslmode, and below verify-full the log warns",
        arguments: [
            ("postgres://t@db/t", false, nil),
            ("postgres://t:p@db.example.com:5432/t?connect_timeout=3", false, nil),
            ("postgres://t@10.0.0.1/t", false, nil), ("postgres://t@[2001:db8::1]:5432/t", false, nil),
            ("postgres://t@localhost,db/t", false, nil), ("postgres:///t?host=db", false, nil),
            ("postgres://t@localhost/t?hostaddr=10.0.0.1", false, nil),
            ("postgres://t:localhost@db/t", false, nil), ("postgres://%64b/t", false, nil),
            ("postgres://t@db/t?sslmode=off", false, nil), ("postgres://t@db?sslmode=", false, nil),
            ("postgres://t@127.0.0.1:5432/t", true, nil), ("postgres://t@[::1]/t", true, nil),
            ("postgres://localhost/t", true, nil), ("postgres:///t", true, nil),
            ("postgres://t@/t?host=%2Frun%2Fpostgresql", true, nil),
            ("postgres://t@%2Frun%2Fpostgresql/t", true, nil),
            ("postgres://t@127.0.0.1/t?sslmode=disable", true, nil),
            ("postgres://t@db/t?sslmode=disable", true, "disable"),
            ("postgres://t@db/t?a=b&sslmode=require", true, "require"),
            ("postgres://t@db/t?sslmode=verify-ca", true, "verify-ca"),
            ("postgres://t@db/t?sslmode=verify%2Dfull", true, nil),
        ] as [(String, Bool, String?)]
    )
    func sslMode(url: String, isTaken: Bool, weak: String?) async throws {
        do {
            let settings = try await Settings.read(options: ["database-url": url], file: nil)
            #expect(isTaken)
            #expect(settings.weakDatabaseMode == weak)
        } catch let problems as Settings.Problems {
            #expect(!isTaken, "\(problems)")
            #expect(problems.description.contains("sslmode"))
        }
    }
    #endif

    @Test("plain HTTP beyond loopback is allowed behind a proxy or on request")
    func plainHTTP() async throws {
        for more in [["trusted-proxies": "10.0.0.0/8"], ["insecure-http": "true"]] {
            let settings = try await Settings.read(
                options: more.merging(["listen": "0.0.0.0:80"]) { $1 },
                file: nil
            )
            #expect(settings.listen.port == 80)
        }
    }

    @Test("a file is read, and an option wins over it")
    func readsFile() async throws {
        let path =
            FileManager.default.temporaryDirectory.path + "/tocsin-\(UInt64.random(in: .min ... .max)).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try PrivateFile.create(
            path,
            Array(
                "listen: 127.0.0.1:9000\npublic-url: https://a.example\ntrusted-proxies:\n  - 10.0.0.0/8\n"
                    .utf8
            )
        )
        let settings = try await Settings.read(options: ["listen": "127.0.0.1:9001"], file: path)
        #expect(settings.listen.port == 9_001)
        #expect(settings.publicURL.base == "https://a.example")
        #expect(settings.trustedProxies.count == 1)
    }
}
