import TestSupport
import Testing

@Suite("Notifications")
struct NotificationTests {
    @Test("what was sent is in the record, with its attempt")
    func sent() async throws {
        try await NotificationScene.with { scene in
            scene.receiver.answers(200, "fine")
            let notifier = try await scene.notifier("relay")
            try await scene.fire("a")
            let item = try #require(try await scene.list(1, [("state", "sent")]).first)
            for (name, value): (String, JSON) in [
                ("notifier_id", .string(notifier)), ("channel_id", .string(scene.channel)),
                ("change", "opened"),
                ("severity", "Critical"), ("status", "Critical"), ("title", "a"), ("attempt_count", 1),
                ("last_failure", .null), ("last_status_code", 200), ("next_attempt_at", .null),
                ("superseded_by", .null), ("digest_id", .null), ("account_id", .string(scene.people.account)),
            ] {
                #expect(item[name] == value, "\(name)")
            }
            let detail = try await scene.get(item["id"])
            #expect(detail["attempts"]?.array?.count == 1)
            let attempt = try #require(detail["attempts"]?[0])
            #expect(attempt["failure"] == .null)
            #expect(attempt["response"] == "fine")
            let event = try await scene.server.call("listEvents", scene.path, key: scene.people.bob)
            #expect(item["event_id"] == event.json["items"]?[0]?["id"])
            #expect(scene.receiver.posts.map { $0.header("webhook-id") } == [item["id"]?.string])
        }
    }

    @Test("what failed waits, and says what failed and when it is tried next")
    func failed() async throws {
        try await NotificationScene.with { scene in
            scene.receiver.answers(503, "not now")
            let notifier = try await scene.notifier("relay")
            try await scene.fire("a")
            let item = try await scene.server.eventually("tried") {
                try await scene.list().first
            } until: {
                $0?["attempt_count"] == 1
            }
            #expect(item?["state"] == "waiting")
            #expect(item?["last_failure"] == "http_status")
            #expect(item?["last_status_code"] == 503)
            #expect(item?["next_attempt_at"]?.string != nil)
            #expect(item?["sent_at"] == .null)
            let attempts = try await scene.get(item?["id"])["attempts"]
            #expect(attempts?[0]?["response"] == "not now")
            let health = try await scene.server.call(
                "getNotifier",
                scene.path.merging(["notifier_id": notifier]) { $1 },
                key: scene.people.bob
            ).json["health"]
            #expect(health?["failing_since"]?.string != nil)
            #expect(health?["last_failure"] == "http_status")
        }
    }

    @Test("a later change takes the place of one that waits")
    func superseded() async throws {
        try await NotificationScene.with { scene in
            scene.receiver.answers(503)
            _ = try await scene.notifier("relay")
            try await scene.fire("a")
            _ = try await scene.server.eventually("tried") {
                try await scene.list().first
            } until: {
                $0?["attempt_count"] == 1
            }
            scene.receiver.answers(200)
            try await scene.recover("a")
            let told = try #require(try await scene.list(1, [("state", "sent")]).first)
            #expect(told["change"] == "recovered")
            #expect(told["status"] == "Ok")
            let old = try await scene.list(1, [("state", "superseded")]).first
            #expect(old?["superseded_by"] == told["id"])
            #expect(old?["digest_id"] == .null)
            #expect(scene.receiver.posts.last?.json["data"]?["supersedes"] == [old?["id"] ?? .null])
        }
    }

    @Test("a storm is told in a digest, whose parts can be listed")
    func storm() async throws {
        try await NotificationScene.with { scene in
            _ = try await scene.notifier("relay", ["storm_limit": 1])
            try await scene.fire("a")
            _ = try await scene.list(1, [("state", "sent")])
            for key in ["b", "c"] { try await scene.fire(key) }
            _ = try await scene.list(2, [("state", "waiting")])
            let digest = try await scene.server.eventually("a digest") {
                scene.clock.advance(seconds: 5)
                return try await scene.list([("change", "digest"), ("state", "sent")]).first
            } until: {
                $0 != nil
            }
            #expect(digest?["alert_id"] == .null)
            #expect(digest?["severity"] == .null)
            let parts = try await scene.list([("digest_id", digest?["id"]?.string ?? "")])
            #expect(parts.map { $0["title"] } == ["c", "b"])
            #expect(parts.map { $0["state"] } == ["digested", "digested"])
            #expect(parts.allSatisfy { $0["digest_id"] == digest?["id"] && $0["superseded_by"] == .null })
            let post = try #require(scene.receiver.posts.last)
            let schema = try scene.server.spec.schema("WebhookDigestPayload")
            #expect(scene.server.spec.violations(of: post.json, against: schema, mode: .answer).isEmpty)
            #expect(post.json["data"]?["alerts"] == 2)
        }
    }

    @Test("a receiver that is gone disables the notifier until somebody enables it")
    func gone() async throws {
        try await NotificationScene.with { scene in
            scene.receiver.answers(410)
            let path = scene.path.merging(["notifier_id": try await scene.notifier("relay")]) { $1 }
            try await scene.fire("a")
            let dead = try await scene.list(1, [("state", "dead")]).first
            #expect(dead?["last_failure"] == "gone")
            let notifier = try await scene.server.eventually("disabled") {
                try await scene.server.call("getNotifier", path, key: scene.people.bob).json
            } until: {
                $0["status"] == "disabled"
            }
            #expect(notifier["disabled_reason"] == "gone")
            let enabled = try await scene.server.call(
                "updateNotifier",
                path,
                body: ["status": "enabled"],
                key: scene.people.erin
            )
            #expect(enabled.json["disabled_reason"] == .null)
        }
    }

    // MARK: Lists

    @Test("notifications are listed by each filter")
    func filters() async throws {
        try await NotificationScene.with { scene in
            let one = try await scene.notifier("one")
            let two = try await scene.notifier("two", ["changes": ["recovered"]])
            try await scene.fire("a")
            _ = try await scene.list(1, [("state", "sent")])
            scene.clock.advance(seconds: 3_600)
            try await scene.fire("b")
            try await scene.recover("a")
            let all = try await scene.list(4, [("state", "sent")])
            let alert = try #require(all.last?["alert_id"]?.string)
            let event = try #require(all.last?["event_id"]?.string)
            func told(_ query: (String, String)...) async throws -> [String] {
                try await scene.list(query).compactMap { item in
                    item["title"]?.string.map { "\($0) \(item["change"]?.string ?? "")" }
                }
            }
            #expect(try await told() == ["a recovered", "a recovered", "b opened", "a opened"])
            #expect(try await told(("notifier_id", one)) == ["a recovered", "b opened", "a opened"])
            #expect(try await told(("notifier_id", two)) == ["a recovered"])
            #expect(try await told(("alert_id", alert), ("notifier_id", one)) == ["a recovered", "a opened"])
            #expect(try await told(("event_id", event)) == ["a opened"])
            #expect(
                try await told(("channel_id", scene.channel), ("change", "opened")) == [
                    "b opened", "a opened",
                ]
            )
            #expect(try await told(("change", "digest")) == [])
            #expect(try await told(("state", "dead")) == [])
            #expect(try await told(("until", "2026-11-20T08:30:00Z")) == ["a opened"])
            #expect(try await told(("since", "2026-11-20T08:30:00Z"), ("change", "opened")) == ["b opened"])
            #expect(try await told(("limit", "1")) == ["a recovered"])
        }
    }

    @Test(
        "a bad filter is named",
        arguments: [
            ("state", "new"), ("change", "digested"), ("notifier_id", "chan_01m7vw4by8es8r65rzyjka792g"),
            ("digest_id", "x"), ("event_id", ""), ("since", "today"), ("cursor", "x"), ("limit", "201"),
        ]
    )
    func badFilter(name: String, value: String) async throws {
        try await NotificationScene.with { scene in
            let answer = try await scene.server.call(
                "listNotifications",
                scene.path,
                query: [(name, value)],
                key: scene.people.bob
            )
            #expect(answer.status == 422)
            #expect(answer.json["errors"]?[0]?["pointer"]?.string == "#/query/\(name)")
        }
    }
}
