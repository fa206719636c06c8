/// Tells when changes become a digest: more than `limit` a minute to one notifier.
///
/// - Calm: what comes is told one by one, up to `limit` in any minute.
/// - When more waits than fits a storm begins: the last place is kept for a digest of everything that waits, ten seconds later; the next
///   one comes a minute after it.
/// - No more than `limit` messages in any minute, digests among them: robots of vendors refuse what is beyond.
/// - It ends when what waits then fits into the minute again.
package struct StormGauge: Sendable, Equatable {
    /// From the first change that is held back to the first digest: enough to see how large it is, short enough to be of use.
    private static let firstPause: Int64 = 10_000
    private static let minute: Int64 = 60_000

    /// What may be done with what waits.
    package enum Advice: Sendable, Equatable {
        /// So many may be told one by one.
        case single(Int)
        /// All of it in one message, now.
        case digest
        /// Nothing before then.
        case hold(until: UnixTime)
    }

    private let limit: Int
    /// When messages went out within the last minute, oldest first; at most `limit`.
    private var sent: [UnixTime]
    private var digestAt: UnixTime?

    /// `sent`: when messages went out lately, as far as known.
    package init(limit: Int, sent: [UnixTime] = []) {
        self.limit = limit
        self.sent = sent.suffix(limit)
    }

    /// What to do at `now` with `waiting` changes that are ready to be told.
    package mutating func advice(waiting: Int, at now: UnixTime) -> Advice {
        forget(before: now)
        let free = limit - sent.count
        if let digestAt {
            // A clock that went back must not hold a storm for longer than it lasts.
            let isDue = now >= digestAt || digestAt.milliseconds - now.milliseconds > Self.minute
            guard isDue else { return .hold(until: digestAt) }
            if free < 1, let oldest = sent.first {
                return .hold(until: oldest.adding(milliseconds: Self.minute))
            }
            if waiting > free, waiting > 1 { return .digest }
            self.digestAt = nil
            return .single(waiting)
        }
        if waiting <= free { return .single(waiting) }
        if free > 1 { return .single(free - 1) }
        let first = now.adding(milliseconds: Self.firstPause)
        digestAt = first
        return .hold(until: first)
    }

    /// A message went out, a digest or not.
    package mutating func told(at now: UnixTime) {
        sent.append(now)
        if sent.count > limit { sent.removeFirst(sent.count - limit) }
    }

    /// A digest was made.
    package mutating func digested(at now: UnixTime) {
        digestAt = now.adding(milliseconds: Self.minute)
    }

    private mutating func forget(before now: UnixTime) {
        sent.removeAll { now.milliseconds - $0.milliseconds >= Self.minute || $0 > now }
    }
}
