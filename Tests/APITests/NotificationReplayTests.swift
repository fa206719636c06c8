import TestSupport
import Testing

@Suite("Replay of notifications")
struct NotificationReplayTests {
    @Test("what was sent is sent again with the same id and body")
    func replayOne() async throws {
        try await NotificationScene.with { scene in
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

    @Test("what was told before a later change of its alert is not told again")
    func replayOutdated() async throws {
        try await NotificationScene.with { scene in
            _ = try await scene.notifier("relay")
            try await scene.fire("a")
            let opened = try #require(try await scene.list(1, [("state", "sent")]).first)
            try await scene.recover("a")
            let recovered = try #require(
                try await scene.list(1, [("change", "recovered"), ("state", "sent")]).first
            )
            #expect(try await scene.replay(opened["id"]).status == 409)
            #expect(try await scene.replay(recovered["id"]).status == 202)
        }
    }

    @Test("a viewer sees attempts without what the receiver answered")
    func viewer() async throws {
        try await NotificationScene.with { scene in
            scene.receiver.answers(200, "taken by 10.1.2.3")
            _ = try await scene.notifier("relay")
            try await scene.fire("a")
            let id = try await scene.list(1, [("state", "sent")]).first?["id"]
            let editor = try await scene.get(id)["attempts"]?.array?.first
            let viewer = try await scene.get(id, key: scene.people.bob)["attempts"]?.array?.first
            #expect(editor?["response"] == "taken by 10.1.2.3")
            #expect(viewer?["response"] == .null)
            for field in ["at", "failure", "detail", "status_code", "latency_ms", "template_problem"] {
                #expect(viewer?[field] == editor?[field], "\(field)")
            }
        }
    }

    @Test("what waits, was superseded or is told in a digest is not replayed")
    func replayRefused() async throws {
        try await NotificationScene.with { scene in
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
        try await NotificationScene.with { scene in
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
        try await NotificationScene.with { scene in
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
}
