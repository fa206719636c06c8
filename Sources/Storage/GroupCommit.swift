import Domain
import Logging
import Metrics
import SQL
import ServiceLifecycle

/// Stores pushes, many in one transaction: each caller waits until its own push is on disk.
///
/// Batches make themselves: the writer takes all that was queued while the last commit ran.
///
/// - Rule: a push is answered as stored only after the commit returned. Why: invariant 1. Otherwise: a crash loses what was acknowledged.
/// - Rule: one that was not taken in time is withdrawn from the queue before it is answered as refused. Why: its sender may send it
///   again. Otherwise: it would be counted twice.
package final class GroupCommit: Service, Sendable {
    /// The bounds of the queue.
    package struct Bounds: Sendable {
        /// Pushes that may wait.
        package var items = 16_384
        /// Packed bytes that may wait.
        package var bytes = 64 << 20
        /// How long a push may wait for the writer, from the head of its request.
        package var wait: Duration = .milliseconds(3_500)
        /// Cost of one transaction: pushes and their events.
        package var batchCost = 2_048

        package init() {}
    }

    private struct Item: Sendable {
        let push: PreparedPush
        let deadline: ContinuousClock.Instant
        let done: @Sendable (Result<StoredPush, PushFailure>) -> Void
    }

    private struct State {
        var queue = FairQueue<Item>()
        /// Pushes of integrations over their fair share: taken when nobody else waits.
        var overShare = FairQueue<Item>()
        var bytes = 0
        var isWriting = false
        var isStopping = false
        /// When the last transaction failed; nil when it could be committed.
        var failedAt: ContinuousClock.Instant?

        var count: Int { queue.count + overShare.count }
    }

    private let state = Lock(State())
    private let database: Database
    private let identifiers: IdentifierSource
    private let outboxSignal: OutboxSignal
    private let bounds: Bounds
    private let metrics: CommitMetrics
    private let logger: Logger
    private let failStop: @Sendable (String) -> Void

    /// `failStop` ends the process; it is called when the disk did not confirm a sync, after which nothing can be trusted.
    package init(
        database: Database,
        identifiers: IdentifierSource,
        outboxSignal: OutboxSignal = OutboxSignal(),
        bounds: Bounds = Bounds(),
        metrics: any MetricsFactory,
        logger: Logger,
        failStop: @escaping @Sendable (String) -> Void
    ) {
        self.database = database
        self.identifiers = identifiers
        self.outboxSignal = outboxSignal
        self.bounds = bounds
        self.metrics = CommitMetrics(metrics)
        self.logger = logger
        self.failStop = failStop
    }

    /// Stores a push. `done` is called when it is on disk, or with why none of it was stored: on the thread of the writer, which waits
    /// for it.
    ///
    /// `arrival` is when the head of its request came. A push `isOverShare`, of an integration that sends more than its share, waits
    /// behind the others.
    package func submit(
        _ push: PreparedPush,
        arrival: ContinuousClock.Instant,
        isOverShare: Bool = false,
        done: @escaping @Sendable (Result<StoredPush, PushFailure>) -> Void
    ) {
        let item = Item(push: push, deadline: arrival.advanced(by: bounds.wait), done: done)
        let refusal = state.withLock { state -> PushFailure? in
            if state.isStopping { return .stopping }
            guard state.count < bounds.items, state.bytes + push.storedBytes <= bounds.bytes else {
                return .queueFull
            }
            if isOverShare {
                state.overShare.append(item, of: push.account, cost: push.cost)
            } else {
                state.queue.append(item, of: push.account, cost: push.cost)
            }
            state.bytes += push.storedBytes
            return nil
        }
        if let refusal { done(.failure(refusal)) } else { startWriting() }
    }

    /// Stores a push; returns when it is on disk. Throws `PushFailure`: then none of it was stored.
    package func store(
        _ push: PreparedPush,
        arrival: ContinuousClock.Instant,
        isOverShare: Bool = false
    ) async throws -> StoredPush {
        try await withCheckedThrowingContinuation { caller in
            submit(push, arrival: arrival, isOverShare: isOverShare) { caller.resume(with: $0) }
        }
    }

    /// Pushes that wait, and whether the last transaction could be committed.
    package var status: (depth: Int, isHealthy: Bool) {
        state.withLock { ($0.count, $0.failedAt == nil) }
    }

    /// A small transaction outside the queue could be committed: the store works again, unless a push just failed. On a full disk there is
    /// room for a page when there is none for a push.
    package func noteStoreWorks() {
        state.withLock { state in
            if let failedAt = state.failedAt, failedAt.duration(to: .now) > .seconds(2) {
                state.failedAt = nil
            }
        }
    }

    // MARK: Service

    /// Withdraws what waits too long; on shutdown takes no more and returns when all that was taken is written.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                self.withdrawExpired()
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
        state.withLock { $0.isStopping = true }
        while state.withLock({ $0.count > 0 || $0.isWriting }) {
            withdrawExpired()
            await Self.pause()
        }
    }

    /// Sleeps also when the task is cancelled: the queue must be empty before the store closes.
    private static func pause() async {
        await Task.detached { try? await Task.sleep(for: .milliseconds(5)) }.value
    }

    private func withdrawExpired() {
        let now = ContinuousClock.now
        let expired = state.withLock { state -> [Item] in
            let items =
                state.queue.remove { $0.deadline < now } + state.overShare.remove { $0.deadline < now }
            for item in items { state.bytes -= item.push.storedBytes }
            return items
        }
        for item in expired { item.done(.failure(.timedOut)) }
        metrics.queueDepth.record(Int64(status.depth))
    }

    // MARK: Writer thread

    private func startWriting() {
        let begins = state.withLock { state -> Bool in
            guard !state.isWriting else { return false }
            state.isWriting = true
            return true
        }
        if begins { database.enqueueWrite { [self] connection in writeNext(connection) } }
    }

    /// Writes one batch, then queues itself again behind whatever else waits for the connection.
    private func writeNext(_ connection: any SQLConnection) {
        let now = ContinuousClock.now
        let batch = state.withLock { state -> [Item] in
            var items = state.queue.take(budget: bounds.batchCost)
            if items.isEmpty { items = state.overShare.take(budget: bounds.batchCost) }
            for item in items { state.bytes -= item.push.storedBytes }
            if items.isEmpty { state.isWriting = false }
            return items
        }
        guard !batch.isEmpty else { return }
        let live = batch.filter { $0.deadline >= now }
        for item in batch where item.deadline < now { item.done(.failure(.timedOut)) }
        if !live.isEmpty {
            write(live, connection)
        }
        do {
            try connection.maintain()
        } catch {
            logFailure("the log could not be checkpointed", error)
            stopIfUnsynced(error)
        }
        database.enqueueWrite { [self] connection in writeNext(connection) }
    }

    private func write(_ items: [Item], _ connection: any SQLConnection) {
        let start = ContinuousClock.now
        let results = commit(items.map(\.push), connection)
        metrics.committed(count: items.count, in: start.duration(to: .now))
        var told: Set<OutboxSignal.Key> = []
        for (item, result) in zip(items, results) {
            if case .success(let stored) = result {
                metrics.count(stored.outcomes)
                if !stored.told.isEmpty { told.formUnion(stored.told) }
            }
            item.done(result)
        }
        outboxSignal.raise(told)
    }

    private func commit(_ pushes: [PreparedPush], _ connection: any SQLConnection) -> PushWriter.Results {
        let writer = PushWriter(connection: connection, identifiers: identifiers, now: identifiers.now)
        var isWritten = false
        do {
            let results = try connection.transaction {
                let results = try writer.write(pushes)
                isWritten = true
                return results
            }
            setHealth(true)
            return results
        } catch {
            // A commit that fails may have taken effect all the same: written again, the pushes would be there twice.
            if isWritten || error.isDisk { return unavailable(pushes, error) }
            logFailure("a batch failed; its pushes are tried one by one", error)
            return commitEach(pushes, writer)
        }
    }

    /// Each push under a savepoint of its own, so that one that makes the store fail fails alone.
    private func commitEach(_ pushes: [PreparedPush], _ writer: PushWriter) -> PushWriter.Results {
        do {
            let results = try writer.connection.transaction { try pushes.map { try writeAlone($0, writer) } }
            setHealth(true)
            return results
        } catch {
            return unavailable(pushes, error)
        }
    }

    /// - Rule: when the savepoint itself fails, the whole transaction does. Why: SQLite takes the transaction back by itself when disk or
    ///   memory run out, and what a failed push left behind can't be told from the rest. Otherwise: pushes are answered as stored that
    ///   are gone, and others as refused that are there.
    private func writeAlone(
        _ push: PreparedPush,
        _ writer: PushWriter
    ) throws -> Result<StoredPush, PushFailure> {
        try writer.connection.beginSavepoint()
        let result: Result<StoredPush, PushFailure>
        do {
            result = try writer.write([push])[0]
        } catch {
            if error.isDisk { throw error }
            try writer.connection.endSavepoint(keep: false)
            logFailure("a push could not be stored", error)
            return .failure(.unacceptable)
        }
        try writer.connection.endSavepoint(keep: true)
        return result
    }

    private func unavailable(_ pushes: [PreparedPush], _ error: any Error) -> PushWriter.Results {
        logFailure("the store could not commit", error)
        setHealth(false)
        stopIfUnsynced(error)
        return pushes.map { _ in .failure(.storeUnavailable) }
    }

    private func stopIfUnsynced(_ error: any Error) {
        if let error = error as? SQLError, error.kind == .syncFailed {
            failStop("the disk did not confirm a sync: what was written may be gone")
        }
    }

    private func setHealth(_ isHealthy: Bool) {
        state.withLock { $0.failedAt = isHealthy ? nil : .now }
    }

    private func logFailure(_ message: Logger.Message, _ error: any Error) {
        logger.error(message, metadata: ["cause": "\(error)"])
    }
}

extension Error {
    /// Whether the disk is at fault and not a push.
    fileprivate var isDisk: Bool { (self as? SQLError)?.isDisk == true }
}

/// Figures of the writer: counted per batch.
private struct CommitMetrics: Sendable {
    let queueDepth: Recorder
    private let batchSize: Recorder
    private let commitSeconds: Recorder
    private let outcomes: [Outcome: Counter]

    init(_ factory: any MetricsFactory) {
        queueDepth = Recorder(label: "tocsin_queue_depth", dimensions: [], aggregate: false, factory: factory)
        batchSize = Recorder(
            label: "tocsin_commit_batch_pushes",
            dimensions: [],
            aggregate: true,
            factory: factory
        )
        commitSeconds = Recorder(
            label: "tocsin_commit_seconds",
            dimensions: [],
            aggregate: true,
            factory: factory
        )
        outcomes = Dictionary(
            uniqueKeysWithValues: Outcome.allCases.map {
                (
                    $0,
                    Counter(
                        label: "tocsin_events_total",
                        dimensions: [("outcome", $0.name)],
                        factory: factory
                    )
                )
            }
        )
    }

    func committed(count: Int, in time: Duration) {
        batchSize.record(Int64(count))
        commitSeconds.record(Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
    }

    func count(_ events: [EventOutcome]) {
        for event in events { outcomes[event.outcome]?.increment() }
    }
}
