import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/health-alerts`: the channel that hears of Tocsin's own troubles.
struct HealthAlertEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("health-alerts")
            .operation(.get, .configuration(.viewer), use: getHealthAlerts)
            .operation(.put, .configuration(.editor), use: putHealthAlerts)
    }

    @Sendable
    func getHealthAlerts(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        return answer(try await store.healthAlerts.find(in: context.account.number), context)
    }

    @Sendable
    func putHealthAlerts(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let channel = try await JSONBody.decode(request) { fields -> Change<ChannelID> in
            if !fields.has("channel_id") { fields.refuse("channel_id", "is required; null turns them off") }
            return fields.clearable("channel_id") { $0.identifier(ChannelKind.self) }
        }.applied(to: nil)
        try await store.healthAlerts.put(channel, in: context.account.number, by: context.actor)
        return answer(channel, context)
    }

    private func answer(_ channel: ChannelID?, _ context: AccountContext) -> Response {
        Answer.object { object in
            object.field("account_id", context.account.id)
            object.field("channel_id", channel)
        }
    }
}
