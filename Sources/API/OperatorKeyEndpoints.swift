import Domain
import HTTPTypes
import Hummingbird
import Native
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
        base.group("operator-keys/{api_key_id}/rotate")
            .post(use: rotateOperatorKey)
    }

    @Sendable
    func createOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        let mutation = try await MutationRequest(request, operatorIn: context)
        let draft = try await mutation.decode(store, APIKeyFields.draft)
        return try await mutation.perform(store) { change in
            let (key, secret) = try store.apiKeys.insert(draft, for: .operator, change)
            let location = "/v1/operator-keys/\(key.id)"
            return Answer.change(.created, version: key.metadata.version, location: location) { object in
                APIKeyFields.write(key, account: nil, at: change.now, &object)
                if !mutation.isDryRun { object.field("secret", secret.revealed) }
            }
        }
    }

    @Sendable
    func listOperatorKeys(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        let query = Query(request)
        let (page, filter) = (query.page(APIKeyKind.self), query.configurationFilter())
        try query.finish()
        let keys = try await store.apiKeys.list(page, filter: filter, in: .installation)
        let now = store.now
        return Answer.page(keys, id: \.id) { APIKeyFields.write($0, account: nil, at: now, &$1) }
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
        let mutation = try await MutationRequest(request, operatorIn: context)
        let id = try context.keyID()
        let patch = try await mutation.decode(store, APIKeyFields.patch)
        return try await mutation.perform(store) { change in
            let key = try store.apiKeys.update(id, patch, if: mutation.precondition, change)
            return APIKeyFields.changed(key, account: nil, at: change.now)
        }
    }

    @Sendable
    func rotateOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        let mutation = try await MutationRequest(request, operatorIn: context)
        let id = try context.keyID()
        let rotation = try await APIKeyFields.rotation(mutation, store)
        return try await mutation.perform(store) { change in
            APIKeyFields.rotated(
                try store.apiKeys.rotate(id, rotation, if: mutation.precondition, change),
                account: nil,
                at: change.now,
                isDryRun: mutation.isDryRun
            )
        }
    }

    @Sendable
    func deleteOperatorKey(_ request: Request, _ context: AppContext) async throws -> Response {
        let mutation = try await MutationRequest(request, operatorIn: context)
        return try await mutation.perform(store) { change in
            try store.apiKeys.delete(
                context.keyID(),
                if: mutation.precondition,
                change
            )
            return Answer.nothing
        }
    }
}

extension AppContext {
    /// The key in the path. What is no id answers as one that does not exist.
    fileprivate func keyID() throws -> APIKeyID {
        guard let text = parameters.get("api_key_id"), let id = APIKeyID(text) else { throw Problem.notFound }
        return id
    }
}
