import Domain
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/deliveries`
struct DeliveryEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("deliveries")
            .operation(.get, .tenantData(.viewer), use: listDeliveries)
        account.group("deliveries/{delivery_id}")
            .operation(.get, .tenantData(.viewer), use: getDelivery)
    }

    @Sendable
    func listDeliveries(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.page(DeliveryKind.self)
        var filter = DeliveryStore.Filter()
        filter.integrationID = query.identifier("integration_id")
        filter.disposition = query.read("outcome", "must be accepted, test, quarantined or refused") {
            Delivery.Disposition(name: $0)
        }
        let reasons = "must be one of " + Delivery.reasons.joined(separator: ", ")
        filter.reason = query.read("reason", reasons) { Delivery.reasons.contains($0) ? Text($0) : nil }
        filter.since = query.time("since")
        filter.until = query.time("until")
        try query.finish()
        let deliveries = try await store.deliveries.list(page, filter: filter, in: context.account.number)
        return Answer.page(deliveries, id: \.id) { write($0, context, &$1) }
    }

    @Sendable
    func getDelivery(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.results()
        try query.finish()
        let detail = try await store.deliveries.find(
            context.id("delivery_id"),
            in: context.account.number,
            from: page.range.lowerBound,
            limit: page.range.count
        )
        return Answer.object { write(detail, context, &$0) }
    }

    private func write(_ delivery: Delivery, _ context: AccountContext, _ object: inout JSONWriter) {
        object.field("id", delivery.id)
        object.field("account_id", context.account.id)
        object.field("integration_id", delivery.integrationID)
        object.field("received_at", delivery.receivedAt)
        object.field("outcome", delivery.disposition.name)
        object.field("reason", delivery.reason)
        object.field("event_count", delivery.eventCount)
        object.field("size", delivery.size)
        object.field("content_type", delivery.contentType)
        object.field("remote_address", delivery.remoteAddress)
        object.field("replayed_at", delivery.replayedAt)
        object.field("pending_event_count", delivery.appliedTo.map { max(0, delivery.eventCount - $0) } ?? 0)
    }

    func write(_ detail: DeliveryStore.Detail, _ context: AccountContext, _ object: inout JSONWriter) {
        write(detail.delivery, context, &object)
        if let body = detail.body {
            let isText = UTF8Scan.isValidUTF8(body) && Self.isShortAsText(body)
            if isText {
                object.field("body", utf8: body)
            } else {
                object.field("body", Data(body).base64EncodedString())
            }
            object.field("body_encoding", isText ? "utf-8" : "base64")
        } else {
            object.null("body")
            object.null("body_encoding")
        }
        // A replay has all of them.
        let results = detail.results.prefix(ResultPage.most)
        object.results(results, first: detail.first, total: detail.total)
    }

    /// Whether a text is no longer as a JSON string than the largest body in base64: one of control characters can be six times as long as
    /// it was.
    private static func isShortAsText(_ body: [UInt8]) -> Bool {
        let most = Limits.pushBytes / 3 * 4 + 4
        guard body.count > most / 6 else { return true }
        var count = body.count
        for byte in body {
            if byte < 0x20 { count += 5 } else if byte == 0x22 || byte == 0x5C { count += 1 }
        }
        return count <= most
    }
}
