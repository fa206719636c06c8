import Domain
import Storage
import TestSupport
import Testing

@Suite("Keys that get new secrets")
struct KeyRotationTests {
    private static let hour: Int64 = 3_600

    /// Runs `body` with a key of an account, then with one of the operator: how it is rotated, its path, its secret.
    private func withKeys(
        _ body:
            @Sendable (TestServer, SetClock, _ operation: String, [String: String], _ secret: String)
            async throws -> Void
    ) async throws {
        for kind in ["APIKey", "OperatorKey"] {
            let clock = SetClock()
            try await TestServer.with(clock: clock.wall) { server in
                let people = try await People(server)
                var path = kind == "APIKey" ? ["account_id": people.account] : [:]
                let made = try await server.call(
                    "create\(kind)",
                    path,
                    body: ["name": "ci"],
                    key: server.operatorKey
                )
                path["api_key_id"] = made.json["id"]?.string
                let secret = try #require(made.json["secret"]?.string)
                try await body(server, clock, "rotate\(kind)", path, secret)
            }
        }
    }

    private func works(_ secret: String?, _ server: TestServer) async throws -> Bool {
        try await server.call("getMe", key: secret).status == 200
    }

    @Test("both secrets work until the overlap ends, then the new one alone; a third ends the first at once")
    func overlap() async throws {
        try await withKeys { server, clock, operation, path, first in
            let rotated = try await server.call(
                operation,
                path,
                body: ["overlap_seconds": .integer(2 * Self.hour)],
                key: server.operatorKey
            )
            #expect(rotated.status == 200, "\(rotated.text)")
            let second = try #require(rotated.json["secret"]?.string)
            #expect(second != first && second.prefix(14) == first.prefix(14))
            #expect(rotated.json["version"] == 2)
            let end = try #require(rotated.json["previous_secret_ends_at"]?.string)
            #expect(end.hasPrefix("2026-11-20T1"), "\(end)")
            #expect(try await works(first, server))
            #expect(try await works(second, server))
            clock.advance(seconds: Self.hour)
            let again = try await server.call(operation, path, body: [:], key: server.operatorKey)
            let third = try #require(again.json["secret"]?.string)
            #expect(try await !works(first, server))
            #expect(try await works(second, server))
            #expect(try await works(third, server))
            clock.advance(seconds: 24 * Self.hour)
            #expect(try await !works(second, server))
            #expect(try await works(third, server))
            let shown = operation == "rotateAPIKey" ? "getAPIKey" : "getOperatorKey"
            let key = try await server.call(shown, path, key: server.operatorKey)
            #expect(key.json["previous_secret_ends_at"] == .null && key.json["secret"] == nil)
        }
    }

    @Test("without an overlap the old secret is over at once; the key's end moves only when it is told to")
    func atOnce() async throws {
        try await withKeys { server, clock, operation, path, first in
            let until = "2026-12-20T07:00:00.000Z"
            let body: JSON = ["overlap_seconds": 0, "expires_at": .string(until)]
            let rotated = try await server.call(operation, path, body: body, key: server.operatorKey)
            #expect(rotated.json["expires_at"]?.string == until)
            #expect(rotated.json["previous_secret_ends_at"] == .null)
            let second = rotated.json["secret"]?.string
            #expect(try await !works(first, server))
            #expect(try await works(second, server))
            clock.advance(seconds: 29 * 24 * Self.hour)
            let late = try await server.call(
                operation,
                path,
                body: ["overlap_seconds": .integer(7 * 24 * Self.hour)],
                key: server.operatorKey
            )
            #expect(late.json["expires_at"]?.string == until)
            #expect(late.json["previous_secret_ends_at"]?.string == until)
        }
    }

    @Test("a key that is over needs a new end, and its old secret stays over")
    func expired() async throws {
        try await withKeys { server, clock, operation, path, first in
            clock.advance(seconds: 366 * 24 * Self.hour)
            // The operator's first key is over by now, too.
            let reset = try await server.store.apiKeys.replaceOperatorKeys(
                by: Actor(key: nil, role: "command-line", requestID: "test")
            )
            let olga = reset.secret.revealed
            let refused = try await server.call(operation, path, body: [:], key: olga)
            #expect(refused.status == 422)
            #expect(refused.json["errors"]?[0]?["pointer"] == "/expires_at")
            let body: JSON = ["expires_at": "2028-06-01T00:00:00.000Z"]
            let rotated = try await server.call(operation, path, body: body, key: olga)
            #expect(rotated.json["previous_secret_ends_at"] == .null, "\(rotated.text)")
            #expect(try await !works(first, server))
            #expect(try await works(rotated.json["secret"]?.string, server))
        }
    }

    @Test("a dry run shows no secret and changes nothing")
    func dryRun() async throws {
        try await withKeys { server, _, operation, path, first in
            let answer = try await server.call(
                operation,
                path,
                query: [("dry_run", "true")],
                body: ["overlap_seconds": 0],
                key: server.operatorKey
            )
            #expect(answer.status == 200 && answer.json["secret"] == nil && answer.json["version"] == 2)
            #expect(try await works(first, server))
        }
    }

    @Test("an overlap is from nothing to a week", arguments: [-1, 604_801])
    func bounds(seconds: Int64) async throws {
        try await withKeys { server, _, operation, path, _ in
            let body: JSON = ["overlap_seconds": .integer(seconds)]
            let answer = try await server.call(operation, path, body: body, key: server.operatorKey)
            #expect(answer.status == 422 && answer.json["errors"]?[0]?["pointer"] == "/overlap_seconds")
        }
    }

    @Test("when and from where a key was used last is shown")
    func lastUse() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let me = try await server.call("getMe", key: people.bob)
            let path = ["account_id": people.account, "api_key_id": me.json["api_key_id"]?.string ?? ""]
            let key = try await server.eventually("the use") {
                try await server.call("getAPIKey", path, key: people.alice).json
            } until: {
                $0["last_used_at"] != .null
            }
            #expect(key["last_used_address"] == "127.0.0.1")
        }
    }
}
