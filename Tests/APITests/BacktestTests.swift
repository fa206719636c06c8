import TestSupport
import Testing

@Suite("Back-tests and replays of many deliveries")
struct BacktestTests {
    /// A shared integration that sends everything to Payments, and what it was sent.
    private struct Scene: Sendable {
        let people: People
        let path: [String: String]
        let payments: String
        let search: String
        let url: String

        init(_ server: TestServer) async throws {
            people = try await People(server)
            payments = try await people.channel("Payments")
            search = try await people.channel("Search")
            let made = try await server.call(
                "createIntegration",
                ["account_id": people.account],
                body: [
                    "type": "aliyun-arms", "mode": "shared", "name": "ARMS",
                    "default_channel_ids": [.string(payments)],
                ],
                key: people.erin
            )
            url = try #require(made.json["push_url"]?.string)
            path = ["account_id": people.account, "integration_id": made.json["id"]?.string ?? ""]
        }

        func push(_ key: String, _ severity: String, _ namespace: String) async throws {
            let labels = [("alertname", key), ("namespace", namespace)]
            let answer = try await people.server.push(url, ARMS.body([.init(key, severity, labels: labels)]))
            #expect(answer.status == 200)
        }

        func call(_ operation: String, _ body: JSON) async throws -> SpecAnswer {
            try await people.server.call(operation, path, body: body, key: people.erin)
        }
    }

    @Test("a draft says who gains and who loses, by channel and severity, with examples, and stores nothing")
    func backtest() async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            for number in 0..<6 {
                let namespace = number.isMultiple(of: 2) ? "pay" : "search"
                try await scene.push("k\(number)", number < 2 ? "critical" : "error", namespace)
            }
            _ = try await server.push(scene.url, Array("{".utf8))
            let draft: JSON = [
                "routes": [
                    [
                        "conditions": [
                            [["key": "labels.namespace", "operator": "in", "values": ["search"]]]
                        ],
                        "channel_ids": [.string(scene.search)],
                    ]
                ],
                "severity_table": [
                    "entries": [["level": "P1", "severity": "Critical"]], "fallback": "Info",
                ],
            ]
            let answer = try await scene.call("backtest", draft)
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json["deliveries"] == 6)
            #expect(answer.json["skipped"] == 1)
            #expect(answer.json["events"] == 6)
            // k0 stays where it was, and what it was.
            #expect(answer.json["changed"] == 5)
            let counts = answer.json["counts"]?.array ?? []
            func count(_ channel: String, _ severity: String) -> [JSON?] {
                let found = counts.first {
                    $0["channel_id"]?.string == channel && $0["severity"]?.string == severity
                }
                return [found?["before"], found?["after"]]
            }
            #expect(count(scene.payments, "Critical") == [2, 1])
            #expect(count(scene.payments, "Warning") == [4, 0])
            #expect(count(scene.payments, "Info") == [0, 2])
            #expect(count(scene.search, "Critical") == [0, 1])
            #expect(count(scene.search, "Info") == [0, 2])
            let example = try #require(answer.json["examples"]?[0])
            #expect(example["title"] == "k5")
            #expect(example["before"]?["channel_ids"] == [.string(scene.payments)])
            #expect(example["after"]?["channel_ids"] == [.string(scene.search)])
            let bounded = try await scene.call("backtest", ["deliveries": 2])
            #expect(bounded.json["truncated"] == true)
            #expect(bounded.json["changed"] == 0)
            let alerts = try await server.call("listAlerts", scene.path, key: scene.people.bob)
            #expect(
                alerts.json["items"]?.array?.allSatisfy { $0["channel_id"]?.string == scene.payments } == true
            )
        }
    }

    @Test("what was kept while an integration was off is replayed in order, a part at a time, once")
    func replaysMany() async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            #expect(try await scene.call("updateIntegration", ["status": "disabled"]).status == 200)
            for number in 0..<5 {
                let severity = number == 4 ? "critical" : "page"
                let answer = try await server.push(scene.url, ARMS.body([.init("same", severity)]))
                #expect(answer.status == 401)
            }
            #expect(try await scene.call("updateIntegration", ["status": "enabled"]).status == 200)
            var (cursor, rounds, replayed, applied): (JSON?, Int, Int64, Int64) = (nil, 0, 0, 0)
            repeat {
                var body: [String: JSON] = [
                    "outcome": "refused", "integration_id": .string(scene.path["integration_id"] ?? ""),
                    "limit": 2,
                ]
                if let cursor { body["cursor"] = cursor }
                let dry = try await server.call(
                    "replayDeliveries",
                    scene.path,
                    query: [("dry_run", "true")],
                    body: .object(body),
                    key: scene.people.erin
                )
                let answer = try await scene.call("replayDeliveries", .object(body))
                #expect(dry.text == answer.text)
                #expect(answer.status == 200, "\(answer.text)")
                #expect(answer.json["failures"] == [])
                replayed += answer.json["replayed"]?.integer ?? 0
                applied += answer.json["applied"]?.integer ?? 0
                cursor = answer.json["next_cursor"]
                rounds += 1
            } while cursor?.string != nil && rounds < 10
            #expect(replayed == 5 && applied == 5)
            #expect(rounds == 3)
            let alerts = try await server.call("listAlerts", scene.path, key: scene.people.bob)
            #expect(alerts.json["items"]?.array?.count == 1)
            // The last one that came is the last one that was replayed.
            #expect(alerts.json["items"]?[0]?["severity"] == "Critical")
            #expect(alerts.json["items"]?[0]?["event_count"] == 5)
            let again = try await scene.call("replayDeliveries", ["outcome": "refused"])
            #expect(again.json["applied"] == 0)
        }
    }
}
