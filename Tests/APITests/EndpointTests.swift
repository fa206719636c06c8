import TestSupport
import Testing

@Suite("Configuration endpoints")
struct EndpointTests {
    /// Runs `body` with Alice and her colleagues.
    private func withPeople(_ body: @Sendable (People, TestServer) async throws -> Void) async throws {
        try await TestServer.with { server in try await body(try await People(server), server) }
    }

    /// The pointers of a 422, sorted.
    private func pointers(_ answer: SpecAnswer) -> [String] {
        (answer.json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }.sorted()
    }

    /// All pages of a list, each as the ids in it.
    private func pages(_ operation: String, limit: Int, _ people: People) async throws -> [[String]] {
        var pages: [[String]] = []
        var cursor: String?
        repeat {
            var query = [("limit", "\(limit)")]
            if let cursor { query.append(("cursor", cursor)) }
            let path = ["account_id": people.account]
            let page = try await people.server.call(operation, path, query: query, key: people.bob).json
            pages.append((page["items"]?.array ?? []).compactMap { $0["id"]?.string })
            cursor = page["next_cursor"]?.string
        } while cursor != nil && pages.count < 100
        return pages
    }

    // MARK: Lists

    @Test("450 channels come in pages of 200, newest first, each once")
    func keyset() async throws {
        try await withPeople { people, _ in
            var made: [String] = []
            for index in 0..<450 { made.append(try await people.channel("Channel \(index)")) }
            let pages = try await pages("listChannels", limit: 200, people)
            #expect(pages.filter { !$0.isEmpty }.map(\.count) == [200, 200, 50])
            #expect(pages.flatMap { $0 } == Array(made.reversed()))
        }
    }

    @Test("what is created while somebody reads a list does not shift its pages")
    func stablePages() async throws {
        try await withPeople { people, server in
            let path = ["account_id": people.account]
            let made = try await [people.channel("1"), people.channel("2"), people.channel("3")]
            let limit = ("limit", "2")
            let first = try await server.call("listChannels", path, query: [limit], key: people.bob)
            _ = try await people.channel("4")
            let cursor = try #require(first.json["next_cursor"]?.string)
            let query = [limit, ("cursor", cursor)]
            let second = try await server.call("listChannels", path, query: query, key: people.bob)
            #expect(second.json["items"]?.array?.compactMap { $0["id"]?.string } == [made[0]])
        }
    }

    @Test(
        "a bad parameter of a list is named",
        arguments: [
            ("limit", "0"), ("limit", "201"), ("limit", "x"), ("limit", ""), ("cursor", "x"),
            ("cursor", "c0000000000000000000000!"), ("label", "no-colon"), ("label", ":value"), ("nope", "1"),
            ("Limit", "1"),
        ]
    )
    func badParameter(name: String, value: String) async throws {
        try await withPeople { people, server in
            let path = ["account_id": people.account]
            let answer = try await server.call(
                "listChannels",
                path,
                query: [(name, value)],
                key: people.bob
            )
            #expect(answer.status == 422)
            #expect(pointers(answer) == ["#/query/\(name)"])
        }
    }

    @Test("a list is asked for at most 20 labels", arguments: [(20, 200), (21, 422)])
    func manyLabels(count: Int, status: Int) async throws {
        try await withPeople { people, server in
            let query = (0..<count).map { ("label", "l\($0):x") }
            let path = ["account_id": people.account]
            let answer = try await server.call("listChannels", path, query: query, key: people.bob)
            #expect(answer.status == status)
        }
    }

    @Test(
        "configuration is listed by external_id and labels",
        arguments: [
            ([("external_id", "x-1")], ["both"]), ([("external_id", "X-1")], []),
            ([("label", "team:pay")], ["labelled", "both"]),
            ([("label", "team:pay"), ("label", "env:prod")], ["both"]),
            ([("label", "url:http://a")], ["both"]),
            ([("label", "team:Pay")], []), ([("external_id", "x-1"), ("label", "team:search")], []),
        ]
    )
    func filters(query: [(String, String)], names: [String]) async throws {
        try await withPeople { people, server in
            let path = ["account_id": people.account]
            let labels: JSON = ["team": "pay", "env": "prod", "url": "http://a"]
            for body: JSON in [
                ["name": "both", "external_id": "x-1", "labels": labels],
                ["name": "labelled", "labels": ["team": "pay"]], ["name": "plain"],
            ] {
                try await server.call("createChannel", path, body: body, key: people.erin)
            }
            let answer = try await server.call("listChannels", path, query: query, key: people.bob)
            #expect(answer.json["items"]?.array?.compactMap { $0["name"]?.string } == names)
        }
    }

    @Test("integrations are listed by type and channel")
    func integrationFilters() async throws {
        try await withPeople { people, server in
            let (one, two) = (try await people.channel("1"), try await people.channel("2"))
            let arms = try await people.dedicated("arms", channel: one)
            let shared = try await people.shared("shared", type: "prometheus", defaults: [two])
            for (name, value, expected) in [
                ("type", "aliyun-arms", [arms.id]), ("type", "standard", []), ("channel_id", one, [arms.id]),
                ("channel_id", two, [shared.id]),
            ] {
                let path = ["account_id": people.account]
                let query = [(name, value)]
                let answer = try await server.call("listIntegrations", path, query: query, key: people.bob)
                let ids = answer.json["items"]?.array?.compactMap { $0["id"]?.string }
                #expect(ids == expected, "\(name)=\(value)")
            }
        }
    }

    // MARK: Bad fields

    @Test("all bad fields are named at once, and nothing is made")
    func badFields() async throws {
        try await withPeople { people, server in
            let answer = try await server.call(
                "createChannel",
                ["account_id": people.account],
                body: [
                    "name": "", "description": 7, "status": "on", "labels": ["a": 1, "b": "ok"], "nope": true,
                    "a/b~c": 1,
                ],
                key: people.erin
            )
            #expect(answer.status == 422)
            #expect(answer.json["code"] == "validation_failed")
            let expected = ["/a~1b~0c", "/description", "/labels/a", "/name", "/nope", "/status"]
            #expect(pointers(answer) == expected)
            #expect(try await pages("listChannels", limit: 50, people) == [[]])
        }
    }

    @Test(
        "a bad condition of a route is named",
        arguments: [
            (["key": "labels.a", "operator": "in", "values": ["ok", "/(/"]], "/conditions/0/0/values/1"),
            (["key": "nope", "operator": "in", "values": ["x"]], "/conditions/0/0/key"),
            (["key": "title", "operator": "is", "values": ["x"]], "/conditions/0/0/operator"),
            (["key": "title", "operator": "in", "values": []], "/conditions/0/0/values"),
            (["key": "labels.a", "operator": "in", "values": ["num:ge:x"]], "/conditions/0/0/values/0"),
            (
                ["key": "labels.a", "operator": "in", "values": ["cidr:10.0.0.0/99"]],
                "/conditions/0/0/values/0"
            ),
        ] as [(JSON, String)]
    )
    func badCondition(condition: JSON, pointer: String) async throws {
        try await withPeople { people, server in
            let channel = try await people.channel("1")
            let shared = try await people.shared("All")
            let answer = try await server.call(
                "createRoute",
                ["account_id": people.account, "integration_id": shared.id],
                body: ["conditions": [[condition]], "channel_ids": [.string(channel)]],
                key: people.erin
            )
            #expect(answer.status == 422)
            #expect(pointers(answer) == [pointer], "\(answer.text)")
        }
    }

    @Test(
        "a body that is no JSON object is refused",
        arguments: [
            ("{", "application/json", 400), ("[]", "application/json", 422), ("{}", "text/plain", 415),
            ("{}", "", 415),
        ]
    )
    func badBody(body: String, contentType: String, status: Int) async throws {
        try await withPeople { people, server in
            let answer = try await server.callRaw(
                server.spec.operation("createChannel"),
                ["account_id": people.account],
                headers: contentType.isEmpty ? [] : [("Content-Type", contentType)],
                body: Array(body.utf8),
                key: people.erin
            )
            #expect(answer.status == status, "\(answer.text)")
        }
    }

    // MARK: Versions

    @Test("a change needs the version that is there, when it names one")
    func ifMatch() async throws {
        try await withPeople { people, server in
            let path = ["account_id": people.account, "channel_id": try await people.channel("1")]
            func rename(_ tag: String?) async throws -> SpecAnswer {
                let headers = tag.map { [("If-Match", $0)] } ?? []
                return try await server.call(
                    "updateChannel",
                    path,
                    body: ["description": "\(tag ?? "none")"],
                    key: people.erin,
                    headers: headers
                )
            }
            #expect(try await rename("\"1\"").header("ETag") == "\"2\"")
            let late = try await rename("\"1\"")
            #expect(late.status == 412)
            #expect(late.json["code"] == "precondition_failed")
            #expect(try await rename("\"1\", \"2\"").header("ETag") == "\"3\"")
            #expect(try await rename("*").status == 200)
            #expect(try await rename(nil).header("ETag") == "\"5\"")
            #expect(try await rename("5").status == 400)
            #expect(try await rename("").status == 400, "no tag at all")
            #expect(try await rename("\"5\",").status == 400)
            let table = try await server.call(
                "replaceSeverityTable",
                ["account_id": people.account, "integration_type": "standard"],
                body: ["entries": [], "fallback": "Info"],
                key: people.erin,
                headers: [("If-None-Match", "\"5\"")]
            )
            #expect(table.status == 400, "of a change it can only be *")
        }
    }

    @Test("what has not changed is 304; integrations and push URLs always answer whole")
    func ifNoneMatch() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            for (operation, status) in [("getChannel", 304), ("getIntegration", 200), ("getPushURL", 200)] {
                let first = try await server.call(operation, estate.path, key: estate.viewer)
                let tag = try #require(first.header("ETag"))
                for (tag, expected) in [(tag, status), ("*", status), ("W/\(tag)", status), ("\"77\"", 200)] {
                    let second = try await server.call(
                        operation,
                        estate.path,
                        key: estate.viewer,
                        headers: [("If-None-Match", tag)]
                    )
                    #expect(second.status == expected, "\(operation) \(tag)")
                }
            }
        }
    }

    @Test("PATCH keeps what is absent and clears what is null")
    func patch() async throws {
        try await withPeople { people, server in
            let created = try await server.call(
                "createChannel",
                ["account_id": people.account],
                body: ["name": "1", "description": "d", "external_id": "x", "labels": ["a": "b"]],
                key: people.erin
            )
            let id = try #require(created.json["id"]?.string)
            let path = ["account_id": people.account, "channel_id": id]
            func patch(_ body: JSON) async throws -> SpecAnswer {
                try await server.call("updateChannel", path, body: body, key: people.erin)
            }
            let renamed = try await patch(["name": "2"]).json
            #expect(renamed["external_id"] == "x")
            #expect(renamed["labels"] == ["a": "b"])
            #expect(renamed["description"] == "d")
            #expect(try await patch(["external_id": .null]).json["external_id"] == .null)
            #expect(pointers(try await patch(["name": .null, "labels": .null])) == ["/labels", "/name"])
        }
    }

    // MARK: Names and references

    @Test("names are unique in an account without regard to case, and free again after a delete")
    func names() async throws {
        try await withPeople { people, server in
            let path = ["account_id": people.account]
            let first = try await people.channel("Ärger 支付")
            let body: JSON = ["name": "äRGER 支付"]
            let taken = try await server.call("createChannel", path, body: body, key: people.erin)
            #expect(taken.status == 409)
            #expect(taken.json["code"] == "name_taken")
            _ = try await people.channel("Ärger 支付", in: people.otherAccount, key: people.charlie)
            try await server.call(
                "deleteChannel",
                path.merging(["channel_id": first]) { $1 },
                key: people.erin
            )
            #expect(try await server.call("createChannel", path, body: body, key: people.erin).status == 201)
        }
    }

    @Test("a channel that is named elsewhere is deleted with cascade only, and leaves nothing behind")
    func cascade() async throws {
        try await withPeople { people, server in
            let (one, two) = (try await people.channel("1"), try await people.channel("2"))
            let shared = try await people.shared("All", defaults: [one, two])
            let path = ["account_id": people.account, "integration_id": shared.id, "channel_id": one]
            for channels: JSON in [[.string(one)], [.string(one), .string(two)]] {
                let route: JSON = ["conditions": [], "channel_ids": channels]
                try await server.call("createRoute", path, body: route, key: people.erin)
            }
            let refused = try await server.call("deleteChannel", path, key: people.erin)
            #expect(refused.json["code"] == "referenced")
            let types = refused.json["references"]?.array?.compactMap { $0["type"]?.string }.sorted()
            #expect(types == ["integration", "route", "route"])
            let yes = [("cascade", "true")]
            let deleted = try await server.call("deleteChannel", path, query: yes, key: people.erin)
            #expect(deleted.status == 204)
            let routes = try await server.call("listRoutes", path, key: people.bob).json["items"]?.array ?? []
            #expect(routes.map { $0["channel_ids"] } == [[.string(two)]])
            #expect(routes.map { $0["position"] } == [0])
            let integration = try await server.call("getIntegration", path, key: people.bob).json
            #expect(integration["default_channel_ids"] == [.string(two)])
        }
    }

    @Test("a channel with a dedicated integration is not deleted, not even with cascade")
    func dedicatedKeepsChannel() async throws {
        try await withPeople { people, server in
            let channel = try await people.channel("1")
            _ = try await people.dedicated("ARMS", channel: channel)
            for query in [[], [("cascade", "true")]] {
                let answer = try await server.call(
                    "deleteChannel",
                    ["account_id": people.account, "channel_id": channel],
                    query: query,
                    key: people.erin
                )
                #expect(answer.status == 409)
                #expect(answer.json["references"]?[0]?["name"] == "ARMS")
            }
        }
    }

    // MARK: Routes and severities

    @Test("routes stay in a dense order when one is put in, moved or deleted")
    func routeOrder() async throws {
        try await withPeople { people, server in
            let channel = try await people.channel("1")
            let shared = try await people.shared("All")
            let path = ["account_id": people.account, "integration_id": shared.id]
            func order() async throws -> [String] {
                let list =
                    try await server.call("listRoutes", path, key: people.bob).json["items"]?.array ?? []
                #expect(list.map { $0["position"]?.integer } == list.indices.map { Int64($0) })
                return list.compactMap { $0["name"]?.string }
            }
            var ids: [String: String] = [:]
            for (name, position) in [("a", nil), ("b", nil), ("c", 0), ("d", 1)] as [(String, Int64?)] {
                var body: [String: JSON] = [
                    "name": .string(name), "conditions": [], "channel_ids": [.string(channel)],
                ]
                if let position { body["position"] = .integer(position) }
                let made = try await server.call("createRoute", path, body: .object(body), key: people.erin)
                ids[name] = made.json["id"]?.string
            }
            #expect(try await order() == ["c", "d", "a", "b"])
            let last = path.merging(["route_id": ids["b"] ?? ""]) { $1 }
            try await server.call("updateRoute", last, body: ["position": 1], key: people.erin)
            #expect(try await order() == ["c", "b", "d", "a"])
            let first = path.merging(["route_id": ids["c"] ?? ""]) { $1 }
            try await server.call("deleteRoute", first, key: people.erin)
            #expect(try await order() == ["b", "d", "a"])
        }
    }

    @Test("replacing the routes keeps those with an id, and the list has a version")
    func replaceRoutes() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let channels: JSON = [.string(estate.idle)]
            let kept = try #require(estate.path["route_id"])
            let list = try await server.call("listRoutes", estate.path, key: estate.viewer)
            let tag = try #require(list.header("ETag"))
            let body: JSON = [
                "routes": [
                    ["name": "new", "conditions": [], "channel_ids": channels],
                    ["id": .string(kept), "name": "kept", "conditions": [], "channel_ids": channels],
                ]
            ]
            func replace() async throws -> SpecAnswer {
                try await server.call(
                    "replaceRoutes",
                    estate.path,
                    body: body,
                    key: estate.editor,
                    headers: [("If-Match", tag)]
                )
            }
            let items = try await replace().json["items"]?.array ?? []
            #expect(items.map { $0["name"] } == ["new", "kept"])
            #expect(items.last?["id"]?.string == kept)
            #expect(try await replace().status == 412)
        }
    }

    @Test("changing a row of a severity table copies the built-in one; a reset brings it back")
    func severityTable() async throws {
        try await withPeople { people, server in
            let path = ["account_id": people.account, "integration_type": "aliyun-arms"]
            let builtIn = try await server.call("getSeverityTable", path, key: people.bob).json
            #expect(builtIn["is_default"] == true)
            let rows: JSON = [
                ["level": "p1", "severity": "Info"], ["level": "P2", "severity": .null],
                ["level": "严重", "severity": "Critical"],
            ]
            let changed = try await server.call(
                "updateSeverityTable",
                path,
                body: ["entries": rows],
                key: people.erin
            )
            let entries = changed.json["entries"]?.array ?? []
            func severity(_ level: String) -> [JSON?] {
                entries.filter { $0["level"]?.string?.uppercased() == level }.map { $0["severity"] }
            }
            #expect(changed.json["is_default"] == false)
            #expect(changed.json["fallback"] == builtIn["fallback"])
            #expect(severity("P1") == ["Info"])
            #expect(severity("P2").isEmpty)
            #expect(severity("严重") == ["Critical"])
            #expect(entries.count == builtIn["entries"]?.array?.count)
            #expect(try await server.call("resetSeverityTable", path, key: people.erin).status == 204)
            #expect(try await server.call("getSeverityTable", path, key: people.bob).json == builtIn)
        }
    }

    // MARK: The rest

    @Test("a path that is not there is 404, another method 405 with Allow, both as problems")
    func noSuchPath() async throws {
        try await withPeople { people, server in
            let key = [("Authorization", "Bearer \(people.alice)")]
            let nothing = try await server.send("GET", "/v1/nothing", headers: key)
            #expect(nothing.status == 404)
            #expect(nothing.mediaType == "application/problem+json")
            let put = try await server.send("PUT", "/v1/accounts/\(people.account)/channels", headers: key)
            #expect(put.status == 405)
            #expect(put.header("Allow") == "GET, POST")
            #expect(put.json["code"] == "method_not_allowed")
            let query = try await server.send("QUERY", "/v1/me", headers: key)
            #expect(query.status == 405, "a method that is nowhere")
            #expect(query.header("Allow") == "GET")
        }
    }

    @Test("a head over 16 KiB is 400, as a problem with a request id")
    func longHead() async throws {
        try await TestServer.with { server in
            let answer = try await server.send("GET", "/v1/me?q=" + String(repeating: "a", count: 20_000))
            #expect(answer.status == 400)
            #expect(answer.mediaType == "application/problem+json")
            #expect(answer.json["code"] == "invalid_request")
            #expect(answer.json["request_id"]?.string == answer.header("X-Request-Id"))
        }
    }

    @Test(
        "a whole number is one however it is written",
        arguments: [
            ("4096", 200), ("4096.0", 200), ("4.096e3", 200), ("4096.5", 422), ("1e300", 422),
            ("\"4096\"", 422),
        ]
    )
    func wholeNumbers(text: String, status: Int) async throws {
        try await withPeople { people, server in
            let answer = try await server.send(
                "PATCH",
                "/v1/accounts/\(people.account)",
                headers: [
                    ("Authorization", "Bearer \(server.operatorKey)"), ("Content-Type", "application/json"),
                ],
                body: Array("{\"stored_bytes_limit\":\(text)}".utf8)
            )
            #expect(answer.status == status, "\(answer.text)")
            if status == 200 { #expect(answer.json["stored_bytes_limit"] == 4096) }
        }
    }

    @Test(
        "a fit request id is returned, another one is made",
        arguments: [("mine:1.a-B_2", true), ("two words", false), (String(repeating: "x", count: 65), false)]
    )
    func requestID(given: String, isKept: Bool) async throws {
        try await withPeople { people, server in
            let answer = try await server.call("getMe", key: people.bob, headers: [("X-Request-Id", given)])
            #expect((answer.header("X-Request-Id") == given) == isKept)
        }
    }

    @Test("a key that calls without end is slowed down with 429")
    func rateLimited() async throws {
        try await TestServer.with(clock: WallClockAtRest.wall) { server in
            let people = try await People(server)
            var last: SpecAnswer?
            for _ in 0...1_000 where last?.status != 429 {
                last = try await server.call("getMe", key: people.bob)
            }
            #expect(last?.status == 429)
            #expect(last?.header("Retry-After") == "1")
            #expect(last?.json["code"] == "rate_limited")
            #expect(try await server.call("getMe", key: people.alice).status == 200)
        }
    }
}
