import Domain
import HTTPTypes
import Storage

/// How many management calls of one account are run at once: some, and some more wait in order. What comes beyond is refused, so that one
/// tenant's script takes neither threads nor memory from the others.
package final class CallTurns: Sendable {
    /// What one account may have.
    package struct Bounds: Sendable {
        /// Calls that are run at once.
        package var running = 8
        /// Calls that wait for them.
        package var waiting = 64

        package init() {}
    }

    private struct Lane {
        var running = 0
        /// In their order; at most `Bounds.waiting`.
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private enum Entry {
        case now
        case later
        case refused
    }

    package let bounds: Bounds
    private let lanes = Lock<[AccountNumber: Lane]>([:])

    package init(bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    /// Throws 429 when a call that came now would be refused.
    package func check(_ account: AccountNumber) throws(Problem) {
        let lane = lanes.withLock { $0[account] }
        if isFull(lane ?? Lane()) { throw refusal }
    }

    /// Calls of the account that run or wait.
    package func count(of account: AccountNumber) -> Int {
        lanes.withLock { lanes in lanes[account].map { $0.running + $0.waiting.count } ?? 0 }
    }

    /// Runs `body` in its turn. Throws 429 when too many wait, and what `body` throws.
    package func run<Value>(
        of account: AccountNumber,
        _ body: () async throws -> Value
    ) async throws -> Value {
        try await enter(account)
        defer { leave(account) }
        return try await body()
    }

    private func isFull(_ lane: Lane) -> Bool {
        lane.running >= bounds.running && lane.waiting.count >= bounds.waiting
    }

    private func enter(_ account: AccountNumber) async throws(Problem) {
        var isRefused = false
        await withCheckedContinuation { caller in
            let entry = lanes.withLock { lanes -> Entry in
                var lane = lanes[account] ?? Lane()
                guard !isFull(lane) else { return .refused }
                let isNow = lane.running < bounds.running
                if isNow { lane.running += 1 } else { lane.waiting.append(caller) }
                lanes[account] = lane
                return isNow ? .now : .later
            }
            isRefused = entry == .refused
            if entry != .later { caller.resume() }
        }
        if isRefused { throw refusal }
    }

    /// Gives the place to the one that waits longest.
    private func leave(_ account: AccountNumber) {
        let next = lanes.withLock { lanes -> CheckedContinuation<Void, Never>? in
            guard var lane = lanes[account] else { return nil }
            let next = lane.waiting.isEmpty ? nil : lane.waiting.removeFirst()
            if next == nil { lane.running -= 1 }
            lanes[account] = lane.running == 0 ? nil : lane
            return next
        }
        next?.resume()
    }

    private var refusal: Problem { .tooManyCalls(limit: bounds.running) }
}

extension Problem {
    /// 429: the account has as many calls under way as it may.
    static func tooManyCalls(limit: Int) -> Problem {
        var problem = Problem(
            .rateLimited,
            "This account has as many calls under way as it may, and as many waiting: wait for their answers."
        )
        problem.exceeded = Exceeded(bucket: "concurrent-calls", limit: limit, resetSeconds: 1)
        problem.headers[.retryAfter] = "1"
        return problem
    }
}
