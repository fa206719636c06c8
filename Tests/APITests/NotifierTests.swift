import TestSupport
import Testing

@Suite("Notifiers")
struct NotifierTests {
    /// A channel of Acme's, and how to work with its notifiers.
    private struct Scene: Sendable {
        let people: People
        let path: [String: String]

        init(_ server: TestServer) async throws {
            people = try await People(server)
            path = [
                "account_id": people.account, "channel_id": try await people.channel("Payments"),
            ]
        }

        var server: TestServer { people.server }

        func create(_ body: JSON, in path: [String: String]? = nil) async throws -> SpecAnswer {
            try await server.call("createNotifier", path ?? self.path, body: body, key: people.erin)
        }

        /// The path of a new notifier.
        func made(_ body: JSON) async throws -> [String: String] {
            let answer = try await create(body)
            let id = try #require(answer.json["id"]?.string, "\(answer.text)")
            return path.merging(["notifier_id": id]) { $1 }
        }

        func get(_ path: [String: String]) async throws -> JSON {
            try await server.call("getNotifier", path, key: people.bob).json
        }

        func update(_ path: [String: String], _ body: JSON) async throws -> SpecAnswer {
            try await server.call("updateNotifier", path, body: body, key: people.erin)
        }
    }

    private func withScene(
        clock: SetClock = SetClock(),
        options: [String: String] = [:],
        _ body: @Sendable (Scene) async throws -> Void
    ) async throws {
        try await TestServer.with(options: options, clock: clock.wall) { try await body(try await Scene($0)) }
    }

    private func pointers(_ answer: SpecAnswer) -> [String] {
        (answer.json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }.sorted()
    }

    private static let webhook: JSON = [
        "name": "Relay", "kind": "webhook",
        "settings": ["url": "https://hooks.example.com/SECRETPATH", "headers": ["X-Team": "SECRETVALUE"]],
    ]

    @Test("a new one has the defaults, and its signing secret is shown once")
    func defaults() async throws {
        try await withScene { scene in
            let made = try await scene.create(Self.webhook)
            #expect(made.status == 201)
            let secret = try #require(made.json["signing_secret"]?.string)
            #expect(secret.hasPrefix("whsec_") && secret.utf8.count == 50)
            for (name, value): (String, JSON) in [
                ("status", "enabled"), ("disabled_reason", .null), ("conditions", []), ("storm_limit", 20),
                ("changes", ["opened", "updated", "recovered", "closed"]),
                ("template", ["language": "en", "title": .null, "text": .null]), ("version", 1),
            ] {
                #expect(made.json[name] == value, "\(name)")
            }
            let id = try #require(made.json["id"]?.string)
            let path = scene.path.merging(["notifier_id": id]) { $1 }
            var shown = made.json.object ?? [:]
            shown["signing_secret"] = nil
            #expect(try await scene.get(path) == .object(shown))
            #expect(
                made.header("Location")?.hasSuffix("/channels/\(path["channel_id"] ?? "")/notifiers/\(id)")
                    == true
            )
        }
    }

    @Test(
        "what is secret is in no answer and no log line",
        arguments: [
            (
                "webhook",
                ["url": "https://hooks.example.com:8443/SECRET?x=SECRET", "headers": ["X-Team": "SECRET"]],
                [
                    "origin": "https://hooks.example.com:8443", "headers": ["X-Team"],
                    "signing_secrets": [["ends_at": .null]],
                ]
            ),
            (
                "dingtalk",
                ["url": "https://oapi.dingtalk.com/robot/send?access_token=SECRET", "secret": "SECRET"],
                ["origin": "https://oapi.dingtalk.com", "has_secret": true]
            ),
            (
                "feishu", ["url": "https://open.feishu.cn/open-apis/bot/v2/hook/SECRET", "secret": .null],
                ["origin": "https://open.feishu.cn", "has_secret": false]
            ),
            (
                "wecom", ["url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=SECRET"],
                ["origin": "https://qyapi.weixin.qq.com"]
            ),
            (
                "slack", ["url": "https://hooks.slack.com/services/SECRET"],
                ["origin": "https://hooks.slack.com"]
            ),
            (
                "email",
                [
                    "host": "smtp.example.com", "port": 465, "security": "tls", "username": "tocsin",
                    "password": "SECRET", "from": "a@example.com", "to": ["b@example.com", "c@example.com"],
                ],
                [
                    "host": "smtp.example.com", "port": 465, "security": "tls", "username": "tocsin",
                    "has_password": true, "from": "a@example.com", "to": ["b@example.com", "c@example.com"],
                ]
            ),
            (
                "email",
                [
                    "host": "smtp.example.com", "port": 25, "security": "starttls", "from": "a@example.com",
                    "to": ["b@example.com"],
                ],
                [
                    "host": "smtp.example.com", "port": 25, "security": "starttls", "username": .null,
                    "has_password": false, "from": "a@example.com", "to": ["b@example.com"],
                ]
            ),
        ] as [(String, JSON, JSON)]
    )
    func secrets(kind: String, settings: JSON, shown: JSON) async throws {
        try await withScene { scene in
            let body: JSON = ["name": "N", "kind": .string(kind), "settings": settings]
            let path = try await scene.made(body)
            let answers = [
                try await scene.server.call("getNotifier", path, key: scene.people.alice),
                try await scene.server.call("listNotifiers", path, key: scene.people.olga),
                try await scene.update(path, ["name": "M"]),
                try await scene.update(path, ["settings": settings]),
            ]
            for answer in answers {
                let notifier = answer.json["items"]?[0] ?? answer.json
                #expect(notifier["settings"] == shown, "\(answer.text)")
                #expect(notifier["kind"]?.string == kind)
                #expect(!answer.text.contains("SECRET"))
            }
            #expect(!scene.server.log.text.contains("SECRET"))
        }
    }

    @Test(
        "bad fields are refused, each by name",
        arguments: [
            (.object([:]), ["/kind", "/name", "/settings"]),
            (["kind": "sms"], ["/kind"]), (["name": ""], ["/name"]), (["settings": []], ["/settings"]),
            (["settings": .object([:])], ["/settings/url"]), (["channel_id": "x"], ["/channel_id"]),
            (["settings": ["url": "https://a.example.com/", "secret": "s"]], ["/settings/secret"]),
            (["settings": ["url": "ftp://a.example.com/"]], ["/settings/url"]),
            (["settings": ["url": "http://a.example.com/"]], ["/settings/url"]),
            (["settings": ["url": "https://a.example.com:8080/"]], ["/settings/url"]),
            (["settings": ["url": "https://127.0.0.1/"]], ["/settings/url"]),
            (["settings": ["url": "https://[::1]/"]], ["/settings/url"]),
            (["settings": ["url": "https://169.254.169.254/latest"]], ["/settings/url"]),
            (["settings": ["url": "https://u:p@a.example.com/"]], ["/settings/url"]),
            (["settings": ["url": "https://2130706433/"]], ["/settings/url"]),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["Host": "b"]]],
                ["/settings/headers/Host"]
            ),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["A": "1", "webhook-id": "b"]]],
                ["/settings/headers/webhook-id"]
            ),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["X": "a\nb"]]],
                ["/settings/headers/X"]
            ),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["X/Y": 1]]],
                ["/settings/headers/X~1Y"]
            ),
            (["settings": ["url": "https://a.example.com/", "headers": []]], ["/settings/headers"]),
            (["status": "off"], ["/status"]), (["changes": []], ["/changes"]),
            (["changes": ["opened", "opened"]], ["/changes/1"]), (["changes": ["digest"]], ["/changes/0"]),
            (["storm_limit": 0], ["/storm_limit"]), (["storm_limit": 1.5], ["/storm_limit"]),
            (["template": ["language": "fr"]], ["/template/language"]),
            (["template": ["title": "{{#a}}", "text": "{{> b}}"]], ["/template/text", "/template/title"]),
            (["template": ["title": ""]], ["/template/title"]),
            (["template": ["body": "x"]], ["/template/body"]),
            (
                ["conditions": [[["key": "state", "operator": "in", "values": ["x"]]]]],
                ["/conditions/0/0/key"]
            ),
            (
                ["conditions": [[["key": "severity", "operator": "is", "values": ["Ok"]]]]],
                ["/conditions/0/0/operator", "/conditions/0/0/values/0"]
            ),
        ] as [(JSON, [String])]
    )
    func badFields(change: JSON, expected: [String]) async throws {
        try await withScene { scene in
            let changes = change.object ?? [:]
            let body =
                changes.isEmpty ? change : .object((Self.webhook.object ?? [:]).merging(changes) { $1 })
            let answer = try await scene.create(body)
            #expect(answer.status == 422)
            #expect(pointers(answer) == expected, "\(answer.text)")
            let list = try await scene.server.call("listNotifiers", scene.path, key: scene.people.bob)
            #expect(list.json["items"] == [])
        }
    }

    @Test(
        "bad settings of a mail server are refused, each by name",
        arguments: [
            (["host": "127.0.0.1"], ["/settings/host"]), (["host": "a b"], ["/settings/host"]),
            (["port": 80], ["/settings/port"]), (["port": 0], ["/settings/port"]),
            (["security": "none"], ["/settings/security"]), (["username": "u"], ["/settings/password"]),
            (["password": "p"], ["/settings/username"]), (["from": "nobody"], ["/settings/from"]),
            (["from": "a@b.example\r\nBcc: c@d.example"], ["/settings/from"]), (["to": []], ["/settings/to"]),
            (["to": ["a@example.com", "b"]], ["/settings/to/1"]), (["url": "https://a.b"], ["/settings/url"]),
        ] as [([String: JSON], [String])]
    )
    func badMail(change: [String: JSON], expected: [String]) async throws {
        let settings: [String: JSON] = [
            "host": "smtp.example.com", "port": 587, "security": "starttls", "from": "a@example.com",
            "to": ["b@example.com"],
        ]
        try await withScene { scene in
            let answer = try await scene.create([
                "name": "Mail", "kind": "email", "settings": .object(settings.merging(change) { $1 }),
            ])
            #expect(answer.status == 422)
            #expect(pointers(answer) == expected, "\(answer.text)")
        }
    }

    @Test("the operator's setting lets addresses in that are not public", arguments: ["127.0.0.0/8", nil])
    func allowed(networks: String?) async throws {
        try await withScene(options: networks.map { ["outbound-allow": $0] } ?? [:]) { scene in
            let answer = try await scene.create([
                "name": "Near", "kind": "slack", "settings": ["url": "http://127.0.0.1:9/hook"],
            ])
            #expect(answer.status == (networks == nil ? 422 : 201), "\(answer.text)")
        }
    }

    @Test("notifiers may ask for the status, routes may not")
    func statusKey() async throws {
        try await withScene { scene in
            let conditions: JSON = [[["key": "status", "operator": "in", "values": ["Ok"]]]]
            let body = Self.webhook.merging(["conditions": conditions])
            let made = try await scene.create(body)
            #expect(made.json["conditions"] == conditions)
            let shared = try await scene.people.shared("Shared")
            let route = try await scene.server.call(
                "createRoute",
                ["account_id": scene.people.account, "integration_id": shared.id],
                body: ["conditions": conditions, "channel_ids": [.string(scene.path["channel_id"] ?? "")]],
                key: scene.people.erin
            )
            #expect(route.status == 422)
            #expect(pointers(route) == ["/conditions/0/0/key"])
        }
    }

    @Test("PATCH keeps what is absent, also in the template, and clears what is null")
    func patch() async throws {
        try await withScene { scene in
            let path = try await scene.made(
                Self.webhook.merging(["template": ["language": "zh-CN", "title": "{{title}}", "text": "t"]])
            )
            let before = try await scene.get(path)
            let one = try await scene.update(path, ["template": ["text": .null], "storm_limit": 5])
            #expect(one.json["template"] == ["language": "zh-CN", "title": "{{title}}", "text": .null])
            #expect(one.json["storm_limit"] == 5)
            #expect(one.json["version"] == 2)
            let two = try await scene.update(
                path,
                ["template": ["language": "en"], "changes": ["closed", "opened"]]
            )
            #expect(two.json["template"] == ["language": "en", "title": "{{title}}", "text": .null])
            #expect(two.json["changes"] == ["opened", "closed"])
            #expect(two.json["settings"] == before["settings"])
            for (body, pointer): (JSON, String) in [
                (["template": .null], "/template"), (["template": ["language": .null]], "/template/language"),
                (["settings": .null], "/settings"), (["kind": "slack"], "/kind"),
                (["template": ["title": "{{#a}}"]], "/template/title"),
                (["settings": ["host": "smtp.example.com"]], "/settings/host"),
            ] {
                let answer = try await scene.update(path, body)
                #expect(answer.status == 422)
                #expect(pointers(answer).contains(pointer), "\(answer.text)")
            }
            #expect(try await scene.get(path) == two.json)
        }
    }

    @Test("new settings take the place of all the old ones, but for the signing secrets")
    func newSettings() async throws {
        try await withScene { scene in
            let path = try await scene.made(Self.webhook)
            let moved = try await scene.update(path, ["settings": ["url": "https://other.example.com/x"]])
            #expect(
                moved.json["settings"] == [
                    "origin": "https://other.example.com", "headers": [],
                    "signing_secrets": [["ends_at": .null]],
                ]
            )
        }
    }

    @Test("a rotated secret signs along for a day; a second rotation ends the first one")
    func rotation() async throws {
        let clock = SetClock()
        try await withScene(clock: clock) { scene in
            let path = try await scene.made(Self.webhook)
            func rotate() async throws -> JSON {
                try await scene.server.call("rotateNotifierSecret", path, key: scene.people.erin).json
            }
            func secrets() async throws -> JSON? { try await scene.get(path)["settings"]?["signing_secrets"] }
            let (first, second) = (try await rotate(), try await rotate())
            #expect(first["signing_secret"] != second["signing_secret"])
            let end = try #require(second["previous_ends_at"])
            #expect(try await secrets() == [["ends_at": .null], ["ends_at": end]])
            clock.advance(seconds: 86_400)
            #expect(try await secrets() == [["ends_at": .null]])
        }
    }

    @Test("names are unique in a channel without regard to case, not across channels")
    func names() async throws {
        try await withScene { scene in
            _ = try await scene.made(Self.webhook)
            let again = try await scene.create(Self.webhook.merging(["name": "RELAY"]))
            #expect(again.status == 409)
            #expect(again.json["code"] == "name_taken")
            let other = scene.path.merging(["channel_id": try await scene.people.channel("Other")]) { $1 }
            #expect(try await scene.create(Self.webhook, in: other).status == 201)
        }
    }

    @Test("a channel has at most 50")
    func count() async throws {
        try await withScene { scene in
            for number in 1...50 {
                let made = try await scene.create(Self.webhook.merging(["name": .string("N\(number)")]))
                #expect(made.status == 201)
            }
            let answer = try await scene.create(Self.webhook)
            #expect(answer.status == 409)
            #expect(answer.json["code"] == "conflict")
        }
    }

    @Test("they are listed by channel, external_id and label, in pages, newest first")
    func lists() async throws {
        try await withScene { scene in
            for number in 1...3 {
                _ = try await scene.made(
                    Self.webhook.merging([
                        "name": .string("N\(number)"), "external_id": .string("e\(number)"),
                        "labels": ["odd": .string(number % 2 == 1 ? "yes" : "no")],
                    ])
                )
            }
            func names(_ query: [(String, String)]) async throws -> [String] {
                let list = try await scene.server.call(
                    "listNotifiers",
                    scene.path,
                    query: query,
                    key: scene.people.bob
                )
                return (list.json["items"]?.array ?? []).compactMap { $0["name"]?.string }
            }
            #expect(try await names([]) == ["N3", "N2", "N1"])
            #expect(try await names([("external_id", "e2")]) == ["N2"])
            #expect(try await names([("label", "odd:yes")]) == ["N3", "N1"])
            let page = try await scene.server.call(
                "listNotifiers",
                scene.path,
                query: [("limit", "2")],
                key: scene.people.bob
            )
            let cursor = try #require(page.json["next_cursor"]?.string)
            #expect(try await names([("limit", "2"), ("cursor", cursor)]) == ["N1"])
        }
    }

    @Test("a deleted one is gone; so are those of a deleted channel")
    func deletes() async throws {
        try await withScene { scene in
            let (one, two) = (
                try await scene.made(Self.webhook),
                try await scene.made(Self.webhook.merging(["name": "Two"]))
            )
            let stale = try await scene.server.call(
                "deleteNotifier",
                one,
                key: scene.people.erin,
                headers: [("If-Match", "\"7\"")]
            )
            #expect(stale.status == 412)
            #expect(try await scene.server.call("deleteNotifier", one, key: scene.people.erin).status == 204)
            #expect(try await scene.server.call("getNotifier", one, key: scene.people.bob).status == 404)
            #expect(try await scene.server.call("getNotifier", two, key: scene.people.bob).status == 200)
            #expect(try await scene.server.call("deleteChannel", two, key: scene.people.erin).status == 204)
            #expect(try await scene.server.call("listNotifiers", two, key: scene.people.bob).status == 404)
        }
    }

    @Test("one that is asked for in another channel of the account is not there")
    func otherChannel() async throws {
        try await withScene { scene in
            let path = try await scene.made(Self.webhook)
            let other = path.merging(["channel_id": try await scene.people.channel("Other")]) { $1 }
            for operation in ["getNotifier", "deleteNotifier", "testNotifier", "rotateNotifierSecret"] {
                let answer = try await scene.server.call(operation, other, key: scene.people.erin)
                #expect(answer.status == 404, "\(operation)")
            }
            #expect(try await scene.update(other, ["name": "X"]).status == 404)
        }
    }
}

extension JSON {
    /// An object with other fields in place of its own.
    func merging(_ fields: [String: JSON]) -> JSON { .object((object ?? [:]).merging(fields) { $1 }) }
}
