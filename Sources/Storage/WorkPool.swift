import Domain
import HeapModule
import NIOPosix
import Native
import SQL

/// Threads on which the work of tenants runs, in turn by account: whatever a tenant wrote is compiled, decided, planned and rendered here, and
/// never on an event loop, a connection's thread or Swift's own threads.
///
/// Turns go by time used (start-time fair queueing): an account that used a second waits until its neighbours used theirs, and one that
/// comes after a pause begins where the others are, without credit for the time it did not need.
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
        /// Messages to people, and configurations that are compiled.
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

    private struct Waiting {
        var items: [Item] = []
        /// The first of `items` that still waits: what is before it was taken.
        var first = 0
        var bytes = 0
        var isRunning = false
        /// In nanoseconds of the common clock of turns: where its next turn begins.
        var start: UInt64 = 0

        var count: Int { items.count - first }

        mutating func take() -> Item {
            let item = items[first]
            items[first] = Item(bytes: 0, body: {})
            first += 1
            if first > 64, first * 2 > items.count {
                items.removeFirst(first)
                first = 0
            }
            bytes -= item.bytes
            return item
        }
    }

    /// A lane that has work and does not run.
    private struct Turn: Comparable {
        let start: UInt64
        let order: UInt64
        let key: Key

        static func < (left: Turn, right: Turn) -> Bool {
            left.start == right.start ? left.order < right.order : left.start < right.start
        }
    }

    private struct State {
        var lanes: [Key: Waiting] = [:]
        var turns = Heap<Turn>()
        var order: UInt64 = 0
        /// Where the turn that began last began.
        var clock: UInt64 = 0
        var running = 0
        var bytes = 0
        var completed: UInt64 = 0
    }

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
            var waiting = state.lanes[key] ?? Waiting()
            guard waiting.count < bounds.items, waiting.bytes + bytes <= bounds.bytes,
                state.bytes + bytes <= bounds.totalBytes
            else { return false }
            waiting.items.append(Item(bytes: bytes, body: body))
            waiting.bytes += bytes
            state.bytes += bytes
            if waiting.count == 1, !waiting.isRunning {
                waiting.start = max(waiting.start, state.clock)
                Self.queue(key, waiting.start, &state)
            }
            state.lanes[key] = waiting
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

    /// Pieces of work that were done since the start, and those that wait now.
    package var status: (completed: UInt64, waiting: Int) {
        state.withLock { state in
            (state.completed, state.lanes.values.reduce(0) { $0 + $1.count })
        }
    }

    private static func queue(_ key: Key, _ start: UInt64, _ state: inout State) {
        state.order += 1
        state.turns.insert(Turn(start: start, order: state.order, key: key))
    }

    /// Begins as much of what waits as there are threads.
    private func begin() {
        while let (key, item) = state.withLock({ next(&$0) }) {
            Self.threads.submit { _ in self.work(item, of: key) }
        }
    }

    private func next(_ state: inout State) -> (Key, Item)? {
        guard state.running < bounds.threads, let turn = state.turns.popMin(),
            var waiting = state.lanes[turn.key]
        else { return nil }
        let item = waiting.take()
        waiting.isRunning = true
        state.lanes[turn.key] = waiting
        state.bytes -= item.bytes
        state.clock = max(state.clock, turn.start)
        state.running += 1
        return (turn.key, item)
    }

    private func work(_ item: Item, of key: Key) {
        lowerThreadPriority()
        let start = ContinuousClock.now
        item.body()
        let used = start.duration(to: .now).components
        let nanoseconds = UInt64(clamping: used.seconds) &* 1_000_000_000 &+ UInt64(clamping: used.attoseconds / 1_000_000_000)
        state.withLock { state in
            state.running -= 1
            state.completed &+= 1
            guard var waiting = state.lanes[key] else { return }
            waiting.isRunning = false
            waiting.start = max(waiting.start, state.clock) &+ nanoseconds
            state.lanes[key] = waiting
            if waiting.count > 0 { Self.queue(key, waiting.start, &state) }
            Self.forgetIdle(&state)
        }
        begin()
    }

    /// Lanes without work whose time is used up by the others' say nothing any more; looked for when there are many.
    private static func forgetIdle(_ state: inout State) {
        guard state.lanes.count > 4_096, state.completed % 1_024 == 0 else { return }
        let clock = state.clock
        state.lanes = state.lanes.filter { $0.value.count > 0 || $0.value.isRunning || $0.value.start > clock }
    }
}
