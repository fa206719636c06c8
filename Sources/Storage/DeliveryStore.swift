import Domain
import SQL

/// The deliveries of accounts.
package struct DeliveryStore: Sendable {
    let store: Store

    private static let columns = """
        d.id, d.integration_id, d.received_at, d.disposition, d.reason, d.event_count, d.size, d.content_type, d.remote_address,
        d.replayed_at, p.applied_to
        """
    private static let from = """
        FROM deliveries d LEFT JOIN pending_deliveries p ON p.account_id = $1 AND p.delivery_id = d.id
        """
    static let find = SQLStatement(
        "SELECT \(columns), d.body, d.decisions, d.outcomes \(from) WHERE d.account_id = $1 AND d.id = $2"
    )
    static let list = SQLStatement(
        "SELECT \(columns) \(from) WHERE d.account_id = $1 AND d.id < $2 ORDER BY d.id DESC LIMIT $3"
    )
    static let listOldest = SQLStatement(
        "SELECT \(columns) \(from) WHERE d.account_id = $1 AND d.id > $2 ORDER BY d.id LIMIT $3"
    )
    static let integration = SQLStatement("SELECT number FROM integrations WHERE account_id = $1 AND id = $2")

    static let statements = [find, list, listOldest, integration]

    /// A delivery with all that is kept of it.
    package struct Detail: Sendable {
        package let delivery: Delivery
        /// As received; nil once it is no longer kept.
        package let body: [UInt8]?
        /// In the order of its events, or some of them; empty when it has none.
        package let results: [EventResult]
        /// The place of the first of them among all.
        package let first: Int
        /// How many there are in all.
        package let total: Int

        package init(
            delivery: Delivery,
            body: [UInt8]?,
            results: [EventResult],
            first: Int = 0,
            total: Int? = nil
        ) {
            self.delivery = delivery
            self.body = body
            self.results = results
            self.first = first
            self.total = total ?? results.count
        }
    }

    /// Which deliveries a list shows; nil lets everything through.
    package struct Filter: Sendable {
        package var integrationID: IntegrationID?
        package var disposition: Delivery.Disposition?
        package var reason: Text?
        /// Without what source rules keep out.
        package var leavesKeptOut = false
        /// Received at or after.
        package var since: UnixTime?
        /// Received before.
        package var until: UnixTime?

        package init() {}

        var isEmpty: Bool {
            integrationID == nil && disposition == nil && reason == nil && !leavesKeptOut && since == nil
                && until == nil
        }

        func matches(_ delivery: Delivery) -> Bool {
            if let integrationID, delivery.integrationID != integrationID { return false }
            if let disposition, delivery.disposition != disposition { return false }
            if let reason, delivery.reason != reason { return false }
            if leavesKeptOut, delivery.isKeptOut { return false }
            if let since, delivery.receivedAt < since { return false }
            if let until, delivery.receivedAt >= until { return false }
            return true
        }
    }

    /// The delivery, with the results of its events from the one at `position` on, at most `limit`. Throws `notFound`.
    package func find(
        _ id: DeliveryID,
        in account: AccountNumber,
        from position: Int = 0,
        limit: Int = Limits.alertsPerPush
    ) async throws -> Detail {
        try await store.database.read(.of(account)) { connection in
            var whole: [EventResult] = []
            let found = try connection.row(Self.find, [.account(account), .id(id)]) {
                row throws(SQLError) -> (Delivery, [UInt8]?) in
                let outcomes = row.isNull(13) ? [] : EventOutcome.decode(row.bytes(13)) ?? []
                if !row.isNull(12) {
                    whole = DecisionRecord.unpack(row.bytes(12), outcomes: outcomes) ?? []
                }
                let body = row.isNull(11) ? nil : Packing.unpack(row.bytes(11))
                return (try Self.decode(row), body)
            }
            guard let (delivery, body) = found else { throw StoreError.notFound }
            let end = position + min(limit, max(0, delivery.eventCount - position))
            let results = try Self.results(of: id, position..<end, whole, in: account, on: connection)
            let hasAll = position + results.count == end
            return Detail(
                delivery: delivery,
                body: body,
                results: results,
                first: position,
                total: hasAll ? delivery.eventCount : position + results.count
            )
        }
    }

    /// The results at `positions`: those that were written in slices, and of the rest those that the delivery has itself.
    private static func results(
        of id: DeliveryID,
        _ positions: Range<Int>,
        _ whole: [EventResult],
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [EventResult] {
        guard !positions.isEmpty else { return [] }
        let rows = positions.count / DeliverySlices.size + 2
        let slices = try DeliverySlices.results(
            of: id,
            from: positions.lowerBound,
            rows: rows,
            in: account,
            on: connection
        )
        var results: [EventResult] = []
        var sliced = Dictionary(slices.map { ($0.position, $0.results) }) { $1 }
        for position in positions {
            let row = position - position % DeliverySlices.size
            if let found = sliced[row], position - row < found.count {
                results.append(found[position - row])
            } else if position < whole.count {
                results.append(whole[position])
            } else {
                break
            }
            if position - row == DeliverySlices.size - 1 { sliced[row] = nil }
        }
        return results
    }

    /// A page of the deliveries, the last stored first.
    package func list(
        _ request: PageRequest<DeliveryKind>,
        filter: Filter,
        in account: AccountNumber
    ) async throws -> Page<Delivery, DeliveryKind> {
        let oldest = filter.since.map { DeliveryID.lowest(at: $0) }
        return try await PageScan.page(
            request,
            isFiltered: !filter.isEmpty,
            id: \.id,
            oldest: oldest,
            in: account,
            of: store.database
        ) { connection, before, limit in
            try connection.rows(Self.list, [.account(account), .id(before), .int(limit)], Self.decode)
        } matches: {
            filter.matches($0)
        }
    }

    /// Deliveries stored after `after`, the first stored first, and where to go on; nil: there are no more.
    package func oldest(
        after: DeliveryID?,
        limit: Int,
        filter: Filter,
        in account: AccountNumber
    ) async throws -> (items: [Delivery], next: DeliveryID?) {
        let start = filter.since.map { DeliveryID.lowest(at: $0.adding(seconds: -1)) }
        var place = max(after ?? DeliveryID(high: 0, low: 0), start ?? DeliveryID(high: 0, low: 0))
        var (items, scanned): ([Delivery], Int) = ([], 0)
        while scanned < PageScan.budget {
            let from = place
            let rows = try await store.database.read(.of(account)) { connection in
                try connection.rows(
                    Self.listOldest,
                    [.account(account), .id(from), .int(500)],
                    Self.decode
                )
            }
            for row in rows {
                if items.count == limit { return (items, place) }
                place = row.id
                if filter.matches(row) { items.append(row) }
            }
            if rows.count < 500 { return (items, nil) }
            scanned += rows.count
        }
        return (items, place)
    }

    /// The number of an integration; nil when there is no such integration.
    package func number(
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws -> IntegrationNumber? {
        try await store.database.read(.of(account)) { connection in
            try connection.row(Self.integration, [.account(account), .id(integration)]) {
                row throws(SQLError) in
                IntegrationNumber(UInt32(truncatingIfNeeded: row.integer(0)))
            }
        }
    }

    private static func decode(_ row: any SQLRow) throws(SQLError) -> Delivery {
        Delivery(
            id: try row.id(0),
            integrationID: try row.id(1),
            receivedAt: row.time(2),
            disposition: try row.code(3, as: Delivery.Disposition.self),
            reason: row.optionalText(4),
            eventCount: row.int(5),
            size: row.int(6),
            contentType: row.optionalText(7),
            remoteAddress: row.optionalText(8),
            replayedAt: row.optionalTime(9),
            appliedTo: row.isNull(10) ? nil : row.int(10)
        )
    }
}
