import App
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import Native
import TestDatabases
import TestSupport
import Testing

@testable import Reference

@Suite("Contract and reference page over HTTP")
struct ContractServingTests {
    @Test("the contract is the file, byte for byte")
    func contract() async throws {
        try await TestServer.with { server in
            let answer = try await server.call("getOpenAPI", key: nil)
            #expect(answer.body == Array(try Spec.text().utf8))
            #expect(answer.header("Content-Type") == "application/yaml")
        }
    }

    @Test("the page is the contract's, and its policy lets in its own style alone")
    func page() async throws {
        try await TestServer.with { server in
            let answer = try await server.call("getDocs", key: nil)
            #expect(answer.text == (try Page(yaml: Spec.text()).html))
            #expect(answer.header("Content-Type") == "text/html; charset=utf-8")
            let parts = answer.text.split(separator: "<style>").dropFirst()
            #expect(parts.count == 1)
            let style = try #require(parts.first?.split(separator: "</style>").first)
            let hash = Base64.text(Digest256.hash(of: Array(style.utf8).span).bytes)
            let policy =
                "default-src 'none'; style-src 'sha256-\(hash)'; base-uri 'none'; form-action 'none'; "
            #expect(answer.header("Content-Security-Policy") == policy + "frame-ancestors 'none'")
        }
    }

    @Test("both can be kept, and asked for again by tag", arguments: ["getOpenAPI", "getDocs"])
    func conditional(operation: String) async throws {
        try await TestServer.with { server in
            let tag = try #require(try await server.call(operation, key: nil).header("ETag"))
            for known in [tag, "W/\(tag)", "\"1\" , \(tag)", "*"] {
                let again = try await server.call(operation, key: nil, headers: [("If-None-Match", known)])
                #expect(again.status == 304 && again.body.isEmpty && again.header("ETag") == tag)
            }
            for other in ["\"1\"", String(tag.dropLast(2)) + "\"", ""] {
                let again = try await server.call(operation, key: nil, headers: [("If-None-Match", other)])
                #expect(again.status == 200)
            }
        }
    }

    @Test(
        "both are packed for those who take gzip, under 200 kB on the wire",
        arguments: ["openapi.yaml", "docs"]
    )
    func packed(path: String) async throws {
        try await TestServer.with { server in
            let plain = try await server.send("GET", "/" + path)
            #expect(plain.header("Content-Encoding") == nil && plain.header("Vary") == "Accept-Encoding")
            for wish in ["gzip", "br, GZip;q=0.5", "*", "deflate, gzip", "x-gzip"] {
                let answer = try await server.send("GET", "/" + path, headers: [("Accept-Encoding", wish)])
                #expect(answer.header("Content-Encoding") == "gzip", "\(wish)")
                #expect(answer.body.count < 200_000)
                #expect(try Inflate.bytes(answer.body, .gzip, limit: 8 << 20) == plain.body)
                let tag = try #require(answer.header("ETag"))
                #expect(tag != plain.header("ETag"))
                let known = [("Accept-Encoding", wish), ("If-None-Match", tag)]
                #expect(try await server.send("GET", "/" + path, headers: known).status == 304)
            }
            for wish in ["identity", "", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0"] {
                let answer = try await server.send("GET", "/" + path, headers: [("Accept-Encoding", wish)])
                #expect(answer.body == plain.body, "\(wish)")
            }
        }
    }

    @Test("both have HEAD and no other method but GET", arguments: ["openapi.yaml", "docs"])
    func methods(path: String) async throws {
        try await TestServer.with { server in
            let whole = try await server.send("GET", "/" + path)
            let head = try await server.send("HEAD", "/" + path)
            #expect(head.status == 200 && head.body.isEmpty)
            for name in ["ETag", "Content-Type", "Cache-Control"] {
                #expect(head.header(name) != nil && head.header(name) == whole.header(name))
            }
            #expect(head.header("Content-Length") == "\(whole.body.count)")
            let known = [("If-None-Match", whole.header("ETag") ?? "")]
            #expect(try await server.send("HEAD", "/" + path, headers: known).status == 304)
            for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let refused = try await server.send(method, "/" + path)
                #expect(refused.status == 405 && refused.header("Allow") == "GET, HEAD")
            }
        }
    }

    @Test(
        "nodes that serve no API serve neither",
        .needsPostgres,
        arguments: ["all", "api", "ingest", "worker"]
    )
    func roles(role: String) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/tocsin-contract-\(UUID())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await PostgresDatabase.with(.empty) { database in
            let options = ["data-dir": folder, "database-url": database.url, "role": role]
            let installation = try Installation.open(try await Settings.read(options: options, file: nil))
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let server = try Server(installation, logger: logger) { _ in }
            let paths = Set(server.router.routes.map { "\($0.path)" })
            try await installation.close()
            for path in ["/openapi.yaml", "/docs"] {
                #expect(paths.contains(path) == ["all", "api"].contains(role), "\(path)")
            }
            #expect(paths.contains("/healthz"))
        }
    }
}
