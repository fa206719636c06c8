import SQL
import Storage
import TestDatabases
import TestSupport
import Testing

@Suite("What every change may ask for")
struct ChangeTests {
    private static func named(_ name: String) -> JSON { ["name": .string(name)] }

    // MARK: Dry runs

    /// What moves by itself: when keys were used, how late it is, and who sees to what.
    private static let moving = ["api_keys:", "deployment:", "worker_leases:"]

    /// All else that the server's database holds.
    private static func contents(_ server: TestServer) async throws -> [String] {
        try await server.store.database.read(.platform) { try StoreContents.rows(on: $0, masked: false) }
            .filter { row in !moving.contains { row.hasPrefix($0) } }
    }

    /// Returns once the use of what was made is written, which is done a moment later.
    private static func waitForUsage(_ server: TestServer) async throws {
        var before = try await contents(server)
        for _ in 0..<20 {
            try await Task.sleep(for: .seconds(3))
            let now = try await contents(server)
            if now == before { return }
            before = now
        }
    }

    @Test("a dry run of every operation answers as the change would and leaves the store as it was")
    func dryRuns() async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            let estate = try await Estate(server)
            // What is left of its deleted account would go meanwhile.
            try await server.purgeDeleted()
            try await Self.waitForUsage(server)
            let changes = server.spec.management.filter { operation in
                operation.parameters.contains { $0.name == "dry_run" }
            }
            #expect(changes.count > 35)
            for operation in changes {
                var path = estate.path(of: operation)
                if operation.id == "deleteChannel" { path["channel_id"] = estate.idle }
                let before = try await Self.contents(server)
                let answer = try await server.call(
                    operation.id,
                    path,
                    query: [("dry_run", "true")],
                    body: estate.body(for: operation),
                    key: estate.key(for: operation),
                    headers: [("Idempotency-Key", "k")]
                )
                #expect((200...204).contains(answer.status), "\(operation.id): \(answer.text)")
                let changed = Set(try await Self.contents(server)).symmetricDifference(before).sorted()
                #expect(changed == [], "\(operation.id) changed the store")
                for secret in ["secret", "push_url", "compatible_url", "url", "signing_secret"] {
                    #expect(answer.json[secret] == nil, "\(operation.id) answers \(secret)")
                }
            }
        }
    }

    @Test("a dry run refuses what the change would refuse")
    func dryRefusals() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            _ = try await people.channel("Payments")
            let answer = try await server.call(
                "createChannel",
                ["account_id": people.account],
                query: [("dry_run", "true")],
                body: Self.named("payments"),
                key: people.erin
            )
            #expect(answer.status == 409)
            #expect(answer.json["code"] == "name_taken")
        }
    }

    // MARK: Idempotency keys

    @Test("50 equal calls at once with one key make one resource and get one answer")
    func fiftyAtOnce() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            let made = try await people.channel("Payments")
            let body: JSON = [
                "type": "aliyun-arms", "mode": "dedicated", "name": "ARMS", "channel_id": .string(made),
            ]
            let answers = try await withThrowingTaskGroup(of: SpecAnswer.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        try await server.call(
                            "createIntegration",
                            path,
                            body: body,
                            key: people.erin,
                            headers: [("Idempotency-Key", "deploy 7")]
                        )
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.allSatisfy { $0.status == 201 }, "\(answers.map(\.status))")
            #expect(Set(answers.map(\.text)).count == 1)
            #expect(Set(answers.map { $0.header("Location") }).count == 1)
            #expect(answers.count { $0.header("Idempotency-Replayed") == "true" } == 49)
            let list = try await server.call("listIntegrations", path, key: people.bob)
            #expect(list.json["items"]?.array?.count == 1)
        }
    }

    @Test("a key stands for one call: of one API key, on one path, with one body, for a day")
    func scope() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let people = try await People(server)
            func create(
                _ name: String,
                key: String,
                by caller: String,
                in account: String
            ) async throws
                -> SpecAnswer
            {
                try await server.call(
                    "createChannel",
                    ["account_id": account],
                    body: Self.named(name),
                    key: caller,
                    headers: [("Idempotency-Key", key)]
                )
            }
            let acme = people.account
            let first = try await create("A", key: "1", by: people.erin, in: acme)
            #expect(first.status == 201)
            #expect(try await create("A", key: "1", by: people.erin, in: acme).text == first.text)
            let other = try await create("B", key: "1", by: people.erin, in: acme)
            #expect(other.status == 422)
            #expect(other.json["code"] == "idempotency_key_reused")
            #expect(try await create("B", key: "1", by: people.alice, in: acme).status == 201)
            #expect(
                try await create("A", key: "1", by: people.charlie, in: people.otherAccount).status == 201
            )
            // What was refused is not kept: the same key may be tried again.
            #expect(try await create("a", key: "2", by: people.erin, in: acme).status == 409)
            #expect(try await create("C", key: "2", by: people.erin, in: acme).status == 201)
            clock.advance(seconds: 86_401)
            #expect(try await create("A", key: "1", by: people.erin, in: acme).json["code"] == "name_taken")
        }
    }

    @Test("an answer with a secret can be had again, and the database does not hold it in clear")
    func secrets() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            func create() async throws -> SpecAnswer {
                try await server.call(
                    "createAPIKey",
                    ["account_id": people.account],
                    body: Self.named("CI"),
                    key: people.alice,
                    headers: [("Idempotency-Key", "once")]
                )
            }
            let first = try await create()
            let secret = try #require(first.json["secret"]?.string)
            #expect(try await create().json["secret"]?.string == secret)
            let held = try await server.store.database.read(.platform) {
                try StoreContents.rows(on: $0, masked: false)
            }
            #expect(held.contains { $0.hasPrefix("idempotency_keys:") })
            let hex = secret.utf8.map { byte in
                let text = String(byte, radix: 16, uppercase: true)
                return text.count == 1 ? "0\(text)" : text
            }.joined()
            #expect(!held.contains { $0.contains(secret) || $0.contains(hex) })
            #expect(!server.log.text.contains(secret))
        }
    }

    @Test("accounts and operator keys, too, are made once")
    func installation() async throws {
        try await TestServer.with { server in
            for operation in ["createAccount", "createOperatorKey"] {
                var ids: Set<String> = []
                for _ in 0..<3 {
                    let answer = try await server.call(
                        operation,
                        body: Self.named("Once"),
                        key: server.operatorKey,
                        headers: [("Idempotency-Key", "x")]
                    )
                    #expect(answer.status == 201)
                    ids.insert(answer.json["id"]?.string ?? "")
                }
                #expect(ids.count == 1)
            }
        }
    }

    // MARK: Conditions

    @Test("of two writers at once with If-Match one wins and one is told 412, 1,000 times")
    func races() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account, "channel_id": try await people.channel("Payments")]
            let writers = [people.erin, people.alice]
            for round in 1...1_000 {
                let tag = "\"\(round)\""
                let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                    for (number, key) in writers.enumerated() {
                        group.addTask {
                            try await server.call(
                                "updateChannel",
                                path,
                                body: ["description": .string("\(round) by \(number)")],
                                key: key,
                                headers: [("If-Match", tag)]
                            ).status
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }.sorted()
                }
                try #require(statuses == [200, 412], "round \(round)")
            }
        }
    }

    @Test("If-None-Match: * makes a severity table where there is none, and changes none")
    func absent() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account, "integration_type": "aliyun-arms"]
            let table: JSON = [
                "entries": [["level": "P1", "severity": "Critical"]], "fallback": "Warning",
            ]
            for expected in [200, 412] {
                let answer = try await server.call(
                    "replaceSeverityTable",
                    path,
                    body: table,
                    key: people.erin,
                    headers: [("If-None-Match", "*")]
                )
                #expect(answer.status == expected, "\(answer.text)")
            }
        }
    }

    @Test("the record of changes says who, from where, and what was before and after")
    func record() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account, "channel_id": try await people.channel("Payments")]
            let changed = try await server.call(
                "updateChannel",
                path,
                body: Self.named("Payments 2"),
                key: people.erin
            )
            #expect(changed.status == 200)
            let rows = try await server.store.database.read(.platform) {
                try StoreContents.rows(on: $0, masked: false)
            }.filter { $0.hasPrefix("audit:") && $0.contains("channel.update") }
            #expect(rows.count == 1)
            let row = try #require(rows.first)
            for part in ["127.0.0.1", #""name":"Payments""#, #""name":"Payments 2""#, "'editor'"] {
                #expect(row.contains(part), "\(part) in \(row)")
            }
        }
    }
}
