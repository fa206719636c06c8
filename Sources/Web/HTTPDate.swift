import Domain
import Storage

/// The value of the header `Date`: made once a second.
package final class HTTPDate: Sendable {
    private let latest = Lock((second: Int64.min, text: ""))

    package init() {}

    /// The text for a moment. One lock.
    package func text(at now: UnixTime) -> String {
        let second = now.milliseconds / 1_000
        return latest.withLock { latest in
            if latest.second != second { latest = (second, now.httpDate) }
            return latest.text
        }
    }
}
