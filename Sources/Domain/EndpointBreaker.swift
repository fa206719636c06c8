/// Keeps a receiver that fails from being tried with everything that waits for it.
///
/// - Closed: everything is sent. It opens after ten failures in a row, or when at least 70 % of the 20 or more attempts of the last minute
///   failed.
/// - Open: nothing is sent, for 30 s, then twice as long each time, up to 10 minutes.
/// - What was on its way when it opened changes nothing by failing.
/// - After the pause one message is sent: its success closes the breaker, its failure opens it again.
package struct EndpointBreaker: Sendable, Equatable {
    private static let failuresInARow = 10
    private static let window: Int64 = 60_000
    private static let leastAttempts = 20
    private static let pauses: ClosedRange<Int64> = 30_000...600_000

    /// Attempts that may begin now.
    package enum Allowance: Sendable, Equatable {
        case all
        case one
        case none(until: UnixTime)
    }

    private var inARow = 0
    /// Attempts of the present window, and how many failed.
    private var counted: (from: UnixTime, attempts: Int, failed: Int)?
    private var openUntil: UnixTime?
    private var pause = EndpointBreaker.pauses.lowerBound
    /// The receiver asked for a pause; nothing failed.
    private var askedUntil: UnixTime?

    package init() {}

    package static func == (left: Self, right: Self) -> Bool {
        left.inARow == right.inARow && left.openUntil == right.openUntil && left.pause == right.pause
            && left.askedUntil == right.askedUntil
    }

    /// What may be sent at `now`.
    package func allowance(at now: UnixTime) -> Allowance {
        if let askedUntil, now < askedUntil { return .none(until: askedUntil) }
        guard let openUntil else { return .all }
        return now < openUntil ? .none(until: openUntil) : .one
    }

    /// A message was sent.
    package mutating func succeeded(at now: UnixTime) {
        (inARow, openUntil, askedUntil, pause) = (0, nil, nil, Self.pauses.lowerBound)
        count(failed: false, at: now)
    }

    /// An attempt failed. `retryAfter` is the pause that the receiver asked for, in seconds.
    package mutating func failed(at now: UnixTime, retryAfter: Int64? = nil) {
        if let retryAfter {
            let range = RetrySchedule.retryAfter
            askedUntil = now.adding(seconds: min(max(retryAfter, range.lowerBound), range.upperBound))
        }
        inARow += 1
        count(failed: true, at: now)
        if let openUntil, now < openUntil { return }
        if openUntil != nil {
            pause = min(pause * 2, Self.pauses.upperBound)
            openUntil = now.adding(milliseconds: pause)
        } else if inARow >= Self.failuresInARow || isMostlyFailing {
            openUntil = now.adding(milliseconds: pause)
        }
    }

    private var isMostlyFailing: Bool {
        guard let counted, counted.attempts >= Self.leastAttempts else { return false }
        return counted.failed * 10 >= counted.attempts * 7
    }

    private mutating func count(failed: Bool, at now: UnixTime) {
        var present = counted ?? (now, 0, 0)
        if now.milliseconds - present.from.milliseconds > Self.window || now < present.from {
            present = (now, 0, 0)
        }
        present.attempts += 1
        present.failed += failed ? 1 : 0
        counted = present
    }
}
