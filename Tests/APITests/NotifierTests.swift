import TestSupport
import Testing

@Suite("Notifiers")
struct NotifierTests {
    @Test("a new one has the defaults, and its signing secret is shown once")
    func defaults() async throws {
        try await NotifierScene.with { scene in
            let made = try await scene.create(NotifierScene.webhook)
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

    @Test("notifiers may ask for the status, routes may not")
    func statusKey() async throws {
        try await NotifierScene.with { scene in
            let conditions: JSON = [[["key": "status", "operator": "in", "values": ["Ok"]]]]
            let body = NotifierScene.webhook.merging(["conditions": conditions])
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
            #expect(route.pointers == ["/conditions/0/0/key"])
        }
    }

    @Test("PATCH keeps what is absent, also in the template, and clears what is null")
    func patch() async throws {
        try await NotifierScene.with { scene in
            let path = try await scene.made(
                NotifierScene.webhook.merging([
                    "template": ["language": "zh-CN", "title": "{{title}}", "text": "t"]
                ])
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
                #expect(answer.pointers.contains(pointer), "\(answer.text)")
            }
            #expect(try await scene.get(path) == two.json)
        }
    }

    @Test("new settings take the place of all the old ones, but for the signing secrets")
    func newSettings() async throws {
        try await NotifierScene.with { scene in
            let path = try await scene.made(NotifierScene.webhook)
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
        try await NotifierScene.with(clock: clock) { scene in
            let path = try await scene.made(NotifierScene.webhook)
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
        try await NotifierScene.with { scene in
            _ = try await scene.made(NotifierScene.webhook)
            let again = try await scene.create(NotifierScene.webhook.merging(["name": "RELAY"]))
            #expect(again.status == 409)
            #expect(again.json["code"] == "name_taken")
            let other = scene.path.merging(["channel_id": try await scene.people.channel("Other")]) { $1 }
            #expect(try await scene.create(NotifierScene.webhook, in: other).status == 201)
        }
    }

    @Test("a channel has at most 50")
    func count() async throws {
        try await NotifierScene.with { scene in
            for number in 1...50 {
                let made = try await scene.create(
                    NotifierScene.webhook.merging(["name": .string("N\(number)")])
                )
                #expect(made.status == 201)
            }
            let answer = try await scene.create(NotifierScene.webhook)
            #expect(answer.status == 409)
            #expect(answer.json["code"] == "conflict")
        }
    }

    @Test("they are listed by channel, external_id and label, in pages, newest first")
    func lists() async throws {
        try await NotifierScene.with { scene in
            for number in 1...3 {
                _ = try await scene.made(
                    NotifierScene.webhook.merging([
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
        try await NotifierScene.with { scene in
            let (one, two) = (
                try await scene.made(NotifierScene.webhook),
                try await scene.made(NotifierScene.webhook.merging(["name": "Two"]))
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
        try await NotifierScene.with { scene in
            let path = try await scene.made(NotifierScene.webhook)
            let other = path.merging(["channel_id": try await scene.people.channel("Other")]) { $1 }
            for operation in ["getNotifier", "deleteNotifier", "testNotifier", "rotateNotifierSecret"] {
                let answer = try await scene.server.call(operation, other, key: scene.people.erin)
                #expect(answer.status == 404, "\(operation)")
            }
            #expect(try await scene.update(other, ["name": "X"]).status == 404)
        }
    }
}
