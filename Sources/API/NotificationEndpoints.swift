import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/notifications`, and why people were told of an event or not.
struct NotificationEndpoints {
    let store: Store

    private static let replayDefault = 100

    func add(to account: RouterGroup<AccountContext>) {
        account.group("notifications").operation(.get, .tenantData(.viewer), use: listNotifications)
        account.group("notifications/replay").operation(.post, .tenantData(.editor), use: replayNotifications)
        account.group("notifications/{notification_id}")
            .operation(.get, .tenantData(.viewer), use: getNotification)
        account.group("notifications/{notification_id}/replay")
            .operation(.post, .tenantData(.editor), use: replayNotification)
        account.group("events/{event_id}/notifications")
            .operation(.get, .tenantData(.viewer), use: explainEvent)
    }

    @Sendable
    func listNotifications(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.page(NotificationKind.self)
        var filter = NotificationStore.Filter()
        filter.notifierID = query.identifier("notifier_id")
        filter.channelID = query.identifier("channel_id")
        filter.alertID = query.identifier("alert_id")
        filter.eventID = query.identifier("event_id")
        filter.digestID = query.identifier("digest_id")
        filter.state = query.read("state", "must be waiting, sent, superseded, digested or dead") {
            Notification.State(name: $0)
        }
        filter.change = query.read("change", "must be opened, updated, recovered, closed or digest") {
            $0 == "digest" ? .some(nil) : AlertChange(name: $0).map { .some($0) }
        }
        filter.since = query.time("since")
        filter.until = query.time("until")
        try query.finish()
        let found = try await store.notifications.list(page, filter: filter, in: context.account.number)
        return Answer.page(found, id: \.id) { $1.notification($0, of: context.account.id) }
    }

    @Sendable
    func getNotification(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let found = try await store.notifications.find(
            context.id("notification_id"),
            in: context.account.number
        )
        return Answer.object { $0.detail(found, context) }
    }

    @Sendable
    func replayNotification(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store, holding: .usage) { change in
            let replayed = try store.notifications.replay(
                context.id("notification_id"),
                change
            )
            return Answer.change(.accepted) { $0.detail(replayed, context) }
        }
    }

    @Sendable
    func replayNotifications(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let range = try await mutation.decode(store, range)
        try await store.notifiers.check(range.notifier, at: "/notifier_id", in: context.account.number)
        return try await mutation.perform(store, holding: .usage) { change in
            let count = try store.notifications.replayDead(
                of: range.notifier,
                since: range.since,
                until: range.until,
                limit: range.limit,
                change
            )
            return Answer.change(.accepted) { $0.field("replayed", count) }
        }
    }

    /// Which dead notifications are to be sent again.
    private struct Range {
        let notifier: NotifierID
        let since: UnixTime?
        let until: UnixTime?
        let limit: Int
    }

    private func range(_ fields: Fields) -> Range? {
        let notifier = fields.required("notifier_id") { $0.identifier(NotifierIDKind.self) }
        let since = fields.nullable("since") { $0.time() }
        let until = fields.nullable("until") { $0.time() }
        let limit = fields.optional("limit", or: Int64(Self.replayDefault)) {
            $0.integer(in: 1...Int64(NotificationStore.replayLimit))
        }
        guard let notifier, let limit else { return nil }
        return Range(notifier: notifier, since: since, until: until, limit: Int(limit))
    }

    // MARK: Why, and why not

    @Sendable
    func explainEvent(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let account = context.account.number
        let explanations = try await store.notifications.explain(context.id("event_id"), in: account)
        var failingSince: [NotifierID: UnixTime] = [:]
        for waiting in explanations.compactMap(\.notification) where waiting.state == .waiting {
            let health = try await health(of: waiting, in: account)
            failingSince[waiting.notifierID] = health?.failingSince
        }
        return Answer.object { object in
            object.array("items") { list in
                for explanation in explanations {
                    let since = explanation.notifierID.flatMap { failingSince[$0] }
                    list.object { $0.explanation(explanation, failingSince: since) }
                }
            }
        }
    }

    /// How the receiver of what waits is doing; nil once its notifier is deleted.
    private func health(
        of waiting: Notification,
        in account: AccountNumber
    ) async throws -> NotifierStore.Health? {
        do {
            return try await store.notifiers.find(waiting.notifierID, of: waiting.channelID, in: account)
                .health
        } catch StoreError.notFound {
            return nil
        }
    }
}
