/// For how many days an account keeps what it received and what was done in it.
///
/// - Ranges: `bodyDays` <= `eventDays` <= `alertDays`, so that an event's delivery keeps its body no longer than itself, and an alert stays
///   as long as the events that made it.
/// - Source: openapi.yaml, schema `Retention`.
package struct Retention: Sendable, Equatable {
    /// Raw bodies of deliveries.
    package let bodyDays: Int
    /// Events, notifications, and deliveries without their bodies.
    package let eventDays: Int
    /// Alerts after they ended; open ones stay.
    package let alertDays: Int
    /// The record of what was done.
    package let auditDays: Int

    package init(bodyDays: Int, eventDays: Int, alertDays: Int, auditDays: Int) {
        self.bodyDays = bodyDays
        self.eventDays = eventDays
        self.alertDays = alertDays
        self.auditDays = auditDays
    }

    /// What an account has unless the operator says otherwise.
    package static let standard = Retention(bodyDays: 7, eventDays: 30, alertDays: 90, auditDays: 400)

    /// What each may be, whatever the others are.
    package enum Range {
        package static let body: ClosedRange<Int64> = 1...400
        package static let event: ClosedRange<Int64> = 1...400
        package static let alert: ClosedRange<Int64> = 1...4_000
        package static let audit: ClosedRange<Int64> = 30...4_000
    }

    /// Before these moments nothing is kept.
    package func bounds(at now: UnixTime) -> Bounds {
        func before(_ days: Int) -> UnixTime { now.adding(seconds: -86_400 * Int64(days)) }
        return Bounds(
            body: before(bodyDays),
            event: before(eventDays),
            alert: before(alertDays),
            audit: before(auditDays)
        )
    }

    /// A row that was stored, or an alert that ended, before its moment is due; one of that very millisecond is kept.
    package struct Bounds: Sendable, Equatable {
        package let body: UnixTime
        package let event: UnixTime
        package let alert: UnixTime
        package let audit: UnixTime
    }
}
