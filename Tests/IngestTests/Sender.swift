import Domain
import Storage
import TestSupport
import Testing

/// A dedicated ARMS integration of Alice's account and what a sender and its owner can do with it.
struct Sender: Sendable {
    let server: TestServer
    let people: People
    let channel: String
    let id: String
    let url: String

    init(_ server: TestServer, type: String = "aliyun-arms") async throws {
        self.server = server
        people = try await People(server)
        channel = try await people.channel("Payments")
        (id, url) = try await people.dedicated("ARMS", type: type, channel: channel)
    }

    var token: String { url.split(separator: "/").last.map { String($0) } ?? "" }
    var path: [String: String] { ["account_id": people.account, "integration_id": id] }

    /// A body with one firing alert.
    static let body = ARMS.body([.init("a")])

    /// The first push URL.
    func pushURL() async throws -> [String: String] {
        let list = try await server.call("listPushURLs", path, key: people.bob)
        let first = try #require(list.json["items"]?.array?.last?["id"]?.string)
        return path.merging(["push_url_id": first]) { $1 }
    }

    /// A further push URL; its id, url and compatible url.
    func issue(_ body: JSON = .object([:])) async throws -> (id: String, url: String, compatible: String) {
        let answer = try await server.call("createPushURL", path, body: body, key: people.erin)
        return (
            try #require(answer.json["id"]?.string), try #require(answer.json["url"]?.string),
            try #require(answer.json["compatible_url"]?.string)
        )
    }

    /// Changes the integration.
    func update(_ body: JSON) async throws {
        let answer = try await server.call("updateIntegration", path, body: body, key: people.erin)
        #expect(answer.status == 200, "\(answer.text)")
    }

    /// Changes the account, as the operator.
    func updateAccount(_ body: JSON) async throws {
        let answer = try await server.call("updateAccount", path, body: body, key: people.olga)
        #expect(answer.status == 200, "\(answer.text)")
    }

    /// One delivery as its owner sees it.
    func delivery(_ id: String?) async throws -> JSON {
        let path = path.merging(["delivery_id": id ?? "none"]) { $1 }
        return try await server.call("getDelivery", path, key: people.bob).json
    }

    /// The deliveries with this outcome, newest first.
    func deliveries(_ outcome: String) async throws -> [JSON] {
        let list = try await server.call(
            "listDeliveries",
            path,
            query: [("outcome", outcome)],
            key: people.bob
        )
        return list.json["items"]?.array ?? []
    }

    /// The alerts of the account, newest first.
    func alerts() async throws -> [JSON] {
        try await server.call("listAlerts", path, key: people.bob).json["items"]?.array ?? []
    }

    /// Replays a delivery; how many (event, channel) pairs took effect. A dry run before must have said the same.
    func replay(_ id: String) async throws -> Int64? {
        let path = path.merging(["delivery_id": id]) { $1 }
        let dry = [("dry_run", "true")]
        let tried = try await server.call("replayDelivery", path, query: dry, key: people.erin).json
        let done = try await server.call("replayDelivery", path, key: people.erin).json
        #expect(tried["applied"] == done["applied"])
        for field in ["outcome", "channel_ids", "severity", "alert_key"] {
            let fields = [tried, done].map { $0["results"]?.array?.map { $0[field] } }
            #expect(fields[0] == fields[1], "\(field)")
        }
        return done["applied"]?.integer
    }

    /// What a push of `body` would come to.
    func simulate(_ body: [UInt8]) async throws -> JSON {
        let draft: JSON = ["body": .string(String(decoding: body, as: UTF8.self))]
        return try await server.call("simulate", path, body: draft, key: people.erin).json
    }

    /// Waits, at most 30 s, until the integration shows `count` refusals for `reason`.
    func expectRefusals(
        _ reason: String,
        _ count: Int64 = 1,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let isShown = try await eventually {
            let integration = try await server.call("getIntegration", path, key: people.olga)
            let refusals = integration.json["refusals"]?.array ?? []
            return refusals.contains { $0["reason"]?.string == reason && $0["count"]?.integer == count }
        }
        #expect(isShown, "no \(count) refusals for \(reason)", sourceLocation: sourceLocation)
    }
}

/// Whether `condition` comes true within 30 s: for what is written lazily.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now.advanced(by: .seconds(30))
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(50))
    }
    return false
}

extension SpecAnswer {
    /// The id of the delivery that a push made.
    var deliveryID: String? {
        json["data"]?["delivery_id"]?.string ?? json["error"]?["delivery_id"]?.string
    }
}
