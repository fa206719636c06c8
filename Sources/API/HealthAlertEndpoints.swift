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
        let found = try await store.healthAlerts.find(in: context.account.number)
        if ETag.isCurrent(found.version, for: request) { return ETag.notModified(found.version) }
        return Answer.response(answer(found, context))
    }

    @Sendable
    func putHealthAlerts(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let channel = try await mutation.decode(store) { fields -> Change<ChannelID> in
            if !fields.has("channel_id") { fields.refuse("channel_id", "is required; null turns them off") }
            return fields.clearable("channel_id") { $0.identifier(ChannelKind.self) }
        }.applied(to: nil)
        return try await mutation.perform(store) { change in
            answer(try store.healthAlerts.put(channel, if: mutation.precondition, change), context)
        }
    }

    private func answer(_ chosen: HealthAlertStore.Choice, _ context: AccountContext) -> RecordedAnswer {
        Answer.change(version: chosen.version) { object in
            object.field("account_id", context.account.id)
            object.field("channel_id", chosen.channel)
        }
    }
}
