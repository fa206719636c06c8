/// A recovery of a start that no alert of its key has: its firing may still come, over another connection or a slower path.
///
/// - Rule: it is remembered for five minutes, and a firing with its start is over the moment it comes. Why: nothing else will end it.
///   Otherwise: an alert that is open for ever.
package struct EarlyRecovery: Sendable, Equatable {
    /// Milliseconds for which one is remembered.
    package static let memory: Int64 = 300_000
    /// How many are remembered of an account; the ones after them are not.
    package static let most = 10_000

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
