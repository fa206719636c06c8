import Domain
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/deliveries/replay`, and that of one delivery: what was kept, run again.
struct DeliveryReplayEndpoints {
    let store: Store
    let commit: GroupCommit

    func add(to account: RouterGroup<AccountContext>) {
        account.group("deliveries/replay").operation(.post, .tenantData(.editor), use: replayDeliveries)
        account.group("deliveries/{delivery_id}/replay")
            .operation(.post, .tenantData(.editor), use: replayDelivery)
    }

    @Sendable
    func replayDelivery(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let id = try context.id("delivery_id", DeliveryKind.self)
        return try await mutation.performOutside(store) {
            let (detail, applied) = try await replayed(id, mutation, context)
            return Answer.change { object in
                DeliveryEndpoints(store: store).write(detail, context, &object)
                object.field("applied", applied)
            }
        }
    }

    /// A dry run answers what would come of it.
    private func replayed(
        _ id: DeliveryID,
        _ mutation: MutationRequest,
        _ context: AccountContext
    ) async throws -> (DeliveryStore.Detail, applied: Int) {
        let account = context.account.number
        if mutation.isDryRun { return try await store.deliveries.tryReplay(id, in: account) }
        do {
            return try await store.deliveries.replay(id, in: account, by: context.actor, through: commit)
        } catch is PushFailure {
            throw Problem.unavailable
        }
    }

    // MARK: Many

    /// Which deliveries, from where on, and how many.
    private struct Order: Sendable {
        let filter: DeliveryStore.Filter
        let after: DeliveryID?
        let limit: Int
    }

    /// What came of it.
    private struct Progress: Sendable {
        var replayed = 0
        var applied = 0
        var failures: [(id: DeliveryID, code: Problem.Code, detail: String)] = []
        var next: DeliveryID?
    }

    @Sendable
    func replayDeliveries(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let order = try await mutation.decode(store, order)
        return try await mutation.performOutside(store) {
            let progress = try await replay(order, mutation, context)
            return Answer.change { write(progress, &$0) }
        }
    }

    private func order(_ fields: Fields) -> Order? {
        var filter = DeliveryStore.Filter()
        filter.integrationID = fields.optional("integration_id") { $0.identifier(IntegrationKind.self) }
        filter.disposition = fields.optional("outcome") { field in
            field.word(of: Delivery.Disposition.allCases.map(\.name)) { Delivery.Disposition(name: $0) }
        }
        filter.reason = fields.optional("reason") { field in
            field.word(of: Delivery.reasons) { Delivery.reasons.contains($0) ? Text($0) : nil }
        }
        // To take what source rules keep out is a decision of its own.
        filter.leavesKeptOut = filter.reason == nil
        filter.since = fields.optional("since") { $0.time() }
        filter.until = fields.optional("until") { $0.time() }
        let cursor = fields.optional("cursor") { field -> DeliveryID? in
            let text = field.json.string?.text ?? ""
            return Cursor.decode(text, DeliveryKind.self)
                ?? field.refuse("is not a cursor of this operation: take next_cursor of the answer before")
        }
        let limit = fields.optional("limit", or: 100) { $0.integer(in: 1...500) }
        guard let limit else { return nil }
        return Order(filter: filter, after: cursor, limit: Int(limit))
    }

    /// The oldest first, each as if it were asked for alone; one that can't be replayed is told of and the others go on.
    private func replay(
        _ order: Order,
        _ mutation: MutationRequest,
        _ context: AccountContext
    ) async throws -> Progress {
        let page = try await store.deliveries.oldest(
            after: order.after,
            limit: order.limit,
            filter: order.filter,
            in: context.account.number
        )
        var progress = Progress(next: page.next)
        for delivery in page.items {
            do {
                let (_, applied) = try await replayed(delivery.id, mutation, context)
                progress.replayed += 1
                progress.applied += applied
            } catch let error as StoreError {
                let problem = Problem(error)
                progress.failures.append((delivery.id, problem.code, problem.detail))
            } catch let problem as Problem where progress.replayed + progress.failures.count > 0 {
                // The store can't take more at present: what was done is told, and where to go on.
                progress.failures.append((delivery.id, problem.code, problem.detail))
                progress.next = delivery.id.predecessor
                return progress
            }
        }
        return progress
    }

    private func write(_ progress: Progress, _ object: inout JSONWriter) {
        object.field("replayed", progress.replayed)
        object.field("applied", progress.applied)
        object.array("failures") { list in
            for failure in progress.failures {
                list.object {
                    $0.field("delivery_id", failure.id)
                    $0.field("code", failure.code.rawValue)
                    $0.field("detail", failure.detail)
                }
            }
        }
        object.field("next_cursor", progress.next.map { Cursor.encode($0) })
    }
}
