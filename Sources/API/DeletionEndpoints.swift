import Domain
import Hummingbird
import Native
import Storage
import Web

/// `/v1/deletions`: what becomes of deleted accounts. The operator's.
struct DeletionEndpoints {
    let store: Store

    func add(to base: RouterGroup<AppContext>) {
        base.group("deletions").get(use: listDeletions)
        base.group("deletions/{deleted_account_id}").get(use: getDeletion)
    }

    @Sendable
    func listDeletions(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        let query = Query(request)
        let page = query.page(AccountKind.self)
        let status = query.read("status", "must be running or finished", Deletion.Status.init(rawValue:))
        try query.finish()
        return Answer.page(try await store.deletions.list(page, status: status), id: \.account) {
            Self.write($0, &$1)
        }
    }

    @Sendable
    func getDeletion(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        try Query(request).finish()
        guard let text = context.parameters.get("deleted_account_id"), let id = AccountID(text) else {
            throw Problem.notFound
        }
        let deletion = try await store.deletions.find(id)
        return Answer.object { Self.write(deletion, &$0) }
    }

    static func write(_ deletion: Deletion, _ object: inout JSONWriter) {
        object.field("account_id", deletion.account)
        object.field("status", deletion.status.rawValue)
        object.field("requested_at", deletion.requestedAt)
        object.field("requested_by", deletion.requestedBy)
        object.field("finished_at", deletion.finishedAt)
        object.field("stored_bytes", deletion.storedBytes)
        object.removed(deletion)
    }
}
