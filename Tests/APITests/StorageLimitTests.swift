import TestSupport
import Testing

@Suite("What is recorded counts to the stored bytes of an account")
struct StorageLimitTests {
    private struct Scene: Sendable {
        let people: People
        let path: [String: String]

        init(_ server: TestServer) async throws {
            people = try await People(server)
            path = ["account_id": people.account]
        }

        func call(
            _ operation: String,
            _ more: [String: String] = [:],
            _ body: JSON? = nil,
            key: String? = nil,
            once: String? = nil
        ) async throws -> SpecAnswer {
            try await people.server.call(
                operation,
                path.merging(more) { $1 },
                body: body,
                key: key ?? people.erin,
                headers: once.map { [("Idempotency-Key", $0)] } ?? []
            )
        }

        func storedBytes() async throws -> Int64 {
            let account = try await call("getAccount", key: people.olga)
            return try #require(Int64(account.json["stored_bytes"]?.description ?? ""))
        }

        func limit(_ bytes: Int64) async throws {
            let answer = try await call(
                "updateAccount",
                [:],
                ["stored_bytes_limit": .integer(bytes)],
                key: people.olga
            )
            #expect(answer.status == 200, "\(answer.text)")
        }
    }

    @Test("beyond the limit nothing is added, everything can be deleted, and the operator can raise it")
    func limit() async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            let first = try await scene.call("createChannel", [:], ["name": "first"])
            let channel = ["channel_id": try #require(first.json["id"]?.string)]
            let before = try await scene.storedBytes()
            #expect(before > 500)
            try await scene.limit(before)
            for (operation, path, body) in [
                ("createChannel", [:], ["name": "second"] as JSON),
                ("updateChannel", channel, ["name": "other"]),
            ] {
                let refused = try await scene.call(operation, path, body)
                #expect(refused.status == 409 && refused.json["code"] == "limit_reached", "\(refused.text)")
                #expect(refused.json["bucket"] == "stored_bytes")
                #expect(refused.json["limit"] == .integer(before))
            }
            let held = try await scene.storedBytes()
            // What is the same already adds nothing.
            #expect(try await scene.call("updateChannel", channel, ["name": "first"]).status == 200)
            #expect(try await scene.storedBytes() == held)
            #expect(try await scene.call("deleteChannel", channel, once: "k").status == 204)
            try await scene.limit(1 << 20)
            #expect(try await scene.call("createChannel", [:], ["name": "second"]).status == 201)
        }
    }

    @Test("a long list of routes that is sent again and again under new keys takes up next to nothing")
    func repeats() async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            let channel = try await scene.people.channel("C")
            let integration = try await scene.call(
                "createIntegration",
                [:],
                ["type": "aliyun-arms", "mode": "shared", "name": "S"]
            )
            let path = ["integration_id": try #require(integration.json["id"]?.string)]
            let routes = (0..<800).map { number -> JSON in
                [
                    "name": .string("route \(number)"), "channel_ids": [.string(channel)],
                    "conditions": [
                        [["key": "labels.n", "operator": "in", "values": [.string("\(number)")]]]
                    ],
                ]
            }
            let first = try await scene.call("replaceRoutes", path, ["routes": .array(routes)], once: "first")
            #expect(first.status == 200 && first.body.count > 256 << 10)
            let again = try await scene.call("replaceRoutes", path, ["routes": .array(routes)], once: "first")
            #expect(again.json == first.json && again.header("Idempotency-Replayed") == "true")
            let same = try #require(first.json["items"]?.array).map { item -> JSON in
                [
                    "id": item["id"] ?? .null, "name": item["name"] ?? .null,
                    "channel_ids": item["channel_ids"] ?? .null, "conditions": item["conditions"] ?? .null,
                ]
            }
            let before = try await scene.storedBytes()
            for number in 0..<5 {
                let answer = try await scene.call(
                    "replaceRoutes",
                    path,
                    ["routes": .array(same)],
                    once: "\(number)"
                )
                #expect(answer.json == first.json)
            }
            #expect(try await scene.storedBytes() - before < 5_000)
        }
    }

    @Test("a document's long answer is made again from the record of changes")
    func document() async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            let channels = (0..<1_500).map { ("channel \($0)", JSON.object(["description": "of many"])) }
            let document: JSON = [
                "channels": .object(Dictionary(channels) { $1 }), "integrations": [:], "severity_tables": [:],
            ]
            let first = try await scene.call("putConfiguration", [:], document, once: "a")
            #expect(first.status == 200 && first.body.count > 256 << 10, "\(first.text.prefix(300))")
            let again = try await scene.call("putConfiguration", [:], document, once: "a")
            #expect(again.body == first.body && again.header("Idempotency-Replayed") == "true")
        }
    }
}
