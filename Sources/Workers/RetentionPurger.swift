import Domain
import Logging
import Metrics
import ServiceLifecycle
import Storage

/// Removes what accounts keep no longer: looks at all of them once a minute, and takes away what is due in small transactions with pauses
/// in between, so that pushes go first.
///
/// - Rule: batches and the pauses after them go by `PurgePace`.
/// - Rule: the accounts of one look take turns, batch by batch, and are left after `turn`, even when there is more. Why: one account with
///   a long history to remove must not hold up the others.
package struct RetentionPurger: Service {
    /// After a start, when senders deliver what waited.
    private static let delay = Duration.seconds(3)
    private static let interval = Duration.seconds(60)
    private static let turn = Duration.seconds(20)
    private static let accountsPerLook = 200
    private static let workGoal = Duration.milliseconds(1)

    private let store: Store
    private let lease: WorkerLease
    private let logger: Logger
    private let counters: [RetentionStore.Kind: Counter]
    private let answerCounter: Counter
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
        func counter(_ kind: String) -> Counter {
            Counter(label: "tocsin_purged_total", dimensions: [("kind", kind)], factory: metrics)
        }
        counters = Dictionary(
            uniqueKeysWithValues: RetentionStore.Kind.allCases.map { ($0, counter($0.rawValue)) }
        )
        answerCounter = counter("answers")
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
        var isDone = await purgeAnswers(at: now)
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

    /// Removes answers that nobody is given any more; whether none is left.
    private func purgeAnswers(at now: UnixTime) async -> Bool {
        let end = ContinuousClock.now.advanced(by: Self.turn)
        var pace = PurgePace(workGoal: Self.workGoal)
        do {
            guard try await lease.hold() else { return true }
            while !Task.isCancelled, ContinuousClock.now < end {
                let start = ContinuousClock.now
                let limit = pace.limit
                let (count, work) = try await store.retention.purgeAnswers(limit: limit, at: now)
                answerCounter.increment(by: count)
                if count < limit { return true }
                try? await Task.sleep(for: pace.pause(after: work, in: start.duration(to: .now)))
            }
        } catch {
            logger.warning(
                "old answers to idempotency keys could not be purged",
                metadata: ["cause": "\(error)"]
            )
            return true
        }
        return false
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
        var (due, pace) = (due, PurgePace(workGoal: Self.workGoal))
        while !due.isEmpty {
            if Task.isCancelled || ContinuousClock.now > end { return false }
            let start = ContinuousClock.now
            let batch = try await store.retention.purge(due, limit: pace.limit)
            due = batch.rest
            for (kind, count) in batch.counts { counters[kind]?.increment(by: count) }
            try? await Task.sleep(for: pace.pause(after: batch.work, in: start.duration(to: .now)))
        }
        return true
    }
}
