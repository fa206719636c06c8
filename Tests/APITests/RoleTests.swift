import TestSupport
import Testing

@Suite("Who may call what")
struct RoleTests {
    /// Those who call.
    private enum Person: String, CaseIterable {
        case nobody
        case garbageKey
        case viewer
        case editor
        case admin
        case `operator`
        case foreignAdmin
        case expiredKey
        case deletedKey
        case adminOfSuspendedAccount
    }

    @Test("every operation answers every caller as x-required-role and x-operator say")
    func matrix() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let cast = try await Cast(server, clock: clock)
            for operation in server.spec.management {
                for person in Person.allCases {
                    let estate = person == .adminOfSuspendedAccount ? cast.suspended : cast.estate
                    let answer = try await server.call(
                        operation.id,
                        estate.path(of: operation),
                        query: [("nope", "1")],
                        body: estate.body(for: operation),
                        key: cast.key(of: person)
                    )
                    let expected = Self.status(operation, for: person)
                    #expect(answer.status == expected, "\(operation.id) by \(person): \(answer.text)")
                }
            }
        }
    }

    /// What is documented. 422 is the answer to those who may call: each call has a parameter that no
    /// operation takes, so that nothing is changed.
    private static func status(_ operation: Spec.Operation, for person: Person) -> Int {
        switch person {
        case .nobody, .garbageKey, .expiredKey, .deletedKey, .adminOfSuspendedAccount: 401
        case .operator: operation.isForOperators ? 422 : 403
        case .foreignAdmin where operation.isInAccount: 404
        case .foreignAdmin, .admin: operation.requiredRole == .operator ? 403 : 422
        case .editor: [.any, .viewer, .editor].contains(operation.requiredRole) ? 422 : 403
        case .viewer: [.any, .viewer].contains(operation.requiredRole) ? 422 : 403
        }
    }

    @Test("an API key of any kind is no push token")
    func keysDoNotPush() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let cast = try await Cast(server, clock: clock)
            for operation in server.spec.pushes {
                for person in Person.allCases {
                    let key = cast.key(of: person)
                    let path = ["token": key ?? "none", "type": "aliyun-arms"]
                    let body = ARMS.body([.init("a")])
                    let answer = try await server.callRaw(operation, path, body: body, key: key)
                    #expect(answer.status == 401, "\(operation.id) by \(person)")
                    #expect(answer.json["error"]?["code"] == "Unauthorized")
                }
            }
        }
    }

    @Test("a push token is no API key")
    func tokensDoNotManage() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let token = estate.shared.url.split(separator: "/").last.map { String($0) }
            for operation in server.spec.management {
                let answer = try await server.call(
                    operation.id,
                    estate.path(of: operation),
                    body: estate.body(for: operation),
                    key: token
                )
                #expect(answer.status == 401, "\(operation.id)")
            }
        }
    }

    @Test("probes need no key and take any", arguments: [nil, "garbage"])
    func probes(key: String?) async throws {
        try await TestServer.with { server in
            for operation in server.spec.operations where operation.requiredRole == .none {
                let answer = try await server.call(operation.id, key: key)
                #expect(answer.status == 200, "\(operation.id)")
            }
        }
    }

    @Test(
        "an account's own admin changes name and labels; the rest is the operator's",
        arguments: [
            (["name": "New", "labels": ["a": "b"]], 200), (["status": "suspended"], 403),
            (["stored_bytes_limit": 1], 403), (["external_id": nil], 403),
            (["retention": ["body_days": 1, "event_days": 1, "alert_days": 1, "audit_days": 30]], 403),
            (["limits": ["channels": 1]], 403),
        ] as [([String: JSON?], Int)]
    )
    func ownAccount(fields: [String: JSON?], status: Int) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let answer = try await server.call(
                "updateAccount",
                ["account_id": people.account],
                body: .object(fields.mapValues { $0 ?? .null }),
                key: people.alice
            )
            #expect(answer.status == status, "\(answer.text)")
        }
    }

    @Test("a key is over at once when it is deleted, also by itself")
    func deletedKey() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let me = try await server.call("getMe", key: people.alice)
            let path = ["account_id": people.account, "api_key_id": me.json["api_key_id"]?.string ?? ""]
            let deleted = try await server.call("deleteAPIKey", path, key: people.alice)
            #expect(deleted.status == 204)
            #expect(try await server.call("getMe", key: people.alice).status == 401)
        }
    }

    @Test("the keys of a deleted account are over at once, and the account is gone for the operator too")
    func deletedAccount() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            #expect(try await server.call("deleteAccount", path, key: people.olga).status == 202)
            #expect(try await server.call("getMe", key: people.alice).status == 401)
            #expect(try await server.call("getAccount", path, key: people.olga).status == 404)
        }
    }

    /// The keys of everybody.
    private struct Cast: Sendable {
        let server: TestServer
        let estate: Estate
        let suspended: Estate
        private let foreign: Estate
        private let expired: String
        private let deleted: String

        init(_ server: TestServer, clock: SetClock) async throws {
            self.server = server
            estate = try await Estate(server)
            suspended = try await Estate(server)
            foreign = try await Estate(server)
            let path = ["account_id": estate.path["account_id"] ?? ""]
            let old = try await server.call(
                "createAPIKey",
                path,
                body: ["name": "old", "role": "admin", "expires_at": "2026-11-20T10:00:00Z"],
                key: estate.admin
            )
            expired = try #require(old.json["secret"]?.string)
            let gone = try await server.call(
                "createAPIKey",
                path,
                body: ["name": "gone", "role": "admin"],
                key: estate.admin
            )
            deleted = try #require(gone.json["secret"]?.string)
            let id = try #require(gone.json["id"]?.string)
            try await server.call(
                "deleteAPIKey",
                path.merging(["api_key_id": id]) { $1 },
                key: estate.admin
            )
            try await server.call(
                "updateAccount",
                suspended.path,
                body: ["status": "suspended"],
                key: server.operatorKey
            )
            clock.advance(seconds: 3 * 3_600)
        }

        func key(of person: Person) -> String? {
            switch person {
            case .nobody: nil
            case .garbageKey: "tak_" + String(repeating: "0", count: 48)
            case .viewer: estate.viewer
            case .editor: estate.editor
            case .admin: estate.admin
            case .operator: server.operatorKey
            case .foreignAdmin: foreign.admin
            case .expiredKey: expired
            case .deletedKey: deleted
            case .adminOfSuspendedAccount: suspended.admin
            }
        }
    }
}
