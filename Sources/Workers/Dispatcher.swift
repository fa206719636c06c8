import Domain
import Logging
import Metrics
import ServiceLifecycle
import Storage

/// Tells people: works the queue of each notifier that has something waiting.
///
/// - Rule: a queue is worked by one task at a time. Why: what is told of one alert stays in order, and breaker and storm gauge see everything.
/// - Rule: what was tried is written before the queue is looked at again. Why: a crash repeats at most what was on its way, with the same id.
/// - On shutdown what is on its way has a second to end; then it is cut off, stays waiting, and goes out after the next start.
package final class Dispatcher: Service {
    package typealias Key = OutboxSignal.Key
    /// Puts a message into words and sends it by a notifier of an account; ends within seconds. Throws when the account has too much to be
    /// put into words already: the message stays as it is.
    package typealias Send = @Sendable (AccountNumber, OutboundMessage, Notifier) async throws -> SendResult

    /// How often clocks are looked at: a queue that waits for a time is worked at most that much later.
    private static let tick = Duration.milliseconds(200)
    private static let leaseSeconds: Int64 = 30
    /// How often what waits is looked for, where other nodes' hints may be missed.
    private static let sweep = Duration.seconds(10)
    private static let grace = Duration.seconds(1)
    /// Queues of one account that are worked at the same time: its other queues wait, and hold no memory.
    private static let accountLimit = 128
    /// After which a queue is looked at again whose store or lease could not be had, in seconds.
    private static let setback: Int64 = 2

    private struct State {
        var running: Set<Key> = []
        /// Queues that got something new while they were worked.
        var poked: Set<Key> = []
        var wakeAt: [Key: UnixTime] = [:]
        var leases: [Key: UnixTime] = [:]
        var conditions: [Key: Lane.Condition] = [:]
        var isStopping = false
    }

    private let state = Lock(State())
    private let store: Store
    private let lane: Lane
    private let ledger: Ledger
    private let owner: [UInt8]
    private let isAlone: Bool
    private let logger: Logger

    /// `isAlone`: no other process works on the store, so that leases of a former one are void. `owner` names the node: what it claimed
    /// before it was started again is its own.
    package init(
        store: Store,
        owner: [UInt8],
        isAlone: Bool,
        metrics: any MetricsFactory,
        logger: Logger,
        send: @escaping Send
    ) {
        self.store = store
        self.owner = owner
        self.isAlone = isAlone
        self.logger = logger
        ledger = Ledger(store.outbox)
        lane = Lane(store: store, ledger: ledger, metrics: metrics, logger: logger, send: send)
    }

    // MARK: Service

    package func run() async throws {
        let (changes, wake) = store.outboxSignal.changes()
        await withGracefulShutdownHandler {
            await findQueues()
            await withDiscardingTaskGroup { group in
                group.addTask { await self.ledger.run() }
                group.addTask {
                    while (try? await Task.sleep(for: Self.tick)) != nil { wake() }
                }
                if !self.isAlone {
                    group.addTask {
                        while (try? await Task.sleep(for: Self.sweep)) != nil { await self.findQueues() }
                    }
                }
                for await _ in changes {
                    if isStopping { break }
                    await startLanes(in: &group)
                }
                await drain()
                group.cancelAll()
            }
            await giveBack()
        } onGracefulShutdown: {
            self.state.withLock { $0.isStopping = true }
            wake()
        }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } || Task.isCancelled }

    /// Goes on with what a former process left.
    private func findQueues() async {
        do {
            if isAlone { try await store.outbox.forgetLeases() }
            let (keys, now) = (try await store.outbox.queues(), store.now)
            state.withLock { state in
                for key in keys where state.wakeAt[key] == nil && !state.running.contains(key) {
                    state.wakeAt[key] = now
                }
            }
        } catch {
            logger.error("what waits to be told could not be read", metadata: ["cause": "\(error)"])
        }
    }

    /// Lets other nodes go on at once with what this one worked.
    private func giveBack() async {
        let keys = state.withLock { Set($0.leases.keys) }
        guard !isAlone, !keys.isEmpty else { return }
        let (store, owner) = (store, owner)
        // Also when the task is cancelled.
        await Task.detached {
            try? await store.outbox.release(keys, owner: owner)
            store.outboxSignal.raise(keys)
        }.value
    }

    private func drain() async {
        let end = ContinuousClock.now.advanced(by: Self.grace)
        while ContinuousClock.now < end, state.withLock({ !$0.running.isEmpty }) {
            await Self.pause()
        }
    }

    /// Sleeps also when the task is cancelled.
    private static func pause() async {
        await Task.detached { try? await Task.sleep(for: .milliseconds(10)) }.value
    }

    // MARK: Lanes

    private func startLanes(in group: inout DiscardingTaskGroup) async {
        let news = store.outboxSignal.take()
        let now = store.now
        let due = state.withLock { Self.takeDue(news, now, &$0) }
        await renew(now)
        for key in await leased(due, now) {
            state.withLock { _ = $0.running.insert(key) }
            group.addTask { await self.work(key) }
        }
    }

    /// The queues that are to be worked now, no more of an account than it may have; the others are looked at again with the next tick.
    private static func takeDue(_ news: Set<Key>, _ now: UnixTime, _ state: inout State) -> Set<Key> {
        var due = news
        for (key, time) in state.wakeAt where time <= now { due.insert(key) }
        state.poked.formUnion(due.intersection(state.running))
        due.subtract(state.running)
        var counts: [AccountNumber: Int] = [:]
        for key in state.running { counts[key.account, default: 0] += 1 }
        for key in due {
            let count = counts[key.account, default: 0]
            if count < accountLimit {
                counts[key.account] = count + 1
                state.wakeAt[key] = nil
            } else {
                due.remove(key)
                state.wakeAt[key] = now
            }
        }
        return due
    }

    /// Keeps the leases of queues that are worked for long.
    private func renew(_ now: UnixTime) async {
        guard !isAlone else { return }
        let soon = now.adding(seconds: Self.leaseSeconds / 3)
        let ending = state.withLock { state in state.running.filter { (state.leases[$0] ?? now) <= soon } }
        if !ending.isEmpty { _ = await leased(ending, now) }
    }

    /// Those of `keys` whose lease is ours for a while. The others are looked at again with the next sweep; when the store failed, soon.
    private func leased(_ keys: Set<Key>, _ now: UnixTime) async -> Set<Key> {
        let soon = now.adding(seconds: Self.leaseSeconds / 3)
        let missing = state.withLock { state in keys.filter { (state.leases[$0] ?? now) <= soon } }
        guard !missing.isEmpty else { return keys }
        let end = now.adding(seconds: Self.leaseSeconds)
        var held: Set<Key> = []
        var again = isAlone
        do {
            held = try await store.outbox.lease(missing, owner: owner, now: now, until: end)
        } catch {
            logger.warning("queues could not be leased", metadata: ["cause": "\(error)"])
            again = true
        }
        let later = again ? now.adding(seconds: Self.setback) : nil
        state.withLock { state in
            for key in held { state.leases[key] = end }
            for key in missing.subtracting(held) {
                state.leases[key] = nil
                state.wakeAt[key] = later
            }
        }
        return keys.subtracting(missing).union(held)
    }

    private func work(_ key: Key) async {
        var condition = state.withLock { $0.conditions[key] } ?? Lane.Condition()
        var wakeAt: UnixTime?
        do {
            wakeAt = try await lane.work(key, &condition) { self.isStopping }
        } catch {
            logger.warning("a queue could not be worked", metadata: ["cause": "\(error)"])
            wakeAt = store.now.adding(seconds: Self.setback)
        }
        let now = store.now
        state.withLock { state in
            state.running.remove(key)
            state.conditions[key] = condition.isForgettable(at: now) && wakeAt == nil ? nil : condition
            if state.poked.remove(key) != nil { wakeAt = now }
            if let wakeAt { state.wakeAt[key] = wakeAt }
            if wakeAt == nil, let end = state.leases[key], end <= now { state.leases[key] = nil }
        }
    }
}
