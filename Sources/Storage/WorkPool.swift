import Domain
import NIOCore
import NIOPosix
import Native
import SQL

/// Threads on which the work of tenants runs, in turn by account: whatever a tenant wrote is compiled, decided, planned and rendered here, and
/// never on an event loop, a connection's thread or Swift's own threads.
///
/// - Rule: an account has one thread for each of its lanes at most, and there are more threads than lanes. Why: work is not interrupted.
///   Otherwise: one tenant's long work would hold every thread.
/// - Rule: the threads have less priority than the others of the process. Why: a push that costs microseconds must not wait for one that
///   costs a second. Otherwise: two tenants on two cores would take both.
package final class WorkPool: Sendable {
    /// What an account may have run side by side.
    package enum Lane: UInt8, Sendable, CaseIterable {
        /// Pushes, in the order in which they came.
        case pushes
        /// Management calls.
        case calls
        /// Messages to people, configurations that are compiled, and pushes that are applied in slices.
        case background
    }

    /// Too much of the account's work waits in the lane already.
    package struct Full: Error, Equatable {}

    /// How much may wait.
    package struct Bounds: Sendable {
        /// Threads.
        package var threads: Int
        /// Pieces of work that one lane may hold back.
        package var items = 4_096
        /// Bytes that the work of one lane may hold on to while it waits.
        package var bytes = 32 << 20
        /// The same of all lanes together.
        package var totalBytes = 256 << 20

        /// `processors`: of the machine.
        package init(processors: Int = System.coreCount) {
            threads = max(Lane.allCases.count + 1, processors * 2)
        }
    }

    private struct Key: Hashable, Sendable {
        let account: AccountNumber
        let lane: Lane
    }

    private struct Item: Sendable {
        let bytes: Int
        let body: @Sendable () -> Void
    }

    private struct State {
        var turns = FairTurns<Key, Item>(perKey: 1)
        /// Bytes that the work of each lane holds on to while it waits.
        var bytes: [Key: Int] = [:]
        var totalBytes = 0
        var running = 0
        var completed: UInt64 = 0
        /// When memory was last given back after large work.
        var trimmedAt = ContinuousClock.now
    }

    /// Bytes that a piece of work holds from which on memory is given back after it, and how often at most.
    private static let large = 1 << 20
    private static let trimInterval = Duration.seconds(1)

    /// Shared by all pools of a process and never stopped: what bounds a pool is `Bounds.threads`.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: Bounds().threads)
        threads.start()
        return threads
    }()

    private let state = Lock(State())
    private let bounds: Bounds

    package init(bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    /// Runs `body` in the account's turn; false, and nothing is run, when too much waits. `bytes`: what it holds on to until then.
    package func submit(
        _ lane: Lane,
        of account: AccountNumber,
        bytes: Int = 0,
        _ body: @escaping @Sendable () -> Void
    ) -> Bool {
        let key = Key(account: account, lane: lane)
        let isTaken = state.withLock { state -> Bool in
            let held = state.bytes[key] ?? 0
            guard state.turns.count(of: key) < bounds.items, held + bytes <= bounds.bytes,
                state.totalBytes + bytes <= bounds.totalBytes
            else { return false }
            if bytes > 0 { state.bytes[key] = held + bytes }
            state.totalBytes += bytes
            state.turns.append(Item(bytes: bytes, body: body), of: key)
            return true
        }
        if isTaken { begin() }
        return isTaken
    }

    /// Runs `body` in the account's turn and returns its value. Throws `Full`, and what `body` throws.
    package func run<Value: Sendable>(
        _ lane: Lane,
        of account: AccountNumber,
        bytes: Int = 0,
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        let note = WorkNote.current
        return try await withCheckedThrowingContinuation { caller in
            let isTaken = submit(lane, of: account, bytes: bytes) {
                caller.resume(with: Result { try WorkNote.under(note, body) })
            }
            if !isTaken { caller.resume(throwing: Full()) }
        }
    }

    /// How long one piece of a longer work may take.
    private static let slice = Duration.milliseconds(50)

    /// Runs `body` for each number from 0 to `count - 1`, in order, in as many turns as it takes: none is much longer than a slice. Returns the
    /// state that `body` leaves; throws `Full`, and what `body` throws.
    package func forEach<State: Sendable>(
        _ lane: Lane,
        of account: AccountNumber,
        count: Int,
        from state: State,
        _ body: @escaping @Sendable (Int, inout State) throws -> Void
    ) async throws -> State {
        var (next, state) = (0, state)
        while next < count {
            let (first, before) = (next, state)
            (next, state) = try await run(lane, of: account) {
                var (number, state) = (first, before)
                let start = ContinuousClock.now
                repeat {
                    try body(number, &state)
                    number += 1
                } while number < count && start.duration(to: .now) < Self.slice
                return (number, state)
            }
        }
        return state
    }

    /// Pieces of work that were done since the start, and those that wait now.
    package var status: (completed: UInt64, waiting: Int) {
        state.withLock { ($0.completed, $0.turns.count) }
    }

    /// Begins as much of what waits as there are threads.
    private func begin() {
        while let (key, item) = state.withLock({ next(&$0) }) {
            Self.threads.submit { _ in self.work(item, of: key) }
        }
    }

    private func next(_ state: inout State) -> (Key, Item)? {
        guard state.running < bounds.threads, let (key, item) = state.turns.next() else { return nil }
        if item.bytes > 0 {
            let left = (state.bytes[key] ?? 0) - item.bytes
            state.bytes[key] = left > 0 ? left : nil
            state.totalBytes -= item.bytes
        }
        state.running += 1
        return (key, item)
    }

    private func work(_ item: Item, of key: Key) {
        lowerThreadPriority()
        let start = ContinuousClock.now
        item.body()
        let used = start.duration(to: .now).nanoseconds
        let trims = state.withLock { state -> Bool in
            state.running -= 1
            state.completed &+= 1
            state.turns.finished(key, after: used)
            let now = ContinuousClock.now
            let isDue = state.trimmedAt.duration(to: now) >= Self.trimInterval
            guard item.bytes >= Self.large, isDue else { return false }
            state.trimmedAt = now
            return true
        }
        begin()
        if trims { Allocator.trim() }
    }
}
