/// A recovery of a start that no alert of its key has: its firing may still come, over another connection or
/// a slower path.
///
/// - Rule: it is remembered for five minutes, and the first firing with its start is over the moment it
///   comes. Why: nothing else will end it. Otherwise: an alert that is open for ever.
/// - Rule: one that ended an alert is remembered only where it says that it ended after its start. Why: some
///   senders give every event its own time as the start, and the next one may be the firing of something
///   else. Otherwise: a firing that nobody hears of.
package struct EarlyRecovery: Sendable, Equatable {
    /// Milliseconds for which one is remembered.
    package static let memory: Int64 = 300_000
    /// How many are remembered of an account; the ones after them are not.
    package static let most = 2_000
    /// And of one key: the newest.
    package static let mostOfKey = 8

    package let identity: AlertFold.Identity
    package let startsAt: UnixTime
    package let endsAt: UnixTime?
    package let receivedAt: UnixTime

    package init(
        identity: AlertFold.Identity,
        startsAt: UnixTime,
        endsAt: UnixTime?,
        receivedAt: UnixTime
    ) {
        self.identity = identity
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.receivedAt = receivedAt
    }

    /// Whether it says that what began at `start` is over, to somebody who asks at `now`.
    func ends(_ start: UnixTime?, at now: UnixTime) -> Bool {
        startsAt == start && now.milliseconds - receivedAt.milliseconds <= Self.memory
    }
}

/// The early recoveries of the alerts that a fold touches.
package struct EarlyRecoveries: Sendable {
    private struct Key: Hashable {
        let identity: AlertFold.Identity
        let startsAt: UnixTime
    }

    /// The oldest first.
    private var known: [AlertFold.Identity: [EarlyRecovery]] = [:]
    /// The rows to save; nil: the row is to be removed.
    private var changes: [Key: EarlyRecovery?] = [:]

    /// Begins with those that are stored.
    init(_ stored: [EarlyRecovery]) {
        for recovery in stored.sorted(by: { $0.receivedAt < $1.receivedAt }) {
            known[recovery.identity, default: []].append(recovery)
        }
    }

    /// The rows to save, and the keys of those to remove.
    package var changed: (added: [EarlyRecovery], removed: [(AlertFold.Identity, startsAt: UnixTime)]) {
        (
            changes.values.compactMap { $0 },
            changes.filter { $0.value == nil }.keys.map { ($0.identity, $0.startsAt) }
        )
    }

    /// Remembers a recovery, `alerts` being the newest of its key in each channel before it; whether it did.
    mutating func remember(
        _ event: DecodedEvent,
        _ identity: AlertFold.Identity,
        _ alerts: [Alert],
        received: UnixTime
    ) -> Bool {
        guard let start = event.startsAt, !alerts.contains(where: { $0.knows(start) }) else { return false }
        if alerts.contains(where: \.isOpen) {
            guard let end = event.endsAt, end > start else { return false }
        }
        let recovery = EarlyRecovery(
            identity: identity,
            startsAt: start,
            endsAt: event.endsAt,
            receivedAt: received
        )
        var list = (known[identity] ?? []).filter { $0.startsAt != start } + [recovery]
        while list.count > EarlyRecovery.mostOfKey {
            changes[Key(identity: identity, startsAt: list.removeFirst().startsAt)] = .some(nil)
        }
        known[identity] = list
        changes[Key(identity: identity, startsAt: start)] = recovery
        return true
    }

    /// The recovery of a firing that began at `start`, when it came before it.
    func recovery(of start: UnixTime?, _ identity: AlertFold.Identity, at now: UnixTime) -> EarlyRecovery? {
        known[identity]?.last { $0.ends(start, at: now) }
    }

    /// It has met its firing.
    mutating func forget(_ recovery: EarlyRecovery) {
        known[recovery.identity]?.removeAll { $0.startsAt == recovery.startsAt }
        changes[Key(identity: recovery.identity, startsAt: recovery.startsAt)] = .some(nil)
    }
}
