import TestSupport
import Testing

/// A channel of Acme's, and how to work with its notifiers.
struct NotifierScene: Sendable {
    let people: People
    let path: [String: String]

    /// A body that makes a notifier.
    static let webhook: JSON = [
        "name": "Relay", "kind": "webhook",
        "settings": ["url": "https://hooks.example.com/SECRETPATH", "headers": ["X-Team": "SECRETVALUE"]],
    ]

    private init(_ server: TestServer) async throws {
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

    /// Runs `body` with a server of its own.
    static func with(
        clock: SetClock = SetClock(),
        options: [String: String] = [:],
        _ body: @Sendable (NotifierScene) async throws -> Void
    ) async throws {
        try await TestServer.with(options: options, clock: clock.wall) {
            try await body(try await NotifierScene($0))
        }
    }
}

extension SpecAnswer {
    /// Where the bad fields were, sorted.
    var pointers: [String] {
        (json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }.sorted()
    }
}

extension JSON {
    /// An object with other fields in place of its own.
    func merging(_ fields: [String: JSON]) -> JSON { .object((object ?? [:]).merging(fields) { $1 }) }
}
