import Storage
import TestSupport
import Testing

@Suite("Replay and simulation")
struct ReplayTests {
    @Test("a refused delivery takes effect once, however often it is replayed")
    func refused() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await sender.update(["status": "disabled"])
            try await server.push(sender.url, Sender.body)
            try await sender.update(["status": "enabled"])
            let id = try #require(try await sender.deliveries("refused").first?["id"]?.string)
            #expect(try await sender.replay(id) == 1)
            #expect(try await sender.replay(id) == 0)
            let alerts = try await sender.alerts()
            #expect(alerts.map { $0["event_count"] } == [1])
            #expect(try await sender.delivery(id)["replayed_at"] != .null)
        }
    }

    @Test("an unrouted event takes effect once when there is a channel for it")
    func unrouted() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let shared = try await sender.people.shared("All")
            let answer = try await server.push(shared.url, Sender.body)
            let id = try #require(answer.deliveryID)
            #expect(try await sender.delivery(id)["results"]?[0]?["outcome"] == "unrouted")
            #expect(try await sender.replay(id) == 0)
            let path = sender.path.merging(["integration_id": shared.id]) { $1 }
            let defaults: JSON = ["default_channel_ids": [.string(sender.channel)]]
            try await server.call("updateIntegration", path, body: defaults, key: sender.people.erin)
            #expect(try await sender.replay(id) == 1)
            #expect(try await sender.replay(id) == 0)
            #expect(try await sender.alerts().map { $0["event_count"] } == [1])
        }
    }

    @Test("a replay to one more channel takes effect in that one only")
    func oneMoreChannel() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let people = sender.people
            let second = try await people.channel("Second")
            let shared = try await people.shared("All", defaults: [sender.channel])
            let id = try #require(try await server.push(shared.url, Sender.body).deliveryID)
            let path = sender.path.merging(["integration_id": shared.id]) { $1 }
            let both: JSON = ["default_channel_ids": [.string(sender.channel), .string(second)]]
            try await server.call("updateIntegration", path, body: both, key: people.erin)
            #expect(try await sender.replay(id) == 1)
            let alerts = try await sender.alerts()
            #expect(alerts.map { $0["event_count"] } == [1, 1])
            #expect(Set(alerts.compactMap { $0["channel_id"]?.string }) == [sender.channel, second])
        }
    }

    @Test("what could not be decoded stays quarantined", arguments: ["{", "{}"])
    func quarantined(body: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let id = try #require(try await server.push(sender.url, Array(body.utf8)).deliveryID)
            for _ in 0..<2 { #expect(try await sender.replay(id) == 0) }
            #expect(try await sender.delivery(id)["outcome"] == "quarantined")
            #expect(try await sender.alerts().isEmpty)
        }
    }

    @Test("what was applied already is not applied again")
    func accepted() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let id = try #require(try await server.push(sender.url, Sender.body).deliveryID)
            #expect(try await sender.replay(id) == 0)
            #expect(try await sender.alerts().map { $0["event_count"] } == [1])
        }
    }

    @Test("what has no body any more is shown without it and can't be replayed")
    func purged() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let sender = try await Sender(server)
            func storedBytes() async throws -> JSON? {
                try await server.call("getAccount", sender.path, key: sender.people.olga).json["stored_bytes"]
            }
            let recorded = try await storedBytes()
            let id = try #require(try await server.push(sender.url, Sender.body).deliveryID)
            #expect(try await storedBytes() != recorded)
            clock.advance(seconds: 7 * 86_400 + 1)
            let store = server.store.retention
            let look = try await store.look(after: .installation, limit: 10, at: server.store.now)
            let batch = try await store.purge(look.due, limit: 10)
            #expect(batch.counts == [.bodies: 1])
            let delivery = try await sender.delivery(id)
            #expect(delivery["body"] == .null)
            #expect(delivery["body_encoding"] == .null)
            #expect(delivery["results"]?.array?.count == 1)
            let path = sender.path.merging(["delivery_id": id]) { $1 }
            let answer = try await server.call("replayDelivery", path, key: sender.people.erin)
            #expect(answer.status == 409)
            #expect(answer.json["code"] == "body_purged")
            #expect(try await storedBytes() == recorded)
        }
    }

    // MARK: Simulation

    /// What a simulation says of each event, without what is new each time.
    private func decisions(_ results: JSON?) -> [JSON] {
        (results?.array ?? []).map { result in
            var members = result.object ?? [:]
            members["trace"] = .array(
                (members["trace"]?.array ?? []).map { step in
                    .object((step.object ?? [:]).filter { $0.key != "alert_id" })
                }
            )
            return .object(members)
        }
    }

    @Test(
        "a simulation says what the following push does, and stores nothing",
        arguments: ["firing", "resolved"]
    )
    func simulation(status: String) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            try await server.push(sender.url, ARMS.body([.init("open")]))
            let body = ARMS.body([
                .init("new", "P1", status: status), .init("open", "critical", status: status),
                .init("new", "P4", status: status),
            ])
            let before = try await sender.alerts()
            let trial = try await server.call(
                "simulate",
                sender.path,
                body: ["body": .string(String(decoding: body, as: UTF8.self))],
                key: sender.people.erin
            )
            #expect(trial.json["outcome"] == "accepted")
            #expect(try await sender.alerts() == before)
            #expect(try await sender.deliveries("accepted").count == 1)
            let pushed = try await server.push(sender.url, body)
            let delivery = try await sender.delivery(pushed.deliveryID)
            #expect(decisions(trial.json["results"]) == decisions(delivery["results"]))
            #expect(trial.json["results"]?.array?.count == 3)
        }
    }

    @Test("a simulation tries a draft of routes and table and leaves those in force")
    func draft() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let shared = try await sender.people.shared("All")
            let path = sender.path.merging(["integration_id": shared.id]) { $1 }
            let trial = try await server.call(
                "simulate",
                path,
                body: [
                    "body": .string(String(decoding: ARMS.body([.init("a", "P4")]), as: UTF8.self)),
                    "routes": [["conditions": [], "channel_ids": [.string(sender.channel)]]],
                    "severity_table": ["entries": [], "fallback": "Critical"],
                ],
                key: sender.people.erin
            )
            let result = try #require(trial.json["results"]?[0])
            #expect(result["severity"] == "Critical")
            #expect(result["channel_ids"] == [.string(sender.channel)])
            let answer = try await server.push(shared.url, ARMS.body([.init("a", "P4")]))
            let real = try #require(try await sender.delivery(answer.deliveryID)["results"]?[0])
            #expect(real["severity"] == "Info")
            #expect(real["outcome"] == "unrouted")
        }
    }

    @Test(
        "a simulation of a bad body or a test says so",
        arguments: [("{", "quarantined", "not_json"), ("$alertmanager_content", "test", nil)]
            as [(String, String, String?)]
    )
    func notAccepted(body: String, outcome: String, reason: String?) async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let trial = try await server.call(
                "simulate",
                sender.path,
                body: ["body": .string(body)],
                key: sender.people.erin
            )
            #expect(trial.json["outcome"]?.string == outcome)
            #expect(trial.json["reason"]?.string == reason)
        }
    }
}
