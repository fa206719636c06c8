import Domain
import Synchronization

/// A clock that begins on the day of the examples in openapi.yaml and that a test can move on.
package final class SetClock: Sendable {
    private let ahead = Atomic<Int64>(1_795_161_600_000)
    private let start = ContinuousClock.now

    package init() {}

    /// For the server.
    package var wall: WallClock {
        WallClock {
            let elapsed = self.start.duration(to: .now) / .milliseconds(1)
            return UnixTime(milliseconds: self.ahead.load(ordering: .relaxed) + Int64(elapsed))
        }
    }

    /// Moves it on.
    package func advance(seconds: Int64) {
        ahead.add(seconds * 1_000, ordering: .relaxed)
    }
}

/// A clock that stands still, so that no bucket fills up again.
package enum WallClockAtRest {
    package static let wall = WallClock { UnixTime(milliseconds: 1_795_161_600_000) }
}

extension SpecAnswer {
    /// The body without what differs from request to request, for comparing two answers byte by byte.
    package var withoutRequestID: String {
        guard let id = header("X-Request-Id") else { return text }
        return text.replacing(id, with: "REQUEST")
    }
}
