import Domain
import Native

/// Whether the database server answers, as this node found out last: the writer of pushes and the watch over the database say it.
package final class Reachability: Sendable {
    private struct State {
        var isAway = false
        var since = ContinuousClock.now
    }

    private let state = Lock(State())

    package init() {}

    package var isAway: Bool { state.withLock { $0.isAway } }

    /// Notes what was found; whether it is news.
    @discardableResult
    package func note(isAway: Bool) -> Bool {
        state.withLock { state in
            guard state.isAway != isAway else { return false }
            state = State(isAway: isAway)
            return true
        }
    }
}
