import Domain
import Logging
import Metrics
import ServiceLifecycle
import Storage

/// Removes what accounts keep no longer: looks at all of them once a minute, and takes away what is due in small transactions with pauses
/// in between, so that pushes go first.
///
/// - Rule: a batch grows and shrinks so that it keeps the writer for about `workGoal`. Why: a push that comes then waits for it.
/// - Rule: after a batch comes a pause of `pauseFactor` times what it took, waiting for the writer included. Why: when the writer or the disk
///   is slow or has much to do, purging takes a fixed share of them and no more.
/// - Rule: the accounts of one look take turns, batch by batch, and are left after `turn`, even when there is more. Why: one account with
///   a long history to remove must not hold up the others.
package struct RetentionPurger: Service {
    /// After a start, when senders deliver what waited.
    private static let delay = Duration.seconds(3)
    private static let interval = Duration.seconds(60)
    private static let turn = Duration.seconds(20)
    private static let accountsPerLook = 200
    private static let workGoal = Duration.milliseconds(1)
    private static let pauseFactor = 8
    private static let pauses = Duration.milliseconds(5)...Duration.seconds(1)
    private static let batch = 10...200

    private let store: Store
    private let lease: WorkerLease
    private let logger: Logger
    private let counters: [RetentionStore.Kind: Counter]
    private let time: Lock<(retention: RetentionTime, isDoubted: Bool)>

    /// `known` is the newest time that surely was: what became due by a jump of the clock from there stays for a day.
    /// `owner` names the node.
    package init(
        store: Store,
        known: UnixTime,
        owner: [UInt8],
        metrics: any MetricsFactory,
        logger: Logger
    ) {
        self.store = store
        lease = WorkerLease(.retention, store: store, owner: owner)
        self.logger = logger
        time = Lock((RetentionTime(known: known, at: .now), false))
        counters = Dictionary(
            uniqueKeysWithValues: RetentionStore.Kind.allCases.map {
                (
                    $0,
                    Counter(
                        label: "tocsin_purged_total",
                        dimensions: [("kind", $0.rawValue)],
                        factory: metrics
                    )
                )
            }
        )
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            try? await Task.sleep(for: Self.delay)
            while !Task.isCancelled {
                let isDone = await sweep()
                try? await Task.sleep(for: isDone ? Self.interval : .seconds(1))
            }
        }
    }

    /// Goes through all accounts once. Answers whether nothing that was due at its beginning is left.
    package func sweep() async -> Bool {
        let now = presentTime()
        var isDone = true
        var account: AccountNumber? = .installation
        while let after = account, !Task.isCancelled {
            do {
                guard try await lease.hold() else { return true }
                let look = try await store.retention.look(after: after, limit: Self.accountsPerLook, at: now)
                if try await !purge(look.due) { isDone = false }
                account = look.next
            } catch is CancellationError {
                return false
            } catch {
                logger.warning("what is no longer kept could not be purged", metadata: ["cause": "\(error)"])
                return true
            }
        }
        return isDone
    }

    /// The time by which retention counts. Says once when that is not the clock's.
    private func presentTime() -> UnixTime {
        let wall = store.identifiers.clock.now()
        let (reading, isNews) = time.withLock { time in
            let reading = time.retention.read(wall, at: .now)
            let wasDoubted = time.isDoubted
            time.isDoubted = reading.doubt != nil
            return (reading, time.isDoubted && !wasDoubted)
        }
        if let doubt = reading.doubt, isNews {
            logger.warning(
                "the clock is far ahead of what was stored last: what is due by it is kept for a day more",
                metadata: ["ahead_seconds": "\(doubt)"]
            )
        }
        return reading.time
    }

    /// Purges what is due of some accounts; whether nothing is left.
    private func purge(_ due: [RetentionStore.Due]) async throws -> Bool {
        let end = ContinuousClock.now.advanced(by: Self.turn)
        var (due, limit) = (due, Self.batch.upperBound / 2)
        while !due.isEmpty {
            if Task.isCancelled || ContinuousClock.now > end { return false }
            let start = ContinuousClock.now
            let batch = try await store.retention.purge(due, limit: limit)
            due = batch.rest
            for (kind, count) in batch.counts { counters[kind]?.increment(by: count) }
            limit = Self.limit(after: batch, of: limit)
            let pause = start.duration(to: .now) * Self.pauseFactor
            try? await Task.sleep(for: min(max(pause, Self.pauses.lowerBound), Self.pauses.upperBound))
        }
        return true
    }

    /// How many rows the next batch may touch.
    private static func limit(after batch: RetentionStore.Batch, of limit: Int) -> Int {
        let next = batch.work > workGoal ? limit / 2 : batch.work < workGoal / 2 ? limit + limit / 4 : limit
        return min(max(next, Self.batch.lowerBound), Self.batch.upperBound)
    }
}
