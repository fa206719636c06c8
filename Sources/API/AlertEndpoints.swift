import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/alerts`
struct AlertEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("alerts").operation(.get, .tenantData(.viewer), use: listAlerts)
        account.group("alerts/{alert_id}").operation(.get, .tenantData(.viewer), use: getAlert)
        account.group("alerts/{alert_id}/close").operation(.post, .tenantData(.editor), use: closeAlert)
    }

    @Sendable
    func listAlerts(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.page(AlertKind.self)
        var filter = AlertStore.Filter()
        filter.channelID = query.identifier("channel_id")
        filter.integrationID = query.identifier("integration_id")
        filter.severity = query.severity()
        filter.status = query.status()
        filter.alertKey = query.one("alert_key").map { Text($0) }
        filter.labels = query.labels()
        filter.title = query.one("q").map { Text($0) }
        filter.isActive = query.flag("active")
        filter.since = query.time("since")
        filter.until = query.time("until")
        try query.finish()
        let alerts = try await store.alerts.list(page, filter: filter, in: context.account.number)
        return Answer.page(alerts, id: \.alert.id) { write($0, context, &$1) }
    }

    @Sendable
    func getAlert(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let shown = try await store.alerts.find(context.id("alert_id"), in: context.account.number)
        return Answer.object { write(shown, context, &$0) }
    }

    @Sendable
    func closeAlert(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store, holding: .usage) { change in
            let shown = try store.alerts.close(
                context.id("alert_id"),
                change
            )
            return Answer.change { write(shown, context, &$0) }
        }
    }

    private func write(_ shown: AlertStore.Shown, _ context: AccountContext, _ object: inout JSONWriter) {
        let alert = shown.alert
        object.field("id", alert.id)
        object.field("account_id", context.account.id)
        object.field("channel_id", alert.channelID)
        object.field("integration_id", alert.integrationID)
        object.field("alert_key", alert.alertKey)
        object.content(shown.content)
        object.field("severity", alert.severity.name)
        object.field("max_severity", alert.maxSeverity.name)
        object.field("status", alert.status)
        object.field("first_seen_at", alert.firstSeenAt)
        object.field("last_seen_at", alert.lastSeenAt)
        object.field("starts_at", alert.begunAt)
        object.field("ends_at", alert.endsAt)
        write(alert.phase, &object)
        object.field("event_count", alert.eventCount)
    }

    private func write(_ phase: Alert.Phase, _ object: inout JSONWriter) {
        var (recoveredAt, closedAt): (UnixTime?, UnixTime?) = (nil, nil)
        var closedBy: APIKeyID?
        switch phase {
        case .open: break
        case .recovered(let at): recoveredAt = at
        case .closed(let at, let by): (closedAt, closedBy) = (at, by)
        }
        object.field("recovered_at", recoveredAt)
        object.field("closed_at", closedAt)
        object.field("closed_by", closedBy)
    }
}
