import Domain
import Storage

/// Knows which integrations send more than their fair share.
final class ShareMeter: Sendable {
    private struct Key: Hashable {
        let account: AccountNumber
        let integration: IntegrationNumber
    }

    private struct Bucket {
        var pushes: Double
        var filledAt: UnixTime

        /// Refills and takes one; whether there was one.
        mutating func take(perSecond: Double, burst: Double, at now: UnixTime) -> Bool {
            let elapsed = Double(max(0, now.milliseconds - filledAt.milliseconds)) / 1_000
            pushes = min(burst, pushes + elapsed * perSecond)
            filledAt = max(filledAt, now)
            guard pushes >= 1 else { return false }
            pushes -= 1
            return true
        }
    }

    /// Deliveries with an expired URL or to a disabled integration that are kept: beyond it they are only counted.
    private static let keptRefusals = RateLimit(pushesPerSecond: 1, burst: 60)
    /// Buckets held at most; full ones are forgotten first.
    private static let capacity = 100_000

    private let shares = Lock<[Key: Bucket]>([:])
    private let refusals = Lock<[Key: Bucket]>([:])

    /// Counts a push; whether the integration is over its share with it.
    func isOver(_ token: PushToken, limit: RateLimit, at now: UnixTime) -> Bool {
        !Self.take(token, limit, now, from: shares)
    }

    /// Whether a refused delivery may still be kept.
    func mayKeepRefused(_ token: PushToken, at now: UnixTime) -> Bool {
        Self.take(token, Self.keptRefusals, now, from: refusals)
    }

    private static func take(
        _ token: PushToken,
        _ limit: RateLimit,
        _ now: UnixTime,
        from buckets: Lock<[Key: Bucket]>
    ) -> Bool {
        let key = Key(account: token.account, integration: token.integration)
        let burst = Double(limit.burst)
        return buckets.withLock { buckets in
            if buckets.count >= capacity, buckets[key] == nil {
                buckets = buckets.filter { now.milliseconds - $0.value.filledAt.milliseconds < 60_000 }
            }
            return buckets[key, default: Bucket(pushes: burst, filledAt: now)].take(
                perSecond: Double(limit.pushesPerSecond),
                burst: burst,
                at: now
            )
        }
    }
}

/// Bounds the memory of the large bodies that are being read at one time, as their bytes come: of all together, and of one account, so that
/// a tenant who holds many back leaves room for the others. Bodies up to `freeBytes` are bounded by the number of connections.
final class BodyBudget: Sendable {
    private struct State {
        var free: Int
        var taken: [AccountNumber: Int] = [:]
    }

    /// Bytes of a body that are not counted.
    static let freeBytes = 64 << 10

    private let state: Lock<State>
    private let share: Int

    /// `bytes` in all; an account may have a quarter of them.
    init(bytes: Int) {
        state = Lock(State(free: bytes))
        share = bytes / 4
    }

    /// Takes room for so many more bytes; false when there is none.
    func take(_ bytes: Int, for account: AccountNumber) -> Bool {
        state.withLock { state in
            let taken = state.taken[account, default: 0] + bytes
            guard bytes <= state.free, taken <= share else { return false }
            state.free -= bytes
            state.taken[account] = taken
            return true
        }
    }

    /// Gives back what was taken.
    func giveBack(_ bytes: Int, of account: AccountNumber) {
        guard bytes > 0 else { return }
        state.withLock { state in
            state.free += bytes
            let left = (state.taken[account] ?? 0) - bytes
            state.taken[account] = left > 0 ? left : nil
        }
    }
}
