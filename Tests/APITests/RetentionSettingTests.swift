import TestSupport
import Testing

@Suite("Retention of an account")
struct RetentionSettingTests {
    private static let standard: JSON = [
        "body_days": 7, "event_days": 30, "alert_days": 90, "audit_days": 400,
    ]
    private static let other: JSON = [
        "body_days": 1, "event_days": 1, "alert_days": 4000, "audit_days": 30,
    ]

    private func pointers(_ answer: SpecAnswer) -> [String] {
        (answer.json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }.sorted()
    }

    @Test("is 7, 30, 90 and 400 days, and what the operator sets; the account's own keys see it")
    func isSet() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            func shown(_ key: String) async throws -> JSON? {
                try await server.call("getAccount", path, key: key).json["retention"]
            }
            #expect(try await shown(people.bob) == Self.standard)
            let before = try await server.call("getAccount", path, key: people.olga).json["version"]?.integer
            let changed = try await server.call(
                "updateAccount",
                path,
                body: ["retention": Self.other],
                key: people.olga
            )
            #expect(changed.status == 200, "\(changed.text)")
            #expect(changed.json["retention"] == Self.other)
            #expect(changed.json["version"]?.integer == before.map { $0 + 1 })
            #expect(try await shown(people.alice) == Self.other)
            let renamed = try await server.call(
                "updateAccount",
                path,
                body: ["name": "New"],
                key: people.alice
            )
            #expect(renamed.json["retention"] == Self.other)
            let list = try await server.call("listAccounts", key: people.olga)
            let found = list.json["items"]?.array?.map { $0["retention"] } ?? []
            #expect(found == [Self.standard, Self.other])
        }
    }

    @Test("can be set when the account is made")
    func isCreated() async throws {
        try await TestServer.with { server in
            let body: JSON = ["name": "A", "retention": Self.other]
            let made = try await server.call("createAccount", body: body, key: server.operatorKey)
            #expect(made.status == 201)
            #expect(made.json["retention"] == Self.other)
        }
    }

    @Test(
        "a bad one is refused, every bad field by name",
        arguments: [
            (.null, [""]), (7, [""]), ([], [""]),
            (["body_days": 7], ["/alert_days", "/audit_days", "/event_days"]),
            (
                ["body_days": 0, "event_days": 401, "alert_days": 4001, "audit_days": 29],
                ["/alert_days", "/audit_days", "/body_days", "/event_days"]
            ),
            (
                ["body_days": "7", "event_days": 30, "alert_days": 90, "audit_days": .null],
                ["/audit_days", "/body_days"]
            ),
            (["body_days": 31, "event_days": 30, "alert_days": 90, "audit_days": 400], ["/body_days"]),
            (["body_days": 7, "event_days": 91, "alert_days": 90, "audit_days": 400], ["/alert_days"]),
            (["body_days": 7, "event_days": 30, "alert_days": 90, "audit_days": 400, "days": 1], ["/days"]),
        ] as [(JSON, [String])]
    )
    func isRefused(retention: JSON, expected: [String]) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            let answer = try await server.call(
                "updateAccount",
                path,
                body: ["retention": retention],
                key: people.olga
            )
            #expect(answer.status == 422)
            #expect(pointers(answer) == expected.map { "/retention" + $0 }, "\(answer.text)")
            let account = try await server.call("getAccount", path, key: people.olga)
            #expect(account.json["retention"] == Self.standard)
        }
    }
}
