import TestSupport
import Testing

@Suite("Why people were told, or not")
struct ExplanationTests {
    /// The verdict of each notifier of the newest event of `key`, by the notifier's id; that of none under "".
    private func verdicts(_ scene: NotificationScene, _ key: String) async throws -> [String: [JSON]] {
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
        try await NotificationScene.with { scene in
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
        try await NotificationScene.with { scene in
            let shared = try await scene.people.shared("Shared")
            try await scene.server.push(shared.url, ARMS.body([.init("nowhere")]))
            let items = try await verdicts(scene, "nowhere")[""]
            #expect(items?.map { $0["verdict"] } == ["no_channel"])
            #expect(items?.first?["channel_id"] == .null)
        }
    }

    @Test("what waits for a failing receiver says what failed; what was given up says so")
    func failing() async throws {
        try await NotificationScene.with { scene in
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
