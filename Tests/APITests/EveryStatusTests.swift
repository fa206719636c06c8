import TestSupport
import Testing

@Suite("Every documented answer can be had")
struct EveryStatusTests {
    /// What no call can bring about in a server that works.
    private static let excuses: [SpecCoverage.Excuse] = [
        .init("getReadiness", 503, because: "the store of a running server would have to break"),
        .init(
            "replayDeliveries",
            409,
            because: "the same call would have to be under way: see IdempotencyTests"
        ),
        .init("testNotifier", 409, because: "the same call would have to be under way: see IdempotencyTests"),
    ]

    @Test("each operation gives each of its statuses, and in the documented form")
    func everyStatus() async throws {
        let coverage = SpecCoverage()
        try await TestServer.with(clock: SetClock().wall, coverage: coverage) { server in
            let walk = StatusWalk(server: server)
            try await walk.lastOperatorKey()
            try await walk.credentials()
            try await walk.limitReached()
            let estate = try await Estate(server)
            for operation in server.spec.management { try await walk.refusals(of: operation, estate) }
            try await walk.strictness(estate)
            for operation in server.spec.management {
                let changes =
                    ["PATCH", "PUT", "DELETE"].contains(operation.method)
                    || ["replayNotification", "restoreRevision"].contains(operation.id)
                try await walk.success(of: operation, changes ? try await Estate(server) : estate)
            }
            try await walk.namesTaken()
            try await walk.conflicts()
            try await walk.documentConflicts()
            try await walk.pushes()
            for operation in server.spec.operations where operation.requiredRole == .none {
                let answer = try await server.call(operation.id, key: nil)
                guard operation.responses[304] != nil else { continue }
                let tag = try #require(answer.header("ETag"))
                try await server.call(operation.id, key: nil, headers: [("If-None-Match", tag)])
            }
        }
        let spec = try Spec.shared()
        #expect(coverage.unseen(of: spec, excusing: Self.excuses).map(\.description) == [])
        #expect(coverage.stale(Self.excuses, of: spec).map(\.description) == [])
    }
}

/// Brings about the documented answers, one after the other.
private struct StatusWalk: Sendable {
    let server: TestServer

    /// Expects `status` of one call.
    private func expect(
        _ status: Int,
        _ operation: Spec.Operation,
        _ path: [String: String],
        body: JSON? = nil,
        key: String?,
        query: [(String, String)] = [],
        headers: [(String, String)] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await server.call(
            operation.id,
            path,
            query: query,
            body: body,
            key: key,
            headers: headers,
            sourceLocation: sourceLocation
        )
        #expect(
            answer.status == status,
            "\(operation.id): \(answer.text)",
            sourceLocation: sourceLocation
        )
    }

    private func expect(
        _ status: Int,
        _ id: String,
        _ path: [String: String],
        body: JSON? = nil,
        key: String?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await expect(
            status,
            try server.spec.operation(id),
            path,
            body: body,
            key: key,
            sourceLocation: sourceLocation
        )
    }

    // MARK: By rule

    /// What every operation of the management API has in common.
    func refusals(of operation: Spec.Operation, _ estate: Estate) async throws {
        let (path, body) = (estate.path(of: operation), estate.body(for: operation))
        let key = estate.key(for: operation)
        try await expect(401, operation, path, body: body, key: nil)
        if operation.statuses.contains(403) {
            let weak = operation.requiredRole == .viewer ? server.operatorKey : estate.viewer
            try await expect(403, operation, path, body: body, key: weak)
        }
        if operation.statuses.contains(404) {
            var unknown = path
            let last = try #require(operation.pathParameterNames.last)
            unknown[last] = last == "integration_type" ? "zabbix" : Unknown.id(last)
            try await expect(404, operation, unknown, body: body, key: key)
        }
        if operation.statuses.contains(400), body != nil {
            let answer = try await server.callRaw(
                operation,
                path,
                headers: [("Content-Type", "application/json")],
                body: Array("{".utf8),
                key: key
            )
            #expect(answer.status == 400, "\(operation.id)")
        } else if operation.statuses.contains(400) {
            let tooLong = [("Idempotency-Key", String(repeating: "k", count: 256))]
            try await expect(400, operation, path, key: key, headers: tooLong)
        }
        if operation.statuses.contains(412) {
            let stale = [("If-Match", "\"999999\"")]
            try await expect(412, operation, path, body: body, key: key, headers: stale)
        }
        try await expect(422, operation, path, body: body, key: key, query: [("nope", "1")])
    }

    /// An account that demands preconditions refuses what has none.
    func strictness(_ estate: Estate) async throws {
        let update = try server.spec.operation("updateAccount")
        let path = estate.path(of: update)
        try await expect(200, update, path, body: ["requires_if_match": true], key: server.operatorKey)
        for operation in server.spec.management where operation.statuses.contains(428) {
            let body = estate.body(for: operation)
            try await expect(
                428,
                operation,
                estate.path(of: operation),
                body: body,
                key: estate.key(for: operation)
            )
        }
        let any = [("If-Match", "*")]
        let off: JSON = ["requires_if_match": false]
        try await expect(200, update, path, body: off, key: server.operatorKey, headers: any)
    }

    /// The answer to a right call, and 304 to the same with the tag that it gave.
    func success(of operation: Spec.Operation, _ estate: Estate) async throws {
        var path = estate.path(of: operation)
        if operation.id == "deleteChannel" { path["channel_id"] = estate.idle }
        let key = estate.key(for: operation)
        let answer = try await server.call(operation.id, path, body: estate.body(for: operation), key: key)
        #expect((200...204).contains(answer.status), "\(operation.id): \(answer.text)")
        guard operation.statuses.contains(304) else { return }
        let tag = try #require(answer.header("ETag"))
        try await expect(304, operation, path, key: key, headers: [("If-None-Match", tag)])
    }

    // MARK: Conflicts

    func lastOperatorKey() async throws {
        let me = try await server.call("getMe", key: server.operatorKey)
        let id = try #require(me.json["api_key_id"]?.string)
        try await expect(409, "deleteOperatorKey", ["api_key_id": id], key: server.operatorKey)
    }

    func credentials() async throws {
        let operation = try server.spec.operation("revokeCredential")
        let example = try #require(operation.requestBody?.examples.first?.value)
        try await expect(204, operation, [:], body: example, key: nil)
        try await expect(422, operation, [:], body: ["credential": "secret"], key: nil)
        try await expect(409, operation, [:], body: ["credential": .string(server.operatorKey)], key: nil)
        let json = ("Content-Type", "application/json")
        let tooLarge = Array(repeating: UInt8(ascii: " "), count: 20_000)
        for (status, headers, body) in [(400, [json], []), (413, [json], tooLarge), (415, [], [0x7B, 0x7D])] {
            let answer = try await server.callRaw(operation, [:], headers: headers, body: body)
            #expect(answer.status == status, "\(answer.text)")
        }
    }

    /// An account that may have nothing is not begun.
    func limitReached() async throws {
        let operation = try server.spec.operation("onboard")
        var body = try #require(operation.requestBody?.examples.first?.value.object)
        var account = try #require(body["account"]?.object)
        account["limits"] = ["integrations": 0]
        body["account"] = .object(account)
        try await expect(409, operation, [:], body: .object(body), key: server.operatorKey)
    }

    /// Creating and renaming to a name that another one has.
    func namesTaken() async throws {
        for (create, update, slot) in [
            ("createAPIKey", "updateAPIKey", "api_key_id"),
            ("createChannel", "updateChannel", "channel_id"),
            ("createIntegration", "updateIntegration", "integration_id"),
            ("createNotifier", "updateNotifier", "notifier_id"),
            ("createOperatorKey", "updateOperatorKey", "api_key_id"),
        ] {
            let estate = try await Estate(server)
            let operation = try server.spec.operation(create)
            let key = estate.key(for: operation)
            var body = estate.body(for: operation)?.object ?? [:]
            body["name"] = .string("Taken by \(estate.owner)")
            try await expect(201, operation, estate.path, body: .object(body), key: key)
            try await expect(409, operation, estate.path, body: .object(body), key: key)
            let rename: JSON = ["name": .string("TAKEN by \(estate.owner)")]
            let other = try server.spec.operation(update)
            #expect(other.pathParameterNames.last == slot)
            try await expect(409, other, estate.path(of: other), body: rename, key: key)
        }
    }

    func conflicts() async throws {
        let estate = try await Estate(server)
        let key = estate.admin
        try await expect(409, "deleteChannel", estate.path, key: key)
        try await expect(204, "deletePushURL", estate.path, key: key)
        try await expect(409, "revealPushURL", estate.path, key: key)
        try await expect(202, "replayNotification", estate.path, key: key)
        try await expect(409, "replayNotification", estate.path, key: key)
        try await expect(200, "closeAlert", estate.path, key: key)
        try await expect(409, "closeAlert", estate.path, key: key)
        var dedicated = estate.path
        dedicated["integration_id"] = estate.dedicated.id
        for id in ["createRoute", "replaceRoutes", "updateRoute", "deleteRoute"] {
            let operation = try server.spec.operation(id)
            try await expect(409, operation, dedicated, body: estate.body(for: operation), key: key)
        }
        var mail = estate.path
        let operation = try server.spec.operation("createNotifier")
        let example = try #require(operation.requestBody?.examples.first { $0.name == "email" })
        let made = try await server.call("createNotifier", mail, body: example.value, key: key)
        mail["notifier_id"] = made.json["id"]?.string
        try await expect(409, "rotateNotifierSecret", mail, key: key)
        try await expect(204, "deleteIntegration", dedicated, key: key)
        try await expect(409, "replayDelivery", estate.path, key: key)
    }

    /// A channel that the document does not have, and something outside of the document names.
    func documentConflicts() async throws {
        let estate = try await Estate(server)
        let key = estate.admin
        let list = try await server.call("listRevisions", estate.path, key: key)
        let first = try #require(list.json["items"]?.array?.last?["revision"])
        let body: JSON = ["channel_id": .string(estate.idle)]
        try await expect(200, "putHealthAlerts", estate.path, body: body, key: key)
        let document: JSON = ["channels": [:], "integrations": [:], "severity_tables": [:]]
        for id in ["putConfiguration", "planConfiguration"] {
            try await expect(409, id, estate.path, body: document, key: key)
        }
        var path = estate.path
        path["revision"] = first.description
        try await expect(409, "restoreRevision", path, key: key)
    }

    // MARK: Pushes

    /// Each form of push with each of its answers.
    func pushes() async throws {
        let estate = try await Estate(server)
        let token = try #require(estate.dedicated.url.split(separator: "/").last.map { String($0) })
        for operation in server.spec.pushes {
            let path = ["token": token, "type": "aliyun-arms"]
            let carried = [("X-Integration-Key", token)]
            func push(_ status: Int, _ body: [UInt8], _ more: [(String, String)] = []) async throws {
                let answer = try await server.callRaw(operation, path, headers: carried + more, body: body)
                #expect(answer.status == status, "\(operation.id): \(answer.text)")
            }
            let body = ARMS.body([.init("a")])
            try await push(200, body)
            try await push(400, Array("{".utf8))
            try await push(401, body, [("X-Integration-Key", "tpu_other")])
            try await push(413, Self.tooManyAlerts)
            try await push(415, body, [("Content-Encoding", "gzip")])
            try await limit(estate, to: 0)
            try await push(503, body)
            try await limit(estate, to: 1 << 30)
        }
    }

    private func limit(_ estate: Estate, to bytes: Int64) async throws {
        let body: JSON = ["stored_bytes_limit": .integer(bytes)]
        try await expect(200, "updateAccount", estate.path, body: body, key: server.operatorKey)
    }

    private static let tooManyAlerts = Array(
        (#"{"alerts":["# + Array(repeating: #"{"labels":{}}"#, count: 10_001).joined(separator: ",") + "]}")
            .utf8
    )
}

/// Ids that nothing has.
enum Unknown {
    /// One of the kind that the path or query parameter `name` takes.
    static func id(_ name: String) -> String {
        if name == "revision" { return "999999" }
        let prefix =
            switch name {
            case "account_id": "acct"
            case "api_key_id", "actor_id": "akey"
            case "channel_id": "chan"
            case "integration_id": "intg"
            case "push_url_id": "purl"
            case "route_id": "rout"
            case "delivery_id": "dlvr"
            case "event_id": "evnt"
            case "notifier_id": "ntfr"
            case "notification_id", "digest_id": "ntfn"
            default: "alrt"
            }
        return "\(prefix)_01m7vw4by8es8r65rzyjka792g"
    }
}
