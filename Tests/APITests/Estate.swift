import Synchronization
import TestSupport
import Testing

/// An account with one of everything: what the walks over openapi.yaml put into paths, queries and bodies.
struct Estate: Sendable {
    let server: TestServer
    /// Stands in every name and text of the account, so that one byte of it elsewhere is found.
    let owner: String
    let admin: String
    let editor: String
    let viewer: String
    /// Values of the path parameters. `integration_id` is the shared integration.
    let path: [String: String]
    let operatorKeyID: String
    /// An account that was deleted.
    let deletedID: String
    /// The second channel; the first is in `path`.
    let search: String
    /// A channel that nothing names.
    let idle: String
    let dedicated: (id: String, url: String)
    let shared: (id: String, url: String)

    private static let count = Atomic<Int>(0)

    init(_ server: TestServer, owner: String = "Alice") async throws {
        self.server = server
        let serial = Self.count.add(1, ordering: .relaxed).newValue
        self.owner = "\(owner) no. \(serial)"
        let maker = EstateMaker(server: server, owner: self.owner)
        let account = try await maker.account()
        admin = try await maker.key("admin", account).secret
        editor = try await maker.key("editor", account).secret
        viewer = try await maker.key("viewer", account).secret
        var path = ["account_id": account, "integration_type": "aliyun-arms", "type": "aliyun-arms"]
        path["api_key_id"] = try await maker.key("spare", account).id
        let payments = try await maker.channel("payments", account)
        search = try await maker.channel("search", account)
        idle = try await maker.channel("idle", account)
        path["channel_id"] = payments
        dedicated = try await maker.integration("dedicated", account, ["channel_id": .string(payments)])
        shared = try await maker.integration("shared", account, ["default_channel_ids": [.string(search)]])
        path["integration_id"] = shared.id
        path["route_id"] = try await maker.route(to: payments, path)
        path["push_url_id"] = try await maker.pushURL(path)
        path["notifier_id"] = try await maker.notifier(path)
        try await maker.push(to: dedicated.url, &path, key: viewer)
        path["notification_id"] = try await maker.deadNotification(path, key: viewer)
        path["digest_id"] = path["notification_id"]
        operatorKeyID = try await maker.operatorKey()
        deletedID = try await maker.deletedAccount()
        let revisions = try await server.call("listRevisions", path, key: viewer)
        path["revision"] = try #require(revisions.json["items"]?[0]?["revision"]).description
        self.path = path
    }

    /// The values for the path of `operation`.
    func path(of operation: Spec.Operation) -> [String: String] {
        var values = path
        if operation.path.hasPrefix("/v1/operator-keys") { values["api_key_id"] = operatorKeyID }
        values["deleted_account_id"] = deletedID
        values["token"] = shared.url.split(separator: "/").last.map { String($0) }
        return values
    }

    /// A key that may call `operation`.
    func key(for operation: Spec.Operation) -> String? {
        switch operation.requiredRole {
        case .none, .push, .credential: nil
        case .operator: server.operatorKey
        default: admin
        }
    }

    /// `example` with this account's ids in the place of the spec's own.
    func filled(_ example: JSON) -> JSON {
        example.mappingStrings { text in
            switch text {
            case Self.secondChannel: search
            case _ where text.hasPrefix("chan_"): path["channel_id"] ?? text
            case _ where text.hasPrefix("intg_"): shared.id
            case _ where text.hasPrefix("rout_"): path["route_id"] ?? text
            case _ where text.hasPrefix("ntfr_"): path["notifier_id"] ?? text
            case _ where text.hasPrefix("alrt_"): path["alert_id"] ?? text
            default: text
            }
        }
    }

    /// The second channel of the examples in openapi.yaml.
    private static let secondChannel = "chan_01m7vw5d4re3pt0yekqqme4qcm"

    /// A body that `operation` takes; nil when it takes none.
    func body(for operation: Spec.Operation) -> JSON? {
        operation.requestBody?.examples.first.map { filled($0.value) }
    }

    /// Everything that must not be seen outside of the account: ids, names, and the token.
    var secrets: [String] {
        [owner, search, idle, dedicated.id, shared.id]
            + path.filter { $0.key.hasSuffix("_id") }.values.sorted()
            + [shared.url, dedicated.url].compactMap { $0.split(separator: "/").last.map { String($0) } }
    }
}

/// Makes the parts of an `Estate` through the API.
private struct EstateMaker {
    let server: TestServer
    let owner: String

    private func id(_ answer: SpecAnswer) throws -> String {
        try #require(answer.json["id"]?.string, "\(answer.text)")
    }

    private func create(
        _ operation: String,
        _ path: [String: String] = [:],
        _ body: JSON
    ) async throws
        -> SpecAnswer
    {
        try await server.call(operation, path, body: body, key: server.operatorKey)
    }

    func account() async throws -> String {
        try id(try await create("createAccount", [:], ["name": .string(owner)]))
    }

    func deletedAccount() async throws -> String {
        let id = try id(try await create("createAccount", [:], ["name": .string("Gone, \(owner)")]))
        let answer = try await server.call("deleteAccount", ["account_id": id], key: server.operatorKey)
        #expect(answer.status == 202)
        return id
    }

    func key(_ role: String, _ account: String) async throws -> (id: String, secret: String) {
        var body: [String: JSON] = ["name": .string("\(owner) \(role)")]
        if role != "spare" { body["role"] = .string(role) }
        let answer = try await create("createAPIKey", ["account_id": account], .object(body))
        return (try id(answer), try #require(answer.json["secret"]?.string))
    }

    func operatorKey() async throws -> String {
        try id(try await create("createOperatorKey", [:], ["name": .string("for \(owner)")]))
    }

    func channel(_ name: String, _ account: String) async throws -> String {
        let body: JSON = ["name": .string("\(owner) \(name)"), "description": .string("of \(owner)")]
        return try id(try await create("createChannel", ["account_id": account], body))
    }

    func integration(
        _ mode: String,
        _ account: String,
        _ more: [String: JSON]
    ) async throws
        -> (id: String, url: String)
    {
        let body: [String: JSON] = [
            "type": "aliyun-arms", "mode": .string(mode), "name": .string("\(owner) \(mode)"),
        ]
        let answer = try await create(
            "createIntegration",
            ["account_id": account],
            .object(body.merging(more) { $1 })
        )
        return (try id(answer), try #require(answer.json["push_url"]?.string))
    }

    func route(to channel: String, _ path: [String: String]) async throws -> String {
        let body: JSON = [
            "name": .string("\(owner) route"), "conditions": [], "channel_ids": [.string(channel)],
        ]
        return try id(try await create("createRoute", path, body))
    }

    func pushURL(_ path: [String: String]) async throws -> String {
        try id(try await create("createPushURL", path, ["description": .string("of \(owner)")]))
    }

    /// Pushes one alert and notes its delivery, event and alert.
    func push(to url: String, _ path: inout [String: String], key: String) async throws {
        let body = ARMS.body([.init("key of \(owner)", labels: [("alertname", "of \(owner)")])])
        let answer = try await server.push(url, body)
        path["delivery_id"] = try #require(answer.json["data"]?["delivery_id"]?.string)
        for (name, operation) in [("event_id", "listEvents"), ("alert_id", "listAlerts")] {
            let list = try await server.call(operation, path, key: key)
            path[name] = try #require(list.json["items"]?[0]?["id"]?.string)
        }
    }

    /// One whose receiver is never reached: `localhost` leads to where messages must not go.
    func notifier(_ path: [String: String]) async throws -> String {
        let body: JSON = [
            "name": .string("\(owner) notifier"), "kind": "webhook",
            "settings": [
                "url": .string("https://localhost/\(secretPath)"),
                "headers": ["Authorization": .string("Bearer \(owner)")],
            ],
            "template": ["title": .string("{{title}} for \(owner)")],
        ]
        return try id(try await create("createNotifier", path, body))
    }

    private var secretPath: String { owner.filter { $0 != " " } }

    /// The notification of what was pushed, given up, so that it stays as it is.
    func deadNotification(_ path: [String: String], key: String) async throws -> String {
        let list = try await server.call("listNotifications", path, key: key)
        let id = try #require(list.json["items"]?[0]?["id"]?.string, "\(list.text)")
        try await server.giveUp(path)
        return id
    }
}
