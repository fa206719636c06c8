/// What to do with what waits for one notifier. Pure.
///
/// - Of several changes of one alert only the latest is told: nobody reads "firing" after "recovered".
/// - While a digest waits, what came after it waits too; when the digest has to be tried again it is made anew, with that.
package struct OutboxPlan: Sendable, Equatable {
    /// What waits, as far as planning needs it.
    package struct Item: Sendable, Equatable {
        package let id: NotificationID
        /// nil: a digest.
        package let alertID: AlertID?
        /// When it may be tried.
        package let nextAt: UnixTime
        package let attempts: Int

        package init(id: NotificationID, alertID: AlertID?, nextAt: UnixTime, attempts: Int) {
            self.id = id
            self.alertID = alertID
            self.nextAt = nextAt
            self.attempts = attempts
        }
    }

    /// One that is not told because another says more recent things.
    package struct Superseded: Sendable, Equatable {
        package let id: NotificationID
        package let by: NotificationID

        package init(id: NotificationID, by: NotificationID) {
            self.id = id
            self.by = by
        }
    }

    /// A digest to make of everything that waits.
    package struct NewDigest: Sendable, Equatable {
        /// The digest that it takes the place of.
        package let replaces: Item?

        package init(replaces: Item?) {
            self.replaces = replaces
        }
    }

    package private(set) var superseded: [Superseded] = []
    /// To be sent now, in this order.
    package private(set) var sends: [Item] = []
    package private(set) var digest: NewDigest?
    /// When to look again, if nothing else happens; nil: nothing waits.
    package private(set) var nextAt: UnixTime?

    /// Whether there is something to do now.
    package var isIdle: Bool { sends.isEmpty && digest == nil }

    /// Plans for what waits at `now`, in the order of ids.
    package init(
        _ items: [Item],
        breaker: EndpointBreaker,
        storm: inout StormGauge,
        at now: UnixTime
    ) {
        let latest = supersede(items)
        let pending = items.last { $0.alertID == nil }
        if case .none(let until) = breaker.allowance(at: now) {
            nextAt = items.isEmpty ? nil : until
            return
        }
        if let pending {
            planDigest(pending, hasMore: !latest.isEmpty, at: now)
            return
        }
        let due = latest.filter { $0.nextAt <= now }
        let later = latest.filter { $0.nextAt > now }.map(\.nextAt).min()
        nextAt = later
        guard !due.isEmpty else { return }
        if breaker.allowance(at: now) == .one {
            sends = [due[0]]
            return
        }
        switch storm.advice(waiting: due.count, at: now) {
        case .single(let count): sends = Array(due.prefix(count))
        case .digest: digest = NewDigest(replaces: nil)
        case .hold(let until): nextAt = later.map { min($0, until) } ?? until
        }
    }

    private mutating func planDigest(_ pending: Item, hasMore: Bool, at now: UnixTime) {
        guard pending.nextAt <= now else {
            nextAt = pending.nextAt
            return
        }
        if pending.attempts > 0, hasMore {
            digest = NewDigest(replaces: pending)
        } else {
            sends = [pending]
        }
    }

    /// The latest item of each alert, in the order of ids; the others are superseded by it.
    private mutating func supersede(_ items: [Item]) -> [Item] {
        var last: [AlertID: NotificationID] = [:]
        for item in items {
            if let alert = item.alertID { last[alert] = item.id }
        }
        var latest: [Item] = []
        for item in items {
            guard let alert = item.alertID, let newest = last[alert] else { continue }
            if newest == item.id {
                latest.append(item)
            } else {
                superseded.append(Superseded(id: item.id, by: newest))
            }
        }
        return latest
    }
}
