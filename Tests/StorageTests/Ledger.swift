import Domain
import SQL
import Storage

/// Checks that deliveries, events, alerts and the usage of accounts tell the same story.
struct Ledger {
    private struct Stored {
        let account: Int64
        let eventCount: Int
        let outcomes: [EventOutcome]
        let lastEvent: EventID?
    }

    private var deliveries: [DeliveryID: Stored] = [:]
    private var events: [EventID: (delivery: DeliveryID, position: Int)] = [:]
    private var alerts: [AlertID: Int64] = [:]
    /// What does not fit, in words.
    private(set) var findings: [String] = []
    /// The outcomes of each delivery, by the content type that marks it.
    private(set) var marked: [String: [EventOutcome]] = [:]

    init(of place: StorePlace) throws {
        let connection = try place.inspector()
        try readDeliveries(connection)
        try readRest(connection)
        try checkUsage(connection)
        try checkDays(connection)
        checkAlerts()
        checkEvents()
    }

    private mutating func readDeliveries(_ connection: any SQLConnection) throws {
        let select = SQLStatement(
            "SELECT account_id, id, event_count, outcomes, last_event_id, content_type FROM deliveries"
        )
        var unreadable = 0
        try connection.forEachRow(select, []) { row throws(SQLError) in
            guard let id = DeliveryID(bytes: row.bytes(1)[...]),
                let outcomes = row.isNull(3) ? [] : EventOutcome.decode(row.bytes(3))
            else {
                unreadable += 1
                return true
            }
            deliveries[id] = Stored(
                account: row.integer(0),
                eventCount: Int(row.integer(2)),
                outcomes: outcomes,
                lastEvent: row.isNull(4) ? nil : EventID(bytes: row.bytes(4)[...])
            )
            marked[String(decoding: row.bytes(5), as: UTF8.self)] = outcomes
            return true
        }
        if unreadable > 0 { findings.append("\(unreadable) deliveries can't be read") }
    }

    private mutating func readRest(_ connection: any SQLConnection) throws {
        try connection.forEachRow(SQLStatement("SELECT id, delivery_id, position FROM events"), []) {
            row throws(SQLError) in
            if let id = EventID(bytes: row.bytes(0)[...]), let delivery = DeliveryID(bytes: row.bytes(1)[...])
            {
                events[id] = (delivery, Int(row.integer(2)))
            }
            return true
        }
        try connection.forEachRow(SQLStatement("SELECT id, event_count FROM alerts"), []) {
            row throws(SQLError) in
            if let id = AlertID(bytes: row.bytes(0)[...]) { alerts[id] = row.integer(1) }
            return true
        }
    }

    private mutating func checkUsage(_ connection: any SQLConnection) throws {
        let select = SQLStatement(
            """
            SELECT stored_bytes,
                (SELECT COALESCE(SUM(length(body)), 0) FROM deliveries d WHERE d.account_id = u.account_id)
            FROM account_usage u
            """
        )
        try connection.forEachRow(select, []) { row throws(SQLError) in
            if row.integer(0) != row.integer(1) {
                findings.append("\(row.integer(1)) bytes are kept, \(row.integer(0)) are counted")
            }
            return true
        }
    }

    /// By day, pushes are the deliveries, bytes and events theirs: in these tests none of them is replayed into another number of events.
    private mutating func checkDays(_ connection: any SQLConnection) throws {
        let select = SQLStatement(
            """
            SELECT a.account_id,
                (SELECT COALESCE(SUM(pushes), 0) || ' ' || COALESCE(SUM(bytes), 0) || ' ' || COALESCE(SUM(events), 0)
                    FROM usage_days u WHERE u.account_id = a.account_id),
                (SELECT COUNT(*) || ' ' || COALESCE(SUM(size), 0) || ' ' || COALESCE(SUM(event_count), 0)
                    FROM deliveries d WHERE d.account_id = a.account_id)
            FROM accounts a
            """
        )
        try connection.forEachRow(select, []) { row throws(SQLError) in
            let (told, stored) = (row.bytes(1), row.bytes(2))
            if told != stored {
                let texts = [told, stored].map { String(decoding: $0, as: UTF8.self) }
                findings.append("usage tells \(texts[0]) pushes, bytes, events; deliveries \(texts[1])")
            }
            return true
        }
    }

    /// Each alert counts the events that took effect in it, and those alone.
    private mutating func checkAlerts() {
        var counts: [AlertID: Int64] = [:]
        for delivery in deliveries.values {
            if delivery.outcomes.count != delivery.eventCount {
                findings.append(
                    "a delivery of \(delivery.eventCount) events has \(delivery.outcomes.count) outcomes"
                )
            }
            for channel in delivery.outcomes.flatMap(\.channels) where channel.outcome.isEffective {
                if let alert = channel.alertID { counts[alert, default: 0] += 1 }
            }
        }
        if counts != alerts { findings.append("outcomes tell \(counts) events, alerts \(alerts)") }
    }

    /// Each event that said something new has a row, and each row a delivery.
    private mutating func checkEvents() {
        var rows: [DeliveryID: Set<Int>] = [:]
        for event in events.values { rows[event.delivery, default: []].insert(event.position) }
        for (id, delivery) in deliveries {
            let told = Set(
                delivery.outcomes.indices.filter { delivery.outcomes[$0].outcome != .duplicate }
            )
            if rows.removeValue(forKey: id) ?? [] != told { findings.append("events of \(id) do not fit") }
            if let last = delivery.lastEvent, events[last]?.delivery != id {
                findings.append("the last event of \(id) is missing")
            }
        }
        if !rows.isEmpty { findings.append("\(rows.count) deliveries of events are missing") }
    }
}
