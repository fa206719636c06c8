import Domain
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/integrations/{integration_id}/backtest`
struct BacktestEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("integrations/{integration_id}/backtest")
            .operation(.post, .tenantData(.editor), use: backtest)
    }

    private struct Order: Sendable {
        let draft: Simulation.Draft
        let limit: Int
        let since: UnixTime?
    }

    @Sendable
    func backtest(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let id = try context.id("integration_id", IntegrationKind.self)
        let order = try await JSONBody.decode(request, context, store, order)
        let result = try await store.backtest(
            order.draft,
            integration: id,
            limit: order.limit,
            since: order.since,
            in: context.account.number
        )
        return Answer.object { write(result, &$0) }
    }

    private func order(_ fields: Fields) -> Order? {
        let routes = fields.optional("routes") { $0.array(count: 0...Limits.routes, RouteFields.entry) }
        let table = fields.optional("severity_table") { $0.object(SeverityTableFields.table) }
        let limit = fields.optional("deliveries", or: 200) { $0.integer(in: 1...Int64(Backtest.most)) }
        let since = fields.optional("since") { $0.time() }
        guard let limit else { return nil }
        return Order(
            draft: Simulation.Draft(routes: routes, severityTable: table),
            limit: Int(limit),
            since: since
        )
    }

    private func write(_ result: Backtest, _ object: inout JSONWriter) {
        object.field("deliveries", result.deliveries)
        object.field("skipped", result.skipped)
        object.field("events", result.events)
        object.field("changed", result.changed)
        object.field("truncated", result.isCut)
        object.field("oldest_at", result.span?.lowerBound)
        object.field("newest_at", result.span?.upperBound)
        object.array("counts") { list in
            for count in result.counts {
                list.object {
                    $0.field("channel_id", count.channelID)
                    $0.field("severity", count.severity.name)
                    $0.field("before", count.before)
                    $0.field("after", count.after)
                }
            }
        }
        object.array("examples") { list in
            for example in result.examples {
                list.object { object in
                    object.field("delivery_id", example.deliveryID)
                    object.field("received_at", example.receivedAt)
                    object.field("alert_key", example.alertKey)
                    object.field("title", example.title)
                    object.object("before") { write(example.before, &$0) }
                    object.object("after") { write(example.after, &$0) }
                }
            }
        }
    }

    private func write(_ side: Backtest.Side, _ object: inout JSONWriter) {
        object.field("severity", side.severity.name)
        object.array("channel_ids") { list in for id in side.channelIDs { list.value(id.description) } }
    }
}
