import TestSupport
import Testing

/// A channel of Acme's with a dedicated integration, and receivers on this machine.
struct NotificationScene: Sendable {
    let people: People
    let receiver: Receiver
    let clock: SetClock
    let channel: String
    let push: String

    private init(_ server: TestServer, _ receiver: Receiver, _ clock: SetClock) async throws {
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

    func get(_ id: JSON?, key: String? = nil) async throws -> JSON {
        let path = path.merging(["notification_id": id?.string ?? ""]) { $1 }
        return try await server.call("getNotification", path, key: key ?? people.erin).json
    }

    func replay(_ id: JSON?) async throws -> SpecAnswer {
        let path = path.merging(["notification_id": id?.string ?? ""]) { $1 }
        return try await server.call("replayNotification", path, key: people.erin)
    }

    /// Runs `body` with a server and a receiver of its own.
    static func with(_ body: @Sendable (NotificationScene) async throws -> Void) async throws {
        let clock = SetClock()
        try await Receiver.with { receiver in
            try await TestServer.with(options: ["outbound-allow": "127.0.0.0/8"], clock: clock.wall) {
                server in
                try await body(try await NotificationScene(server, receiver, clock))
            }
        }
    }
}
