import Domain
import Storage
import TestSupport
import Testing

@Suite("Large answers", .timeLimit(.minutes(10)))
struct LargeAnswerTests {
    private static let json = [("Content-Type", "application/json")]
    /// The most that openapi.yaml allows.
    private static let most = 8 << 20

    private static func text(_ bytes: Int, _ seed: Int) -> String {
        let start = "\(seed)-"
        return start + String(repeating: "x", count: bytes - start.utf8.count)
    }

    /// 50 labels of some 250 bytes: 13 kB.
    private static func labels(_ seed: Int) -> JSON {
        .object(
            Dictionary(
                uniqueKeysWithValues: (0..<50).map { ("name\($0)", JSON.string(text(250, seed &+ $0))) }
            )
        )
    }

    @Test("of many bad fields 100 are told, and how many more there are")
    func manyErrors() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let fields = (0..<40_000).map { "\"unknown\($0)\":0" }.joined(separator: ",")
            let answer = try await server.callRaw(
                try server.spec.operation("createChannel"),
                ["account_id": people.account],
                headers: Self.json,
                body: Array("{\(fields)}".utf8),
                key: people.alice
            )
            #expect(answer.status == 422)
            #expect(answer.json["errors"]?.array?.count == 100)
            #expect(answer.json["errors_omitted"]?.integer == 39_901)
            let few = try await server.call(
                "createChannel",
                ["account_id": people.account],
                body: ["colour": "red"],
                key: people.alice
            )
            #expect(few.json["errors"]?.array?.count == 2)
            #expect(few.json["errors_omitted"] == nil)
        }
    }

    @Test("results of a delivery, and of a simulation, come in pages: each once, in their order")
    func results() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let integration = try await people.dedicated("ARMS", channel: try await people.channel("A"))
            let keys = (0..<2_500).map { "key-\($0)" }
            let body = ARMS.body(keys.map { .init($0) })
            let pushed = try await server.push(integration.url, body)
            let id = try #require(pushed.json["data"]?["delivery_id"]?.string)
            let path = ["account_id": people.account]
            // A large push is applied in slices.
            while try await server.call(
                "getDelivery",
                path.merging(["delivery_id": id]) { $1 },
                key: people.bob
            ).json["pending_event_count"] != 0 { try await Task.sleep(for: .milliseconds(20)) }
            func walk(_ page: ([(String, String)]) async throws -> SpecAnswer) async throws {
                var (found, pages): ([String?], [Int]) = ([], [])
                var query: [(String, String)] = []
                repeat {
                    let answer = try await page(query)
                    let results = answer.json["results"]?.array ?? []
                    found += results.map { $0["alert_key"]?.string }
                    pages.append(results.count)
                    query = answer.json["results_next"]?.string.map { [("results_cursor", $0)] } ?? []
                } while !query.isEmpty
                #expect(found == keys)
                #expect(pages == [1_000, 1_000, 500])
            }
            try await walk { query in
                try await server.call(
                    "getDelivery",
                    path.merging(["delivery_id": id]) { $1 },
                    query: query,
                    key: people.bob
                )
            }
            try await walk { query in
                try await server.call(
                    "simulate",
                    path.merging(["integration_id": integration.id]) { $1 },
                    query: query,
                    body: ["body": .string(String(decoding: body, as: UTF8.self))],
                    key: people.erin
                )
            }
            let one = try await server.call(
                "getDelivery",
                path.merging(["delivery_id": id]) { $1 },
                query: [("results_limit", "1")],
                key: people.bob
            )
            #expect(one.json["results"]?.array?.count == 1 && one.json["results_next"]?.string != nil)
            for bad in [("results_limit", "1001"), ("results_limit", "0"), ("results_cursor", "x")] {
                let answer = try await server.call(
                    "getDelivery",
                    path.merging(["delivery_id": id]) { $1 },
                    query: [bad],
                    key: people.bob
                )
                #expect(answer.status == 422, "\(bad)")
            }
        }
    }

    @Test("a body that would be six times as long as JSON is shown in base64")
    func controls() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let integration = try await people.dedicated("ARMS", channel: try await people.channel("A"))
            let pushed = try await server.push(integration.url, Array(repeating: 1, count: 1_500_000))
            #expect(pushed.status == 400)
            let id = try #require(pushed.json["error"]?["delivery_id"]?.string)
            let answer = try await server.call(
                "getDelivery",
                ["account_id": people.account, "delivery_id": id],
                key: people.bob
            )
            #expect(answer.json["body_encoding"] == "base64")
            #expect(answer.body.count < Self.most)
        }
    }

    @Test("pages of heavy events and alerts end early, and all of them can be had")
    func lists() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let integration = try await people.dedicated("ARMS", channel: try await people.channel("A"))
            let labels = (0..<90).map { ("label\($0)", Self.text(2_000, $0)) }
            for push in 0..<4 {
                let alerts = (0..<15).map { ARMS.Alert("key-\(push)-\($0)", labels: labels) }
                #expect(try await server.push(integration.url, ARMS.body(alerts)).status == 200)
            }
            for operation in ["listEvents", "listAlerts"] {
                var (found, pages): (Set<String>, Int) = ([], 0)
                var query = [("limit", "200")]
                repeat {
                    let answer = try await server.call(
                        operation,
                        ["account_id": people.account],
                        query: query,
                        key: people.bob
                    )
                    #expect(answer.body.count < Self.most)
                    let items = answer.json["items"]?.array ?? []
                    let fresh = items.compactMap { $0["alert_key"]?.string }
                    #expect(found.isDisjoint(with: fresh) && !fresh.isEmpty)
                    found.formUnion(fresh)
                    pages += 1
                    query =
                        answer.json["next_cursor"]?.string.map { [("limit", "200"), ("cursor", $0)] } ?? []
                } while !query.isEmpty
                #expect(found.count == 60)
                #expect(pages > 3)
            }
        }
    }

    @Test("a large list of routes is answered from its beginning, with the cursor of the rest")
    func routes() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let channel = try await people.channel("A")
            let made = try await server.call(
                "createIntegration",
                ["account_id": people.account],
                body: [
                    "type": "aliyun-arms", "mode": "shared", "name": "all",
                    "default_channel_ids": [.string(channel)],
                ],
                key: people.alice
            )
            let path = [
                "account_id": people.account, "integration_id": try #require(made.json["id"]?.string),
            ]
            let routes = (0..<250).map { number -> JSON in
                [
                    "name": .string("route \(number)"), "conditions": [], "channel_ids": [.string(channel)],
                    "labels": Self.labels(number),
                ]
            }
            let answer = try await server.call(
                "replaceRoutes",
                path,
                body: ["routes": .array(routes)],
                key: people.alice
            )
            var names = (answer.json["items"]?.array ?? []).compactMap { $0["name"]?.string }
            #expect(answer.status == 200 && names.count < 250, "\(names.count)")
            var cursor = answer.json["next_cursor"]?.string
            while let next = cursor {
                let page = try await server.call(
                    "listRoutes",
                    path,
                    query: [("limit", "200"), ("cursor", next)],
                    key: people.bob
                )
                names += (page.json["items"]?.array ?? []).compactMap { $0["name"]?.string }
                cursor = page.json["next_cursor"]?.string
            }
            #expect(names == (0..<250).map { "route \($0)" })
        }
    }

    @Test(
        "a large change of configuration is told from its beginning, its revision shows all, and the document is 413"
    )
    func configuration() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            let channels = (0..<700).map { ("channel \($0)", JSON.object(["labels": Self.labels($0)])) }
            let document: JSON = [
                "channels": .object(Dictionary(uniqueKeysWithValues: channels)), "integrations": [:],
                "severity_tables": [:],
            ]
            let planned = try await server.call(
                "planConfiguration",
                path,
                body: document,
                key: people.alice
            )
            #expect(planned.status == 200, "\(planned.text.prefix(300))")
            #expect(planned.json["changes_omitted"]?.integer ?? 0 > 0)
            let put = try await server.call("putConfiguration", path, body: document, key: people.alice)
            let shown = put.json["changes"]?.array?.count ?? 0
            #expect(shown > 0 && shown + Int(put.json["changes_omitted"]?.integer ?? 0) == 700)
            #expect(put.body.count < Self.most)
            let revision = "\(put.json["revision"]?.integer ?? 0)"
            var (resources, query): (Set<String>, [(String, String)]) = ([], [])
            repeat {
                let answer = try await server.call(
                    "getRevision",
                    path.merging(["revision": revision]) { $1 },
                    query: query,
                    key: people.bob
                )
                #expect(answer.body.count < Self.most)
                resources.formUnion((answer.json["diff"]?.array ?? []).compactMap { $0["resource"]?.string })
                query = answer.json["diff_next"]?.string.map { [("diff_cursor", $0)] } ?? []
            } while !query.isEmpty
            #expect(resources.count == 700)
            let whole = try await server.call("getConfiguration", path, key: people.bob)
            #expect(whole.status == 413)
        }
    }
}
