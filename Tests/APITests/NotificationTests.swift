import TestSupport
import Testing

@Suite("Notifications")
struct NotificationTests {
    /// A channel of Acme's with a dedicated integration, and receivers on this machine.
    private struct Scene: Sendable {
        let people: People
        let receiver: Receiver
        let clock: SetClock
        let channel: String
        let push: String

        init(_ server: TestServer, _ receiver: Receiver, _ clock: SetClock) async throws {
            people = try await People(server)
            (self.receiver, self.clock) = (receiver, clock)
            channel = try await people.channel("Payments")
            push = try await people.dedicated("ARMS", channel: channel).url
        }

        var server: TestServer { people.server }
        var path: [String: String] { ["account_id": people.account, "channel_id": channel] }

        /// A webhook to the receiver; its id.
        func notifier(_ name: String, _ more: [String: JSON] = [:]) async throws -> String {
            let body: JSON = [
                "name": .string(name), "kind": "webhook",
                "settings": ["url": .string(receiver.base + "/" + name)],
            ]
            let made = try await server.call(
                "createNotifier",
                path,
                body: body.merging(more),
                key: people.erin
            )
            return try #require(made.json["id"]?.string, "\(made.text)")
        }

        func fire(_ key: String, _ severity: String = "critical") async throws {
            try await server.push(push, ARMS.body([.init(key, severity, labels: [("alertname", key)])]))
        }

        func recover(_ key: String) async throws {
            let over = ARMS.Alert(
                key,
                status: "resolved",
                endsAt: "2026-11-20T08:30:00Z",
                labels: [("alertname", key)]
            )
            try await server.push(push, ARMS.body([over]))
        }

        /// The notifications that a query finds, newest first.
        func list(_ query: [(String, String)] = []) async throws -> [JSON] {
            let answer = try await server.call("listNotifications", path, query: query, key: people.bob)
            #expect(answer.status == 200, "\(answer.text)")
            return answer.json["items"]?.array ?? []
        }

        /// The notifications that a query finds, once there are `count`.
        func list(_ count: Int, _ query: [(String, String)]) async throws -> [JSON] {
            try await server.eventually("\(query)", { try await list(query) }, until: { $0.count == count })
        }

        func get(_ id: JSON?) async throws -> JSON {
            let path = path.merging(["notification_id": id?.string ?? ""]) { $1 }
            return try await server.call("getNotification", path, key: people.bob).json
        }

        func replay(_ id: JSON?) async throws -> SpecAnswer {
            let path = path.merging(["notification_id": id?.string ?? ""]) { $1 }
            return try await server.call("replayNotification", path, key: people.erin)
        }
    }

    private func withScene(_ body: @Sendable (Scene) async throws -> Void) async throws {
        let clock = SetClock()
        try await Receiver.with { receiver in
            try await TestServer.with(options: ["outbound-allow": "127.0.0.0/8"], clock: clock.wall) {
                server in
                try await body(try await Scene(server, receiver, clock))
            }
        }
    }

    @Test("what was sent is in the record, with its attempt")
    func sent() async throws {
        try await withScene { scene in
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
        try await withScene { scene in
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
        try await withScene { scene in
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
        try await withScene { scene in
            _ = try await scene.notifier("relay", ["storm_limit": 1])
            try await scene.fire("a")
            _ = try await scene.list(1, [("state", "sent")])
            for key in ["b", "c"] { try await scene.fire(key) }
            _ = try await scene.list(2, [("state", "waiting")])
            let digest = try await scene.server.eventually("a digest") {
                scene.clock.advance(seconds: 1)
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
        try await withScene { scene in
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
        try await withScene { scene in
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
        try await withScene { scene in
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

    // MARK: Replays

    @Test("what was sent is sent again with the same id and body")
    func replayOne() async throws {
        try await withScene { scene in
            _ = try await scene.notifier("relay")
            try await scene.fire("a")
            let item = try #require(try await scene.list(1, [("state", "sent")]).first)
            let again = try await scene.replay(item["id"])
            #expect(again.status == 202)
            #expect(again.json["id"] == item["id"])
            let posts = try await scene.server.eventually("twice") {
                scene.receiver.posts
            } until: {
                $0.count == 2
            }
            #expect(Set(posts.map { $0.header("webhook-id") }) == [item["id"]?.string])
            #expect(posts.first?.body == posts.last?.body)
            let detail = try await scene.server.eventually("sent again") {
                try await scene.get(item["id"])
            } until: {
                $0["state"] == "sent"
            }
            #expect(detail["attempts"]?.array?.count == 2)
        }
    }

    @Test("what waits, was superseded or is told in a digest is not replayed")
    func replayRefused() async throws {
        try await withScene { scene in
            scene.receiver.answers(503)
            _ = try await scene.notifier("relay")
            try await scene.fire("a")
            try await scene.recover("a")
            let old = try await scene.list(1, [("state", "superseded")]).first
            let waiting = try await scene.list(1, [("state", "waiting")]).first
            for item in [old, waiting] {
                let answer = try await scene.replay(item?["id"])
                #expect(answer.status == 409)
                #expect(answer.json["code"] == "conflict")
            }
        }
    }

    @Test("the dead ones of a notifier are sent again, in the range that is asked for")
    func replayDead() async throws {
        try await withScene { scene in
            let path = scene.path.merging(["notifier_id": try await scene.notifier("relay")]) { $1 }
            scene.receiver.answers(503)
            for key in ["a", "b", "c"] {
                try await scene.fire(key)
                scene.clock.advance(seconds: 3_600)
            }
            try await scene.server.giveUp(path)
            _ = try await scene.list(3, [("state", "dead")])
            scene.receiver.answers(200)
            func replay(_ more: [String: JSON]) async throws -> JSON? {
                let body: JSON = ["notifier_id": .string(path["notifier_id"] ?? "")]
                return try await scene.server.call(
                    "replayNotifications",
                    path,
                    body: body.merging(more),
                    key: scene.people.erin
                ).json["replayed"]
            }
            #expect(try await replay(["until": "2026-11-20T07:00:00Z"]) == 0)
            #expect(
                try await replay(["since": "2026-11-20T08:30:00Z", "until": "2026-11-20T09:30:00Z"]) == 1
            )
            #expect(try await scene.list(1, [("state", "sent")]).first?["title"] == "b")
            #expect(try await replay(["limit": 1]) == 1)
            #expect(try await scene.list(2, [("state", "sent")]).last?["title"] == "a")
            #expect(try await replay([:]) == 1)
            _ = try await scene.list(3, [("state", "sent")])
            #expect(try await replay([:]) == 0)
        }
    }

    @Test(
        "a bad range is refused, each field by name",
        arguments: [
            (.object([:]), "/notifier_id"), (["notifier_id": "ntfr_x"], "/notifier_id"),
            (["notifier_id": "ntfr_01m7vw4by8es8r65rzyjka792g", "limit": 0], "/limit"),
            (["notifier_id": "ntfr_01m7vw4by8es8r65rzyjka792g", "limit": 1001], "/limit"),
            (["notifier_id": "ntfr_01m7vw4by8es8r65rzyjka792g", "since": "x"], "/since"),
            (["notifier_id": "ntfr_01m7vw4by8es8r65rzyjka792g"], "/notifier_id"),
        ] as [(JSON, String)]
    )
    func badRange(body: JSON, pointer: String) async throws {
        try await withScene { scene in
            let answer = try await scene.server.call(
                "replayNotifications",
                scene.path,
                body: body,
                key: scene.people.erin
            )
            #expect(answer.status == 422)
            #expect(answer.json["errors"]?[0]?["pointer"]?.string == pointer, "\(answer.text)")
        }
    }

    // MARK: Why, and why not

    /// The verdict of each notifier of the newest event of `key`, by the notifier's id; that of none under "".
    private func verdicts(_ scene: Scene, _ key: String) async throws -> [String: [JSON]] {
        let events = try await scene.server.call(
            "listEvents",
            scene.path,
            query: [("alert_key", key)],
            key: scene.people.bob
        )
        let path = scene.path.merging(["event_id": events.json["items"]?[0]?["id"]?.string ?? ""]) { $1 }
        let answer = try await scene.server.call("explainEvent", path, key: scene.people.bob)
        return Dictionary(grouping: answer.json["items"]?.array ?? []) { $0["notifier_id"]?.string ?? "" }
    }

    @Test("every event says of each notifier whether it was told, and why not")
    func explains() async throws {
        try await withScene { scene in
            try await scene.fire("early")
            let severe: JSON = [[["key": "severity", "operator": "in", "values": ["Critical"]]]]
            let ids = [
                try await scene.notifier("all"), try await scene.notifier("severe", ["conditions": severe]),
                try await scene.notifier("ends", ["changes": ["recovered", "closed"]]),
                try await scene.notifier("off", ["status": "disabled"]),
            ]
            try await scene.fire("late", "P4")
            _ = try await scene.list(1, [("state", "sent")])
            let early = try await verdicts(scene, "early")
            #expect(early[""]?.map { $0["verdict"] } == ["no_notifier"])
            #expect(early[""]?.first?["channel_id"]?.string == scene.channel)
            let late = try await verdicts(scene, "late")
            let expected: [JSON] = ["told", "conditions_not_met", "change_not_wanted", "notifier_disabled"]
            #expect(ids.map { late[$0]?.first?["verdict"] } == expected)
            let told = try #require(late[ids[0]]?.first)
            #expect(told["state"] == "sent")
            let newest = try await scene.list().first
            #expect(told["notification_id"] == newest?["id"])
            #expect(late[ids[1]]?.first?["notification_id"] == .null)
        }
    }

    @Test("an event that reached no channel says so")
    func unrouted() async throws {
        try await withScene { scene in
            let shared = try await scene.people.shared("Shared")
            try await scene.server.push(shared.url, ARMS.body([.init("nowhere")]))
            let items = try await verdicts(scene, "nowhere")[""]
            #expect(items?.map { $0["verdict"] } == ["no_channel"])
            #expect(items?.first?["channel_id"] == .null)
        }
    }

    @Test("what waits for a failing receiver says what failed; what was given up says so")
    func failing() async throws {
        try await withScene { scene in
            scene.receiver.answers(503)
            let id = try await scene.notifier("relay")
            try await scene.fire("a")
            let waiting = try await scene.server.eventually("tried") {
                try await verdicts(scene, "a")[id]?.first
            } until: {
                $0?["detail"]?.string?.contains("http_status") == true
            }
            #expect(waiting?["state"] == "waiting")
            try await scene.server.giveUp(scene.path.merging(["notifier_id": id]) { $1 })
            let dead = try await verdicts(scene, "a")[id]?.first
            #expect(dead?["state"] == "dead")
            #expect(dead?["detail"]?.string?.contains("given up") == true)
        }
    }
}
