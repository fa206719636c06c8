import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/events`
struct EventEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("events").operation(.get, .tenantData(.viewer), use: listEvents)
        account.group("events/{event_id}").operation(.get, .tenantData(.viewer), use: getEvent)
    }

    @Sendable
    func listEvents(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.page(EventKind.self)
        var filter = EventStore.Filter()
        filter.integrationID = query.identifier("integration_id")
        filter.channelID = query.identifier("channel_id")
        filter.alertID = query.identifier("alert_id")
        filter.deliveryID = query.identifier("delivery_id")
        filter.alertKey = query.one("alert_key").map { Text($0) }
        filter.severity = query.severity()
        filter.status = query.status()
        filter.since = query.time("since")
        filter.until = query.time("until")
        try query.finish()
        let events = try await store.events.list(page, filter: filter, in: context.account.number)
        return Answer.page(events, id: \.id) { write($0, context, &$1) }
    }

    @Sendable
    func getEvent(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let traced = try await store.events.find(context.id("event_id"), in: context.account.number)
        return Answer.object { object in
            write(traced.event, context, &object)
            object.trace(traced.trace)
        }
    }

    private func write(_ event: Event, _ context: AccountContext, _ object: inout JSONWriter) {
        object.field("id", event.id)
        object.field("account_id", context.account.id)
        object.field("delivery_id", event.deliveryID)
        object.field("integration_id", event.integrationID)
        object.field("alert_key", event.alertKey)
        object.content(event.content)
        object.field("severity", event.severity.name)
        object.field("status", event.status)
        object.field("severity_guessed", event.isSeverityGuessed)
        object.field("occurred_at", event.occurredAt)
        object.field("received_at", event.receivedAt)
        object.field("outcome", event.outcome.outcome.name)
        object.array("channels") { list in
            for channel in event.outcome.channels {
                list.object { item in
                    item.field("channel_id", channel.channelID)
                    item.field("alert_id", channel.alertID)
                    item.field("outcome", channel.outcome.name)
                }
            }
        }
    }
}
