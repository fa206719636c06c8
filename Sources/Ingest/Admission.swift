import Domain
import Storage
import Web

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

extension ByteBudget {
    /// Bytes of a push's body that are not counted: bodies up to it are bounded by the number of connections.
    static let freeBytes = 64 << 10
}
