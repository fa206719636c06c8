/// How often something may be done: a bucket that holds `burst` and is filled again by `perSecond`.
package struct CallRate: Sendable, Equatable {
    /// At least 1.
    package let perSecond: Int
    /// How often at once, after a pause: at least `perSecond`.
    package let burst: Int

    package init(perSecond: Int, burst: Int) {
        self.perSecond = perSecond
        self.burst = burst
    }

    /// Calls of the management API with one key, unless the operator says otherwise.
    package static let standard = CallRate(perSecond: 500, burst: 1_000)

    /// Seconds in which an empty bucket is full again, rounded up.
    package var window: Int { (burst + perSecond - 1) / perSecond }
}
