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
        /// How long one transaction may wait for a database server: with `wait` for the ones behind it, less than what a sender waits.
        package var work: Duration = .milliseconds(2_500)
        /// Cost of one transaction: pushes and their events.
        package var batchCost = 2_048
        /// What of it pushes over their fair share may be, after all others. *Why they are in it:* where a transaction takes some milliseconds
        /// somebody else always waits, be it the same sender's share, and they would never have their turn. *Why no more:* the others wait for
        /// the whole of it.
        package var overShareCost = 512

        package init() {}
    }

    private enum Payload: Sendable {
        case prepared(PreparedPush)
        /// Whose it is will be known when the database is back.
        case unknown(Spool.Entry)

        var account: AccountNumber {
            switch self {
            case .prepared(let push): push.account
            case .unknown(let entry): entry.account
            }
        }

        var cost: Int {
            switch self {
            case .prepared(let push): push.cost
            case .unknown: 1
            }
        }

        var bytes: Int {
            switch self {
            case .prepared(let push): push.storedBytes
            case .unknown(let entry): entry.packedBody.count
            }
        }

        var prepared: PreparedPush? {
            if case .prepared(let push) = self { push } else { nil }
        }

        /// nil: it can't wait in a spool.
        var entry: Spool.Entry? {
            switch self {
            case .prepared(let push): Spool.Entry(push)
            case .unknown(let entry): entry
            }
        }
    }

    private struct Item: Sendable {
        let payload: Payload
        let deadline: ContinuousClock.Instant
        let isOverShare: Bool
        let done: @Sendable (Result<StoredPush, PushFailure>) -> Void

        /// The same push in another form.
        func with(_ payload: Payload) -> Item {
            Item(payload: payload, deadline: deadline, isOverShare: isOverShare, done: done)
        }
    }

    private struct State {
        var queue = FairQueue<Item>()
        /// Pushes of integrations over their fair share: taken after those who wait with them.
        var overShare = FairQueue<Item>()
        var bytes = 0
        var isWriting = false
        /// Pushes that are decided again and come back.
        var redeciding = 0
        var isStopping = false
        /// When the last transaction failed; nil when it could be committed.
        var failedAt: ContinuousClock.Instant?

        var count: Int { queue.count + overShare.count }
    }

    private let state = Lock(State())
    let store: Store
    let bounds: Bounds
    private let metrics: CommitMetrics
    let committing: BatchCommit
    let spooling: SpoolLane?

    /// `failStop` ends the process; it is called when the disk did not confirm a sync, after which nothing can be trusted. `spooling`: where
    /// pushes wait when the database can't take them; nil: they are refused then.
    package init(
        store: Store,
        bounds: Bounds = Bounds(),
        spooling: SpoolLane? = nil,
        metrics: any MetricsFactory,
        logger: Logger,
        failStop: @escaping @Sendable (String) -> Void
    ) {
        self.store = store
        self.bounds = bounds
        self.metrics = CommitMetrics(metrics)
        self.spooling = spooling
        committing = BatchCommit(identifiers: store.identifiers, logger: logger, failStop: failStop)
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
        // What goes on with a delivery that is stored has its id.
        let mayWait = spooling != nil && !push.isAhead
        let payload = Payload.prepared(mayWait ? push.named(store.identifiers.next()) : push)
        submit(payload, arrival, isOverShare, done)
    }

    /// Keeps a push whose owner can't be looked up because the database is away. Only where there is a spool.
    package func submit(
        _ entry: Spool.Entry,
        arrival: ContinuousClock.Instant,
        done: @escaping @Sendable (Result<StoredPush, PushFailure>) -> Void
    ) {
        submit(.unknown(entry), arrival, false, done)
    }

    private func submit(
        _ payload: Payload,
        _ arrival: ContinuousClock.Instant,
        _ isOverShare: Bool,
        _ done: @escaping @Sendable (Result<StoredPush, PushFailure>) -> Void
    ) {
        let deadline = arrival.advanced(by: bounds.wait)
        submit(Item(payload: payload, deadline: deadline, isOverShare: isOverShare, done: done))
    }

    /// `isTaken`: it was in the queue before, and is waited for when the server stops.
    private func submit(_ item: Item, isTaken: Bool = false) {
        let payload = item.payload
        let refusal = state.withLock { state -> PushFailure? in
            if isTaken { state.redeciding -= 1 }
            if state.isStopping, !isTaken { return .stopping }
            guard state.count < bounds.items, state.bytes + payload.bytes <= bounds.bytes else {
                return .queueFull
            }
            if item.isOverShare {
                state.overShare.append(item, of: payload.account, cost: payload.cost)
            } else {
                state.queue.append(item, of: payload.account, cost: payload.cost)
            }
            state.bytes += payload.bytes
            return nil
        }
        if let refusal { item.done(.failure(refusal)) } else { startWriting() }
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
        while state.withLock({ $0.count > 0 || $0.isWriting || $0.redeciding > 0 }) {
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
            for item in items { state.bytes -= item.payload.bytes }
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
        if begins { store.database.enqueuePushes { [self] connection in writeNext(connection) } }
    }

    /// Writes one batch, then queues itself again behind whatever else waits for the connection.
    private func writeNext(_ connection: any SQLConnection) {
        let now = ContinuousClock.now
        let batch = state.withLock { state -> [Item] in
            var items = state.queue.take(budget: bounds.batchCost)
            let room = bounds.batchCost - items.reduce(0) { $0 + $1.payload.cost }
            if room > 0 { items += state.overShare.take(budget: min(room, bounds.overShareCost)) }
            for item in items { state.bytes -= item.payload.bytes }
            if items.isEmpty { state.isWriting = false }
            return items
        }
        guard !batch.isEmpty else { return }
        let live = batch.filter { $0.deadline >= now }
        for item in batch where item.deadline < now { item.done(.failure(.timedOut)) }
        if !live.isEmpty {
            connection.allow(bounds.work)
            write(live, connection)
        }
        do {
            try connection.maintain()
        } catch {
            committing.noteFailure("the log could not be checkpointed", error)
        }
        store.database.enqueuePushes { [self] connection in writeNext(connection) }
    }

    private func write(_ items: [Item], _ connection: any SQLConnection) {
        let start = ContinuousClock.now
        let results = store(items, connection)
        metrics.committed(count: items.count, in: start.duration(to: .now))
        var told: Set<OutboxSignal.Key> = []
        for (item, result) in zip(items, results) {
            switch result {
            case .success(let stored):
                count(stored, &told)
                item.done(result)
            case .failure(.outdated(let revision)): decideAgain(item, at: revision)
            case .failure: item.done(result)
            }
        }
        store.outboxSignal.raise(told)
    }

    /// Has a push decided anew by the configuration as it is at `revision` or later, away from this thread, and puts it into the queue again.
    /// Where the database went away meanwhile it goes into the spool.
    private func decideAgain(_ item: Item, at revision: Revision) {
        guard let push = item.payload.prepared else { return item.done(.failure(.unacceptable)) }
        state.withLock { $0.redeciding += 1 }
        Task {
            do {
                let again = try await decided(push, at: revision)
                submit(item.with(.prepared(again)), isTaken: true)
            } catch let failure as PushFailure {
                giveUp(item, failure)
            } catch {
                guard spooling != nil, !error.isUnreadable, let entry = item.payload.entry else {
                    return giveUp(item, .storeUnavailable)
                }
                submit(item.with(.unknown(entry)), isTaken: true)
            }
        }
    }

    private func decided(_ push: PreparedPush, at revision: Revision) async throws -> PreparedPush {
        store.snapshots.advance(push.account, to: revision)
        let account = try await store.snapshots.snapshot(of: push.account, now: store.now)
        guard let account else { throw PushFailure.accountUnavailable }
        let again = try await store.work.run(.pushes, of: push.account) { push.redecided(by: account) }
        guard let again else { throw PushFailure.noLongerAdmitted }
        return again
    }

    func count(_ stored: StoredPush, _ told: inout Set<OutboxSignal.Key>) {
        metrics.count(stored.outcomes)
        if stored.appliedTo != nil { store.pendingSignal.raise() }
        if !stored.told.isEmpty { told.formUnion(stored.told) }
    }

    private func giveUp(_ item: Item, _ failure: PushFailure) {
        state.withLock { $0.redeciding -= 1 }
        item.done(.failure(failure))
    }

    private func store(_ items: [Item], _ connection: any SQLConnection) -> PushWriter.Results {
        let pushes = items.compactMap(\.payload.prepared)
        if let spooling, spooling.isInUse || pushes.count < items.count {
            return spool(items, spooling, connection)
        }
        switch committing.write(pushes, connection) {
        case .committed(let results):
            setHealth(true)
            return results
        case .failed(let error):
            setHealth(false)
            guard let spooling else { return items.map { _ in .failure(.storeUnavailable) } }
            spooling.note(error)
            return spool(items, spooling, nil)
        }
    }

    /// Puts into the spool what can wait there; the rest, a replay for instance, is written now, where that is possible.
    private func spool(
        _ items: [Item],
        _ spooling: SpoolLane,
        _ connection: (any SQLConnection)?
    ) -> PushWriter.Results {
        let results = spooling.take(items.map(\.payload.entry), committing)
        let rest = zip(items, results).filter { $0.1 == nil }.compactMap(\.0.payload.prepared)
        var others = PushWriter.Results()[...]
        if let connection, !rest.isEmpty, !spooling.reachability.isAway,
            case .committed(let written) = committing.write(rest, connection)
        {
            others = written[...]
        }
        return results.map { $0 ?? others.popFirst() ?? .failure(.storeUnavailable) }
    }

    /// What waits on disk; nil where there is no spool.
    package var spoolStatus: Spool.Status? { spooling?.spool.status }
    /// Whether pushes can be taken without the database.
    package var canSpool: Bool { spooling != nil }
    /// Whether the database was found to be away.
    package var isDatabaseAway: Bool { spooling?.reachability.isAway == true }

    func setHealth(_ isHealthy: Bool) {
        state.withLock { $0.failedAt = isHealthy ? nil : .now }
    }
}
