import Domain
import Testing

@Suite("ResourceKind and Scopes")
struct ResourceKindTests {
    @Test(
        "a path is about the last of its words that names a kind",
        arguments: [
            ("/v1/me", nil), ("/v1/credentials/revoke", nil), ("", nil),
            ("/v1/operator-keys/{api_key_id}/rotate", .operatorKeys),
            ("/v1/accounts", .accounts), ("/v1/accounts/{account_id}", .account),
            ("/v1/accounts/{account_id}/suspend", .account),
            ("/v1/deletions", .accounts), ("/v1/deletions/{deleted_account_id}", .accounts),
            ("/v1/accounts/{account_id}/channels", .channels),
            ("/v1/accounts/{account_id}/channels/{channel_id}/notifiers/{notifier_id}/test", .notifiers),
            ("/v1/accounts/{account_id}/integrations/{integration_id}", .integrations),
            (
                "/v1/accounts/{account_id}/integrations/{integration_id}/push-urls/{push_url_id}/reveal",
                .pushURLs
            ),
            ("/v1/accounts/{account_id}/integrations/{integration_id}/routes", .routes),
            ("/v1/accounts/{account_id}/integrations/{integration_id}/simulate", .simulate),
            ("/v1/accounts/{account_id}/integrations/{integration_id}/backtest", .simulate),
            ("/v1/accounts/{account_id}/deliveries/replay", .deliveries),
            ("/v1/accounts/{account_id}/config/revisions/{revision}/restore", .config),
        ] as [(String, ResourceKind?)]
    )
    func kind(path: String, kind: ResourceKind?) {
        #expect(ResourceKind(pathTemplate: path) == kind)
    }

    @Test("every kind is reached by its own word")
    func words() {
        for kind in ResourceKind.allCases where kind != .account {
            #expect(ResourceKind(pathTemplate: "/v1/\(kind.rawValue)") == kind)
        }
    }

    @Test(
        "scopes admit their own kinds and the caller's own look at itself, and nothing of which no kind is known"
    )
    func admission() {
        let some = Scopes([.channels, .routes])
        #expect(some.admit(.channels) && some.admit(.routes) && some.admit(pathTemplate: "/v1/me"))
        let new = "/v1/accounts/{account_id}/new-things"
        #expect(
            !some.admit(pathTemplate: new) && !some.admit(pathTemplate: "")
                && Scopes.all.admit(pathTemplate: new)
        )
        #expect(some.admit(pathTemplate: "/v1/accounts/{account_id}/channels/{channel_id}"))
        #expect(!some.admit(.apiKeys) && !some.admit(.notifiers))
        #expect(ResourceKind.allCases.allSatisfy { Scopes.all.admit($0) })
        #expect(some.names == ["channels", "routes"] && Scopes.all.names == nil)
    }

    @Test(
        "scopes cover those that are not wider",
        arguments: [
            (Scopes.all, Scopes.all, true), (.all, Scopes([.usage]), true), (Scopes([.usage]), .all, false),
            (Scopes(Set(ResourceKind.allCases)), .all, false), (Scopes([.usage]), Scopes([.usage]), true),
            (Scopes([.usage, .audit]), Scopes([.audit]), true),
            (Scopes([.audit]), Scopes([.usage, .audit]), false),
        ]
    )
    func cover(own: Scopes, other: Scopes, isCovered: Bool) {
        #expect(own.cover(other) == isCovered)
    }

    @Test("a key covers keys of its account up to its role, an operator's key covers all, within its scopes")
    func keys() {
        let (here, there) = (AccountNumber(1), AccountNumber(2))
        func key(_ owner: APIKey.Owner, _ scopes: Scopes = .all) -> APIKey {
            APIKey(
                id: APIKeyID(high: 1, low: 1),
                owner: owner,
                name: Name(trusted: "k"),
                scopes: scopes,
                metadata: .new(externalID: nil, labels: Labels(), at: at(0)),
                expiresAt: at(1)
            )
        }
        let editor = key(.account(here, .editor))
        #expect(editor.covers(.account(here, .viewer), .all) && editor.covers(.account(here, .editor), .all))
        #expect(!editor.covers(.account(here, .admin), .all))
        #expect(!editor.covers(.account(there, .viewer), .all) && !editor.covers(.operator, .all))
        #expect(
            key(.operator).covers(.account(there, .admin), .all) && key(.operator).covers(.operator, .all)
        )
        let scoped = key(.operator, Scopes([.apiKeys]))
        #expect(!scoped.covers(.account(here, .viewer), .all))
        #expect(scoped.covers(.account(here, .admin), Scopes([.apiKeys])))
    }
}
