/// When a message that could not be sent is tried again: alerts age fast, so the first tries come soon.
package enum RetrySchedule {
    /// Seconds between an attempt and the next one.
    package static let pauses: [Int64] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200]
    /// What a receiver may ask for, in seconds.
    package static let retryAfter: ClosedRange<Int64> = 5...3_600
    /// Seconds after which a message that could not be sent is given up, however few attempts the receiver's breaker let through: longer
    /// than all pauses.
    package static let lifetime: Int64 = 36 * 3_600

    /// When to try again after `attempts` failed ones (1 or more), the last at `now`; nil: never.
    ///
    /// Each pause is longer or shorter by up to a fifth, so that what failed together does not come back together. `asked` is the
    /// receiver's own wish, in seconds.
    package static func next(
        after attempts: Int,
        at now: UnixTime,
        asked: Int64?,
        random: inout some RandomNumberGenerator
    ) -> UnixTime? {
        guard attempts >= 1, attempts <= pauses.count else { return nil }
        let pause = pauses[attempts - 1] * 1_000
        let jittered = pause + Int64.random(in: -pause / 5...pause / 5, using: &random)
        let wish = asked.map { min(max($0, retryAfter.lowerBound), retryAfter.upperBound) * 1_000 } ?? 0
        return now.adding(milliseconds: max(jittered, wish))
    }
}
