import Domain
import HTTPTypes
import Storage

/// What is left in a bucket of calls after a call.
package struct CallAllowance: Sendable {
    /// What openapi.yaml calls the bucket.
    package let bucket: String
    package let rate: CallRate
    /// Whole calls that may be made at once now.
    package let remaining: Int
    /// Seconds until the bucket is full again, rounded up.
    package let resetSeconds: Int

    /// `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-10 has them: how many calls (`q`) in how many seconds
    /// (`w`), and how many are left (`r`) until when (`t`).
    package var fields: HTTPFields {
        var fields = HTTPFields()
        if let policy = HTTPField.Name("RateLimit-Policy"), let limit = HTTPField.Name("RateLimit") {
            fields[policy] = "\"\(bucket)\";q=\(rate.burst);w=\(rate.window)"
            fields[limit] = "\"\(bucket)\";r=\(remaining);t=\(resetSeconds)"
        }
        return fields
    }
}

/// A bucket of calls for each who calls, so that one runaway script does not take the API from the others.
package final class CallLimiter<Key: Hashable & Sendable>: Sendable {
    private struct Bucket {
        var calls: Double
        var filledAt: UnixTime
    }

    private let name: String
    private let buckets = Lock<[Key: Bucket]>([:])

    /// `bucket`: what openapi.yaml calls it.
    package init(bucket name: String) {
        self.name = name
    }

    /// Takes one call from the bucket of `key`, which may be another size than before. Throws 429 when it is empty.
    @discardableResult
    package func admit(_ key: Key, _ rate: CallRate, at now: UnixTime) throws -> CallAllowance {
        let (perSecond, burst) = (Double(rate.perSecond), Double(rate.burst))
        let (isAdmitted, calls) = buckets.withLock { buckets in
            if buckets.count > 100_000 { buckets.removeAll() }
            var bucket = buckets[key] ?? Bucket(calls: burst, filledAt: now)
            let elapsed = Double(max(0, now.milliseconds - bucket.filledAt.milliseconds)) / 1_000
            bucket.calls = min(burst, bucket.calls + elapsed * perSecond)
            bucket.filledAt = now
            let isAdmitted = bucket.calls >= 1
            if isAdmitted { bucket.calls -= 1 }
            buckets[key] = bucket
            return (isAdmitted, bucket.calls)
        }
        let allowance = CallAllowance(
            bucket: name,
            rate: rate,
            remaining: Int(calls),
            resetSeconds: Int(((burst - calls) / perSecond).rounded(.up))
        )
        guard !isAdmitted else { return allowance }
        throw Problem(allowance, retryAfter: Int(((1 - calls) / perSecond).rounded(.up)))
    }
}

extension Problem {
    /// 429: the bucket is empty.
    fileprivate init(_ allowance: CallAllowance, retryAfter: Int) {
        let rate = allowance.rate
        self.init(
            .rateLimited,
            """
            The bucket \(allowance.bucket) is empty: it takes \(rate.perSecond) calls a second, and \(rate.burst) at once after \
            a pause. Slow down.
            """
        )
        exceeded = Exceeded(
            bucket: allowance.bucket,
            limit: rate.burst,
            resetSeconds: allowance.resetSeconds
        )
        headers = allowance.fields
        headers[.retryAfter] = "\(max(1, retryAfter))"
    }
}
