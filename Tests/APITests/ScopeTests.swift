import Domain
import TestSupport
import Testing

@Suite("Keys that are limited to kinds of resources")
struct ScopeTests {
    /// A key like the estate's admin, or the operator's, with these scopes; its secret.
    private static func key(
        _ scopes: [ResourceKind],
        isOperators: Bool = false,
        of estate: Estate
    ) async throws -> String {
        let answer = try await estate.server.call(
            isOperators ? "createOperatorKey" : "createAPIKey",
            isOperators ? [:] : estate.path,
            body: [
                "name": .string("\(scopes.map(\.rawValue)) of \(estate.owner)"),
                "scopes": .array(scopes.map { .string($0.rawValue) }),
            ].merging(isOperators ? [:] : ["role": "admin"]) { $1 }.asJSON,
            key: estate.server.operatorKey
        )
        return try #require(answer.json["secret"]?.string, "\(answer.text)")
    }

    @Test(
        "every operation but getMe is of one kind, and every word under an account names a kind or what is done to it"
    )
    func everyOperation() throws {
        let actions = ["suspend", "resume", "onboard", "delete", "deletion", "purge"]
        for operation in try Spec.shared().management {
            let kind = ResourceKind(pathTemplate: operation.path)
            #expect((kind == nil) == (operation.id == "getMe"), "\(operation.path)")
            let words = operation.path.split(separator: "/").map { String($0) }
            guard operation.isInAccount, words.count > 3 else { continue }
            #expect(
                ResourceKind(rawValue: words[3]) != nil || actions.contains(words[3]),
                "\(operation.path)"
            )
        }
        let documented = try Spec.shared().values(ofEnum: "Scope")
        #expect(documented == ResourceKind.allCases.map(\.rawValue).sorted())
    }

    @Test("a key of one scope reaches its own kind, and is told what it lacks for all others: 403")
    func matrix() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            for kind in ResourceKind.allCases {
                let account = try await Self.key([kind], of: estate)
                let platform = try await Self.key([kind], isOperators: true, of: estate)
                for operation in server.spec.management {
                    let answer = try await server.call(
                        operation.id,
                        estate.path(of: operation),
                        query: [("nope", "1")],
                        body: estate.body(for: operation),
                        key: operation.requiredRole == .operator ? platform : account
                    )
                    let needed = ResourceKind(pathTemplate: operation.path)
                    let isAdmitted = needed == nil || needed == kind
                    let what = "\(operation.id) with \(kind.rawValue): \(answer.text)"
                    #expect(answer.status == (isAdmitted ? 422 : 403), "\(what)")
                    guard !isAdmitted, let needed else { continue }
                    #expect(answer.json["code"] == "forbidden", "\(what)")
                    #expect(answer.text.contains("the scope \(needed.rawValue),"), "\(what)")
                }
            }
        }
    }

    @Test("several scopes are all of them, shown by getMe and on the key; null are all there are")
    func shown() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let key = try await Self.key([.routes, .channels], of: estate)
            let me = try await server.call("getMe", key: key)
            #expect(me.json["scopes"] == ["channels", "routes"])
            #expect(try await server.call("getMe", key: estate.admin).json["scopes"] == .null)
            #expect(try await server.call("listChannels", estate.path, key: key).status == 200)
            #expect(try await server.call("listRoutes", estate.path, key: key).status == 200)
            #expect(try await server.call("listIntegrations", estate.path, key: key).status == 403)
            var path = estate.path
            path["api_key_id"] = me.json["api_key_id"]?.string
            let wider = try await server.call(
                "updateAPIKey",
                path,
                body: ["scopes": ["integrations", "channels"]],
                key: estate.admin
            )
            #expect(wider.json["scopes"] == ["channels", "integrations"], "\(wider.text)")
            #expect(try await server.call("listIntegrations", estate.path, key: key).status == 200)
            #expect(try await server.call("listRoutes", estate.path, key: key).status == 403)
            let all = try await server.call("updateAPIKey", path, body: ["scopes": .null], key: estate.admin)
            #expect(all.json["scopes"] == .null)
            #expect(try await server.call("listRoutes", estate.path, key: key).status == 200)
        }
    }

    @Test(
        "scopes are kinds, at least one, each once",
        arguments: [("[]", "/scopes"), (#"["pigs"]"#, "/scopes/0"), (#"["audit","audit"]"#, "/scopes/1")]
    )
    func refused(scopes: String, pointer: String) async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let answer = try await server.call(
                "createAPIKey",
                estate.path,
                body: ["name": "x", "scopes": try JSON(parsing: Array(scopes.utf8))],
                key: estate.admin
            )
            #expect(answer.status == 422 && answer.json["errors"]?[0]?["pointer"]?.string == pointer)
        }
    }

    @Test(
        "no key makes, changes, rotates or deletes one that may do more than itself",
        arguments: [false, true]
    )
    func escalation(isOperators: Bool) async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let own: [ResourceKind] = [.apiKeys, .channels]
            let key = try await Self.key(own, isOperators: isOperators, of: estate)
            func create(_ name: String, _ scopes: JSON) async throws -> SpecAnswer {
                let body: JSON = ["name": .string(name), "role": "admin", "scopes": scopes]
                return try await server.call("createAPIKey", estate.path, body: body, key: key)
            }
            #expect(try await create("all", .null).status == 403)
            #expect(try await create("wider", ["channels", "routes"]).status == 403)
            let made = try await create("narrower", ["channels"])
            #expect(made.status == 201, "\(made.text)")
            // The spare key of the estate is a viewer's, but of all kinds.
            var wide = estate.path
            let before = try await server.call("getAPIKey", wide, key: key)
            for (operation, body) in [
                ("updateAPIKey", ["name": "mine"]), ("updateAPIKey", ["scopes": ["channels"]]),
                ("rotateAPIKey", [:]), ("deleteAPIKey", nil),
            ] as [(String, JSON?)] {
                let answer = try await server.call(operation, wide, body: body, key: key)
                #expect(answer.status == 403, "\(operation): \(answer.text)")
            }
            #expect(try await server.call("getAPIKey", wide, key: key).json == before.json)
            wide["api_key_id"] = made.json["id"]?.string
            for scopes in [.null, ["routes"]] as [JSON] {
                let answer = try await server.call("updateAPIKey", wide, body: ["scopes": scopes], key: key)
                #expect(answer.status == 403, "\(answer.text)")
            }
            #expect(try await server.call("rotateAPIKey", wide, body: [:], key: key).status == 200)
            #expect(try await server.call("deleteAPIKey", wide, key: key).status == 204)
        }
    }
}

extension [String: JSON] {
    fileprivate var asJSON: JSON { .object(self) }
}
