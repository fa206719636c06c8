import Domain
import Hummingbird
import Native
import Storage
import Web

/// `/v1/me`
struct MeEndpoints {
    let store: Store

    func add(to base: RouterGroup<AppContext>) {
        base.group("me").get(use: getMe)
    }

    @Sendable
    func getMe(_ request: Request, _ context: AppContext) async throws -> Response {
        guard let caller = context.caller else { throw Problem.unauthorized }
        try Query(request).finish()
        let account = caller.isOperator ? nil : try await store.accounts.find(caller.key.owner.account)
        return Answer.object { object in
            object.field("kind", caller.isOperator ? "operator" : "account")
            object.field("api_key_id", caller.key.id)
            object.field("name", caller.key.name.text)
            object.field("role", caller.roleName)
            object.scopes(caller.key.scopes)
            object.field("account_id", account?.id)
            object.field("expires_at", caller.key.expiresAt)
        }
    }
}
