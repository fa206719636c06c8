/// The time by which retention counts: the clock's, unless the clock jumped ahead.
///
/// - Rule: a clock that is more than an hour ahead of the time known is believed only after it has been so for a day; until then time goes
///   on from what was known. Why: what is removed is gone. A clock set wrong for an hour, or a machine that starts with a wrong one, must not
///   empty the store, and its operator needs time to see it.
/// - A server that stood still for days removes what became due meanwhile a day later.
package struct RetentionTime: Sendable {
    /// What one reading answers.
    package struct Reading: Sendable, Equatable {
        package let time: UnixTime
        /// How far the clock is ahead of `time`, in seconds, while it is not believed; nil: it is.
        package let doubt: Int64?

        package init(time: UnixTime, doubt: Int64?) {
            self.time = time
            self.doubt = doubt
        }
    }

    private static let tolerance: Int64 = 3_600
    private static let patience = Duration.seconds(86_400)

    private var known: UnixTime
    private var readAt: ContinuousClock.Instant
    private var doubtedSince: ContinuousClock.Instant?

    /// `known` is a time that surely was: the newest that the store saw.
    package init(known: UnixTime, at instant: ContinuousClock.Instant) {
        self.known = known
        readAt = instant
    }

    /// The time at `instant`, when the clock says `wall`. A clock that went back is believed at once: then less is removed.
    package mutating func read(_ wall: UnixTime, at instant: ContinuousClock.Instant) -> Reading {
        let elapsed = readAt.duration(to: instant).components
        let expected = known.adding(seconds: elapsed.seconds)
            .adding(milliseconds: elapsed.attoseconds / 1_000_000_000_000_000)
        if wall > expected.adding(seconds: Self.tolerance) {
            let since = doubtedSince ?? instant
            if since.duration(to: instant) < Self.patience {
                doubtedSince = since
                let ahead = (wall.milliseconds - expected.milliseconds) / 1_000
                return Reading(time: expected, doubt: ahead)
            }
        }
        (known, readAt, doubtedSince) = (wall, instant, nil)
        return Reading(time: wall, doubt: nil)
    }
}
