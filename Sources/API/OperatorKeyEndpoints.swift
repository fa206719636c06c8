import Domain
import HTTPTypes
import Hummingbird
import Storage
import Web

/// `/v1/operator-keys`
struct OperatorKeyEndpoints {
    let store: Store

    func add(to base: RouterGroup<AppContext>) {
        base.group("operator-keys")
            .post(use: createOperatorKey)
            .get(use: listOperatorKeys)
        base.group("operator-keys/{api_key_id}")
            .get(use: getOperatorKey)
            .patch(use: updateOperatorKey)
            .delete(use: deleteOperatorKey)
    }

    @Sendable
    func createOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        let actor = try context.requireOperator().actor(requestID: context.requestID)
        try Query(request).finish()
        let draft = try await JSONBody.decode(request, APIKeyFields.draft)
        let (key, secret) = try await store.apiKeys.insert(draft, for: .operator, by: actor)
        return APIKeyFields.created(key, secret, account: nil, at: store.now, "/v1/operator-keys/\(key.id)")
    }

    @Sendable
    func listOperatorKeys(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        let query = Query(request)
        let (page, filter) = (query.page(APIKeyKind.self), query.configurationFilter())
        try query.finish()
        let keys = try await store.apiKeys.list(page, filter: filter, in: .installation)
        let now = store.now
        return Answer.page(keys) { APIKeyFields.write($0, account: nil, at: now, &$1) }
    }

    @Sendable
    func getOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        try Query(request).finish()
        let key = try await store.apiKeys.find(context.keyID(), in: .installation)
        return APIKeyFields.answer(key, account: nil, at: store.now, for: request)
    }

    @Sendable
    func updateOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        let actor = try context.requireOperator().actor(requestID: context.requestID)
        try Query(request).finish()
        let id = try context.keyID()
        let precondition = try ETag.precondition(of: request)
        let patch = try await JSONBody.decode(request, APIKeyFields.patch)
        let key = try await store.apiKeys.update(id, patch, if: precondition, in: .installation, by: actor)
        return APIKeyFields.answer(key, account: nil, at: store.now)
    }

    @Sendable
    func deleteOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        let actor = try context.requireOperator().actor(requestID: context.requestID)
        try Query(request).finish()
        try await store.apiKeys.delete(
            context.keyID(),
            if: ETag.precondition(of: request),
            in: .installation,
            by: actor
        )
        return Answer.empty
    }
}

extension AppContext {
    /// The key in the path. What is no id answers as one that does not exist.
    fileprivate func keyID() throws -> APIKeyID {
        guard let text = parameters.get("api_key_id"), let id = APIKeyID(text) else { throw Problem.notFound }
        return id
    }
}
