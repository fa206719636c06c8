import Domain
import SQL

/// The events of accounts.
package struct EventStore: Sendable {
    let store: Store

    private static let columns = """
        e.id, e.delivery_id, e.integration_id, e.alert_key, e.severity, e.is_recovery, e.is_guessed, e.occurred_at,
        e.received_at, e.content, e.outcome
        """
    static let find = SQLStatement(
        """
        SELECT \(columns), e.position, d.decisions, d.outcomes, s.decisions, s.outcomes FROM events e
        LEFT JOIN deliveries d ON d.account_id = $1 AND d.id = e.delivery_id
        LEFT JOIN delivery_slices s ON s.account_id = $1 AND s.delivery_id = e.delivery_id
            AND s.position = e.position - e.position % \(DeliverySlices.size)
        WHERE e.account_id = $1 AND e.id = $2
        """
    )
    static let list = SQLStatement(
        "SELECT \(columns) FROM events e WHERE e.account_id = $1 AND e.id < $2 ORDER BY e.id DESC LIMIT $3"
    )
    static let listOfKey = SQLStatement(
        """
        SELECT \(columns) FROM events e
        WHERE e.account_id = $1 AND e.alert_key = $4 AND e.id < $2 ORDER BY e.id DESC LIMIT $3
        """
    )
    static let alertKey = SQLStatement("SELECT alert_key FROM alerts WHERE account_id = $1 AND id = $2")
    static let lastOfDelivery = SQLStatement(
        "SELECT last_event_id FROM deliveries WHERE account_id = $1 AND id = $2"
    )

    static let statements = [find, list, listOfKey, alertKey, lastOfDelivery]

    /// An event with the steps that led to its outcome.
    package struct Traced: Sendable {
        package let event: Event
        package let trace: [TraceStep]

        package init(event: Event, trace: [TraceStep]) {
            self.event = event
            self.trace = trace
        }
    }

    /// Which events a list shows; nil lets everything through.
    package struct Filter: Sendable {
        package var integrationID: IntegrationID?
        package var channelID: ChannelID?
        package var alertID: AlertID?
        package var deliveryID: DeliveryID?
        package var alertKey: Text?
        package var severity: Severity?
        /// A severity's name, or `Ok`.
        package var status: String?
        /// Received at or after.
        package var since: UnixTime?
        /// Received before.
        package var until: UnixTime?

        package init() {}

        var isEmpty: Bool {
            integrationID == nil && channelID == nil && alertID == nil && deliveryID == nil && severity == nil
                && status == nil && since == nil && until == nil
        }

        func matches(_ event: Event) -> Bool {
            if let integrationID, event.integrationID != integrationID { return false }
            if let deliveryID, event.deliveryID != deliveryID { return false }
            if let alertKey, event.alertKey != alertKey { return false }
            if let severity, event.severity != severity { return false }
            if let status, event.status != status { return false }
            if let since, event.receivedAt < since { return false }
            if let until, event.receivedAt >= until { return false }
            if channelID == nil && alertID == nil { return true }
            return event.outcome.channels.contains { channel in
                (channelID == nil || channel.channelID == channelID)
                    && (alertID == nil || channel.alertID == alertID)
            }
        }
    }

    /// The event. Throws `notFound`.
    package func find(_ id: EventID, in account: AccountNumber) async throws -> Traced {
        try await store.database.read(.of(account)) { connection in
            let traced = try connection.row(Self.find, [.account(account), .id(id)]) { row throws(SQLError) in
                let event = try Self.decode(row)
                let isSliced = !row.isNull(14)
                let outcomes = EventOutcome.decode(row.bytes(isSliced ? 15 : 13)) ?? []
                let results = DecisionRecord.unpack(row.bytes(isSliced ? 14 : 12), outcomes: outcomes) ?? []
                let position = isSliced ? row.int(11) % DeliverySlices.size : row.int(11)
                return Traced(event: event, trace: position < results.count ? results[position].trace : [])
            }
            guard let traced else { throw StoreError.notFound }
            return traced
        }
    }

    /// A page of the events, the last stored first.
    ///
    /// The events of one alert, and of one alert key, are found by the key; those of one delivery lie between it and its last event.
    package func list(
        _ request: PageRequest<EventKind>,
        filter: Filter,
        in account: AccountNumber
    ) async throws -> Page<Event, EventKind> {
        let found = try await store.database.read(.of(account)) { connection in
            try Self.scope(of: filter, request, account, connection)
        }
        guard let scope = found else { return Page(items: [], next: nil) }
        let statement = scope.key == nil ? Self.list : Self.listOfKey
        let key = scope.key.map { [SQLValue.text($0)] } ?? []
        return try await PageScan.page(
            scope.request,
            isFiltered: !filter.isEmpty,
            id: \.id,
            oldest: scope.oldest,
            weight: \.content.byteCount,
            in: account,
            of: store.database
        ) { connection, before, limit in
            try connection.rows(
                statement,
                [.account(account), .id(before), .int(limit)] + key,
                Self.decode
            )
        } matches: {
            filter.matches($0)
        }
    }

    private struct Scope: Sendable {
        var request: PageRequest<EventKind>
        var key: Text?
        var oldest: EventID?
    }

    /// Where to look; nil: there is nothing to see.
    private static func scope(
        of filter: Filter,
        _ request: PageRequest<EventKind>,
        _ account: AccountNumber,
        _ connection: any SQLConnection
    ) throws -> Scope? {
        var scope = Scope(
            request: request,
            key: filter.alertKey,
            oldest: filter.since.map { EventID.lowest(at: $0) }
        )
        if let alert = filter.alertID {
            let key = try connection.row(alertKey, [.account(account), .id(alert)]) { row throws(SQLError) in
                row.text(0)
            }
            guard let key, filter.alertKey == nil || filter.alertKey == key else { return nil }
            scope.key = key
        }
        if let delivery = filter.deliveryID {
            let last = try connection.row(lastOfDelivery, [.account(account), .id(delivery)]) {
                row throws(SQLError) in
                try row.optionalID(0) as EventID?
            }
            guard let last = last ?? nil else { return nil }
            let end = EventID(high: last.high, low: last.low + 1)
            scope.request = PageRequest(limit: request.limit, before: min(request.before ?? end, end))
            scope.oldest = max(
                scope.oldest ?? EventID(high: 0, low: 0),
                EventID(high: delivery.high, low: delivery.low)
            )
        }
        return scope
    }

    private static func decode(_ row: any SQLRow) throws(SQLError) -> Event {
        guard let content = Packing.content(row.bytes(9)),
            let outcome = EventOutcome.decode(row.bytes(10))?.first
        else {
            throw SQLError(.corrupt, code: 0, message: "an event can't be read")
        }
        return Event(
            id: try row.id(0),
            deliveryID: try row.id(1),
            integrationID: try row.id(2),
            alertKey: row.text(3),
            content: content,
            severity: try row.code(4, as: Severity.self),
            isRecovery: row.flag(5),
            isSeverityGuessed: row.flag(6),
            occurredAt: row.time(7),
            receivedAt: row.time(8),
            outcome: outcome
        )
    }
}
