import Testing

/// Two tenants and those who work with them: Alice (admin), Erin (editor) and Bob (viewer) of one account, Charlie (admin) of another; Olga
/// is the operator.
package struct People: Sendable {
    package let server: TestServer
    /// The account of Alice, Erin and Bob.
    package let account: String
    /// The account of Charlie.
    package let otherAccount: String
    package let alice: String
    package let erin: String
    package let bob: String
    package let charlie: String

    /// The operator's key.
    package var olga: String { server.operatorKey }

    /// Makes the accounts and the keys.
    package init(_ server: TestServer) async throws {
        self.server = server
        account = try await Self.account("Acme", server)
        otherAccount = try await Self.account("Charlie's", server)
        alice = try await Self.key("Alice", "admin", of: account, server)
        erin = try await Self.key("Erin", "editor", of: account, server)
        bob = try await Self.key("Bob", "viewer", of: account, server)
        charlie = try await Self.key("Charlie", "admin", of: otherAccount, server)
    }

    private static func account(_ name: String, _ server: TestServer) async throws -> String {
        let answer = try await server.call(
            "createAccount",
            body: ["name": .string(name)],
            key: server.operatorKey
        )
        return try #require(answer.json["id"]?.string)
    }

    private static func key(
        _ name: String,
        _ role: String,
        of account: String,
        _ server: TestServer
    ) async throws -> String {
        let answer = try await server.call(
            "createAPIKey",
            ["account_id": account],
            body: ["name": .string(name), "role": .string(role)],
            key: server.operatorKey
        )
        return try #require(answer.json["secret"]?.string)
    }

    /// A channel of the account of Alice; its id.
    package func channel(_ name: String, in account: String? = nil, key: String? = nil) async throws -> String
    {
        let answer = try await server.call(
            "createChannel",
            ["account_id": account ?? self.account],
            body: ["name": .string(name)],
            key: key ?? alice
        )
        return try #require(answer.json["id"]?.string)
    }

    /// A dedicated integration; its id and push URL.
    package func dedicated(
        _ name: String,
        type: String = "aliyun-arms",
        channel: String,
        in account: String? = nil,
        key: String? = nil
    ) async throws -> (id: String, url: String) {
        try await integration(
            [
                "type": .string(type), "mode": "dedicated", "name": .string(name),
                "channel_id": .string(channel),
            ],
            account,
            key
        )
    }

    /// A shared integration; its id and push URL.
    package func shared(
        _ name: String,
        type: String = "aliyun-arms",
        defaults: [String] = [],
        in account: String? = nil,
        key: String? = nil
    ) async throws -> (id: String, url: String) {
        try await integration(
            [
                "type": .string(type), "mode": "shared", "name": .string(name),
                "default_channel_ids": .array(defaults.map { .string($0) }),
            ],
            account,
            key
        )
    }

    private func integration(
        _ body: JSON,
        _ account: String?,
        _ key: String?
    ) async throws -> (id: String, url: String) {
        let answer = try await server.call(
            "createIntegration",
            ["account_id": account ?? self.account],
            body: body,
            key: key ?? alice
        )
        return (try #require(answer.json["id"]?.string), try #require(answer.json["push_url"]?.string))
    }
}
