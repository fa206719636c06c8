import Domain
import Storage
import TestSupport
import Testing

@Suite("Limits of accounts")
struct LimitTests {
    /// Runs `body` with Alice and her colleagues on a clock that moves only when it is told to.
    private func withPeople(
        _ limits: JSON = [:],
        _ body: @Sendable (People, TestServer, [String: String]) async throws -> Void
    ) async throws {
        try await TestServer.with(clock: WallClockAtRest.wall) { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            let answer = try await server.call(
                "updateAccount",
                path,
                body: ["limits": limits],
                key: people.olga
            )
            #expect(answer.status == 200, "\(answer.text)")
            try await body(people, server, path)
        }
    }

    private func pointers(_ answer: SpecAnswer) -> [String] {
        (answer.json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }.sorted()
    }

    // MARK: The limits themselves

    @Test("a change names some; null is what is usual; the account's admin sees them and can't change them")
    func merge() async throws {
        let usual: JSON = [
            "calls_per_second": 500, "call_burst": 1_000, "pushes_per_second": 1_000_000,
            "push_burst": 1_000_000,
            "channels": 10_000, "integrations": 10_000, "routes_per_integration": 10_000,
            "patterns": 10_000, "pattern_bytes": 262_144, "program_size": 20_000,
            "unindexed_conditions": 2_000,
            "condition_bytes": 8_388_608,
        ]
        try await withPeople { people, server, path in
            func limits(_ change: JSON, key: String) async throws -> SpecAnswer {
                try await server.call("updateAccount", path, body: ["limits": change], key: key)
            }
            #expect(try await server.call("getAccount", path, key: people.bob).json["limits"] == usual)
            let changed = try await limits(["channels": 3, "push_burst": 7], key: people.olga)
            #expect(changed.json["limits"]?["channels"] == 3 && changed.json["limits"]?["push_burst"] == 7)
            #expect(changed.json["limits"]?["integrations"] == 10_000)
            let again = try await limits(["channels": .null], key: people.olga)
            #expect(again.json["limits"]?["channels"] == 10_000 && again.json["limits"]?["push_burst"] == 7)
            #expect(try await limits(["push_burst": .null], key: people.alice).status == 403)
            #expect(
                try await server.call("getAccount", path, key: people.bob).json["limits"]?["push_burst"] == 7
            )
            let made = try await server.call(
                "createAccount",
                body: ["name": "small", "limits": ["channels": 1]],
                key: people.olga
            )
            #expect(made.json["limits"]?["channels"] == 1 && made.json["limits"]?["call_burst"] == 1_000)
        }
    }

    @Test(
        "each has its range, and a burst is not below its rate",
        arguments: [
            (
                #"{"channels":-1,"integrations":100001,"call_burst":0}"#,
                ["call_burst", "channels", "integrations"]
            ),
            (#"{"routes_per_integration":10001}"#, ["routes_per_integration"]),
            (#"{"calls_per_second":1001}"#, ["call_burst"]), (#"{"call_burst":499}"#, ["call_burst"]),
            (#"{"pigs":1}"#, ["pigs"]), (#"{"channels":1.5}"#, ["channels"]),
        ]
    )
    func ranges(limits: String, names: [String]) async throws {
        try await withPeople { people, server, path in
            let body: JSON = ["limits": try JSON(parsing: Array(limits.utf8))]
            let answer = try await server.call("updateAccount", path, body: body, key: people.olga)
            #expect(
                answer.status == 422 && pointers(answer) == names.map { "/limits/\($0)" },
                "\(answer.text)"
            )
        }
    }

    // MARK: Calls

    @Test(
        "a key has the calls that its account's limits say, and 429 names the bucket, the limit and the reset"
    )
    func calls() async throws {
        try await withPeople(["calls_per_second": 1, "call_burst": 3]) { people, server, _ in
            for left in [2, 1, 0] {
                let answer = try await server.call("getMe", key: people.bob)
                #expect(answer.status == 200)
                #expect(answer.header("RateLimit-Policy") == #""api-key";q=3;w=3"#)
                #expect(answer.header("RateLimit") == "\"api-key\";r=\(left);t=\(3 - left)")
            }
            let refused = try await server.call("getMe", key: people.bob)
            #expect(refused.status == 429 && refused.json["code"] == "rate_limited")
            #expect(refused.json["bucket"] == "api-key" && refused.json["limit"] == 3)
            #expect(refused.json["reset_seconds"] == 3 && refused.header("Retry-After") == "1")
            #expect(refused.header("RateLimit") == #""api-key";r=0;t=3"#)
            // Others have buckets of their own, and other accounts other limits.
            #expect(try await server.call("getMe", key: people.erin).status == 200)
            let charlie = try await server.call("getMe", key: people.charlie)
            #expect(charlie.header("RateLimit-Policy") == #""api-key";q=1000;w=2"#)
            let olga = try await server.call("getMe", key: people.olga)
            #expect(olga.header("RateLimit-Policy") == #""api-key";q=1000;w=2"#)
        }
    }

    @Test("calls come back with time, and a change of the limits counts at once")
    func refill() async throws {
        let time = Lock(WallClockAtRest.wall.now())
        try await TestServer.with(clock: WallClock { time.withLock { $0 } }) { server in
            func advance(seconds: Int64) { time.withLock { $0 = $0.adding(seconds: seconds) } }
            let people = try await People(server)
            let path = ["account_id": people.account]
            func limit(_ perSecond: Int64, _ burst: Int64) async throws {
                let limits: JSON = ["calls_per_second": .integer(perSecond), "call_burst": .integer(burst)]
                try await server.call("updateAccount", path, body: ["limits": limits], key: people.olga)
            }
            try await limit(1, 1)
            var statuses: [Int] = []
            for _ in 0..<2 { statuses.append(try await server.call("getMe", key: people.bob).status) }
            #expect(statuses == [200, 429])
            advance(seconds: 10)
            for _ in 0..<2 { statuses.append(try await server.call("getMe", key: people.bob).status) }
            #expect(statuses == [200, 429, 200, 429])
            try await limit(100, 100)
            advance(seconds: 1)
            #expect(
                try await server.call("getMe", key: people.bob).header("RateLimit") == #""api-key";r=99;t=1"#
            )
        }
    }

    @Test("every answer to a key says what is left, errors too; an answer to none does not")
    func everywhere() async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            let estate = try await Estate(server)
            for operation in server.spec.management {
                for query in [[], [("nope", "1")]] where query.count == 1 || operation.method == "GET" {
                    let answer = try await server.call(
                        operation.id,
                        estate.path(of: operation),
                        query: query,
                        body: estate.body(for: operation),
                        key: estate.key(for: operation)
                    )
                    for name in ["RateLimit", "RateLimit-Policy"] {
                        #expect(answer.header(name)?.hasPrefix("\"api-key\";") == true, "\(operation.id)")
                    }
                }
            }
            let unauthorized = try await server.call("getMe", key: "none")
            #expect(unauthorized.header("RateLimit") == nil)
        }
    }

    // MARK: Resources

    @Test("beyond the limit nothing is made: 409 names it; what was there stays and can be changed")
    func resources() async throws {
        try await withPeople(["channels": 2, "integrations": 1]) { people, server, path in
            func check(_ answer: SpecAnswer, _ bucket: String, _ limit: Int64) {
                #expect(answer.status == 409 && answer.json["code"] == "limit_reached", "\(answer.text)")
                #expect(answer.json["bucket"]?.string == bucket && answer.json["limit"] == .integer(limit))
            }
            let (first, _) = (try await people.channel("1"), try await people.channel("2"))
            let third = try await server.call("createChannel", path, body: ["name": "3"], key: people.alice)
            check(third, "channels", 2)
            _ = try await people.shared("i")
            let more: JSON = ["type": "prometheus", "mode": "shared", "name": "j"]
            check(
                try await server.call("createIntegration", path, body: more, key: people.alice),
                "integrations",
                1
            )
            let lower: JSON = ["limits": ["channels": 0, "integrations": 0]]
            try await server.call("updateAccount", path, body: lower, key: people.olga)
            let own = path.merging(["channel_id": first]) { $1 }
            let renamed = try await server.call("updateChannel", own, body: ["name": "x"], key: people.alice)
            #expect(renamed.status == 200)
            let other = try await server.call(
                "createChannel",
                ["account_id": people.otherAccount],
                body: ["name": "c"],
                key: people.charlie
            )
            #expect(other.status == 201)
        }
    }

    @Test("a document may put others into the place of what is there at the limit, and no more of them")
    func documentAtTheLimit() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            try await server.call("updateAccount", path, body: ["limits": ["channels": 2]], key: people.olga)
            for name in ["A", "B"] { _ = try await people.channel(name) }
            func apply(_ channels: JSON) async throws -> SpecAnswer {
                let document: JSON = ["channels": channels, "integrations": [:], "severity_tables": [:]]
                return try await server.call("putConfiguration", path, body: document, key: people.alice)
            }
            #expect(try await apply(["C": [:], "D": [:]]).status == 200)
            let more = try await apply(["C": [:], "D": [:], "E": [:]])
            #expect(more.status == 409 && more.json["code"] == "limit_reached")
            try await server.call("updateAccount", path, body: ["limits": ["channels": 1]], key: people.olga)
            #expect(try await apply(["E": [:], "F": [:]]).status == 200)
            #expect(try await apply(["F": [:]]).status == 200)
        }
    }

    @Test("an integration has as many routes as the limit says; a list that is not made longer is taken")
    func routes() async throws {
        try await withPeople(["routes_per_integration": 2]) { people, server, path in
            let integration = try await people.shared("i", defaults: [try await people.channel("c")])
            let path = path.merging(["integration_id": integration.id]) { $1 }
            let route: JSON = ["conditions": [], "mode": "name_mapping", "name_mapping_label": "team"]
            func replace(_ count: Int) async throws -> SpecAnswer {
                let body: JSON = ["routes": .array(Array(repeating: route, count: count))]
                return try await server.call("replaceRoutes", path, body: body, key: people.alice)
            }
            #expect(try await replace(2).status == 200)
            let added = try await server.call("createRoute", path, body: route, key: people.alice)
            for answer in [added, try await replace(3)] {
                #expect(
                    answer.status == 409 && answer.json["bucket"] == "routes_per_integration",
                    "\(answer.text)"
                )
            }
            let lower: JSON = ["limits": ["routes_per_integration": 0]]
            try await server.call(
                "updateAccount",
                ["account_id": people.account],
                body: lower,
                key: people.olga
            )
            #expect(try await replace(2).status == 200)
            #expect(try await replace(1).status == 200)
            #expect(try await replace(2).status == 409)
        }
    }

    @Test("the conditions of all routes and notifiers are bounded: 409 names the limit and the place")
    func conditions() async throws {
        try await withPeople(["patterns": 1]) { people, server, path in
            let channel = try await people.channel("c")
            let integration = try await people.shared("i", defaults: [channel])
            let path = path.merging(["integration_id": integration.id]) { $1 }
            func route(_ values: [JSON]) -> JSON {
                let condition: JSON = ["key": "title", "operator": "in", "values": .array(values)]
                return ["conditions": [[condition]], "channel_ids": [.string(channel)]]
            }
            let body: JSON = ["routes": [route(["a*"]), route(["x"]), route(["b*"])]]
            let refused = try await server.call("replaceRoutes", path, body: body, key: people.alice)
            #expect(refused.status == 409 && refused.json["code"] == "limit_reached", "\(refused.text)")
            #expect(refused.json["bucket"] == "patterns" && refused.json["limit"] == 1)
            #expect(pointers(refused) == ["/routes/2/conditions"])
            let made = try await server.call("createRoute", path, body: route(["a*"]), key: people.alice)
            #expect(made.status == 201)
            let more = try await server.call("createRoute", path, body: route(["b*"]), key: people.alice)
            #expect(more.status == 409 && pointers(more) == ["/conditions"])
        }
    }

    @Test("a single pattern or list of conditions that is too large is 422 at its place")
    func largeConditions() async throws {
        try await withPeople { people, server, path in
            let channel = try await people.channel("c")
            let integration = try await people.shared("i", defaults: [channel])
            let path = path.merging(["integration_id": integration.id]) { $1 }
            func create(_ values: [JSON]) async throws -> SpecAnswer {
                let condition: JSON = ["key": "title", "operator": "in", "values": .array(values)]
                let body: JSON = ["conditions": [[condition]], "channel_ids": [.string(channel)]]
                return try await server.call("createRoute", path, body: body, key: people.alice)
            }
            let pattern = try await create(["x", #"/\pL{40}/"#])
            #expect(
                pattern.status == 422 && pointers(pattern) == ["/conditions/0/0/values/1"],
                "\(pattern.text)"
            )
            // What grows when it is stored counts as it is stored.
            let long = JSON.string(String(repeating: "\u{8}", count: 1_000))
            let list = try await create(Array(repeating: long, count: 11))
            #expect(list.status == 422 && pointers(list) == ["/conditions"], "\(list.text)")
            #expect(try await create(Array(repeating: long, count: 10)).status == 201)
        }
    }

    // MARK: Pushes

    @Test(
        "an integration's share is within the account's limits; a lower limit counts for those that are there"
    )
    func shares() async throws {
        try await withPeople(["pushes_per_second": 5_000, "push_burst": 6_000]) { people, server, path in
            let channel = try await people.channel("c")
            let (id, _) = try await people.dedicated("i", channel: channel)
            let own = path.merging(["integration_id": id]) { $1 }
            func share(_ rate: Int64, _ burst: Int64) async throws -> SpecAnswer {
                let limit: JSON = ["pushes_per_second": .integer(rate), "burst": .integer(burst)]
                return try await server.call(
                    "updateIntegration",
                    own,
                    body: ["rate_limit": limit],
                    key: people.alice
                )
            }
            func effective() async throws -> RateLimit? {
                let number = try await server.store.accounts.find(try #require(AccountID(people.account)))
                    .number
                let snapshot = try await server.store.snapshots.snapshot(of: number, now: server.store.now)
                return snapshot?.integrations.values.first { $0.id.description == id }?.rateLimit
            }
            let both = try await share(5_001, 6_001)
            #expect(both.status == 422)
            #expect(pointers(both) == ["/rate_limit/burst", "/rate_limit/pushes_per_second"])
            #expect(try await share(5_000, 6_000).status == 200)
            #expect(try await effective() == RateLimit(pushesPerSecond: 5_000, burst: 6_000))
            let lower: JSON = ["limits": ["pushes_per_second": 10, "push_burst": 20]]
            try await server.call("updateAccount", path, body: lower, key: people.olga)
            #expect(try await effective() == RateLimit(pushesPerSecond: 10, burst: 20))
            // What it says already is taken again; a new one has to be within the limits.
            #expect(try await share(5_000, 6_000).status == 200)
            #expect(try await share(11, 20).status == 422)
            let new: JSON = ["type": "prometheus", "mode": "shared", "name": "j"]
            let made = try await server.call("createIntegration", path, body: new, key: people.alice)
            #expect(made.json["rate_limit"] == ["pushes_per_second": 1_000, "burst": 2_000], "\(made.text)")
            let wide: JSON = ["pushes_per_second": 11, "burst": 1]
            let refused = try await server.call(
                "createIntegration",
                path,
                body: .object((new.object ?? [:]).merging(["rate_limit": wide, "name": "k"]) { $1 }),
                key: people.alice
            )
            #expect(refused.status == 422 && pointers(refused) == ["/rate_limit/pushes_per_second"])
        }
    }
}
