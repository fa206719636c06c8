import Domain
import SQL

/// The configuration snapshots of the accounts that push, at most `capacity` of them, the least used ones dropped.
///
/// - Rule: a snapshot below an account's floor is never handed out. Why: a load that began before a configuration write may end
///   after it. Otherwise: a revoked push URL would work again.
/// - Rule: after a write of which nobody knows whether it was committed, only what was loaded later is handed out. Why: the same.
/// - Rule: what a snapshot does not know is not refused before one was asked whose load began after the question. Why: another node may have
///   written it a moment ago. Otherwise: a push URL is answered 401 right after it was issued.
package final class SnapshotCache: Sendable {
    private struct Entry {
        var snapshot: AccountSnapshot
        var lastUse: UInt64
        /// When its load began.
        let begunAt: ContinuousClock.Instant
    }

    private struct State {
        var entries: [AccountNumber: Entry] = [:]
        var floors: [AccountNumber: Revision] = [:]
        /// Those that were asked for and not dropped for want of room.
        var wanted: Set<AccountNumber> = []
        /// Accounts that were not found: when, and when that look began.
        var missing: [AccountNumber: (at: UnixTime, begunAt: ContinuousClock.Instant)] = [:]
        var tick: UInt64 = 0
        /// How many configuration writes ended in doubt.
        var doubts = 0
    }

    /// How long an account that does not exist is remembered as missing.
    private static let negativeLifetime: Int64 = 1_000

    private let state = Lock(State())
    private let capacity: Int
    private let loads: SingleFlight<AccountNumber, SnapshotLoader.Compiled?>
    /// What was compiled last of each account that is wanted: what did not change is taken from it.
    private let compiled: Lock<[AccountNumber: SnapshotLoader.Compiled]>

    /// `read` reads an account's configuration on a reading connection; nil when there is no such account. It is compiled in the account's
    /// turn of `work`.
    package init(
        database: Database,
        work: WorkPool,
        capacity: Int,
        read: @escaping @Sendable (AccountNumber, any SQLConnection) throws -> SnapshotLoader.Source? = {
            try SnapshotLoader.read($0, on: $1)
        }
    ) {
        self.capacity = capacity
        let compiled = Lock<[AccountNumber: SnapshotLoader.Compiled]>([:])
        self.compiled = compiled
        loads = SingleFlight { account in
            guard let source = try await database.read(.of(account), { try read(account, $0) }) else {
                return nil
            }
            let previous = compiled.withLock { $0[account] }
            return try await work.run(.background, of: account) {
                try SnapshotLoader.compile(source, after: previous)
            }
        }
    }

    /// The snapshot, when it is at hand. One lock.
    package func cached(_ account: AccountNumber) -> AccountSnapshot? {
        state.withLock { state in
            guard state.entries[account] != nil else { return nil }
            state.tick += 1
            state.entries[account]?.lastUse = state.tick
            return state.entries[account]?.snapshot
        }
    }

    /// The accounts whose snapshots are at hand, and the revisions of these.
    package var revisions: [AccountNumber: Revision] {
        state.withLock { state in state.entries.mapValues { $0.snapshot.revision } }
    }

    /// The snapshot, loaded when it is not at hand; nil when there is no such account.
    package func snapshot(of account: AccountNumber, now: UnixTime) async throws -> AccountSnapshot? {
        if let snapshot = cached(account) { return snapshot }
        if isKnownMissing(account, now) { return nil }
        return try await load(account, now)
    }

    /// The snapshot as the store has it now, whatever is at hand; that stays at hand when the store can't be read.
    package func reloaded(_ account: AccountNumber, now: UnixTime) async throws -> AccountSnapshot? {
        loads.forget(account)
        return try await load(account, now)
    }

    /// A snapshot whose load began after `question`, because something was asked then that the one at hand does not know. Those who ask at the
    /// same time share a load, and loads on suspicion follow each other slowly (`SingleFlight.pause(of:since:)`).
    package func snapshot(
        of account: AccountNumber,
        since question: ContinuousClock.Instant,
        now: UnixTime
    ) async throws -> AccountSnapshot? {
        while true {
            let (known, isMissing) = state.withLock { state -> (AccountSnapshot?, Bool) in
                if let entry = state.entries[account], entry.begunAt >= question {
                    return (entry.snapshot, false)
                }
                return (nil, state.missing[account].map { $0.begunAt >= question } ?? false)
            }
            if known != nil || isMissing { return known }
            guard let pause = loads.pause(of: account, since: question) else {
                return try await load(account, now, since: question)
            }
            // Others may have loaded it by then.
            try await Task.sleep(until: pause, clock: .continuous)
        }
    }

    private func load(
        _ account: AccountNumber,
        _ now: UnixTime,
        since question: ContinuousClock.Instant? = nil
    ) async throws -> AccountSnapshot? {
        while true {
            let doubts = state.withLock { $0.doubts }
            let (found, begunAt) = try await loads.value(for: account, since: question)
            guard let loaded = found else {
                state.withLock { state in
                    if state.missing.count > 10_000 { state.missing.removeAll() }
                    state.missing[account] = (now, begunAt)
                    if let entry = state.entries[account], entry.begunAt < begunAt {
                        state.entries[account] = nil
                    }
                }
                compiled.withLock { $0[account] = nil }
                return nil
            }
            if insert(loaded.snapshot, loadedAfter: doubts, begunAt) {
                compiled.withLock { $0[account] = loaded }
                return loaded.snapshot
            }
        }
    }

    /// A configuration write of the account was committed: snapshots below `revision` are over. Answers whether the account's is wanted here.
    @discardableResult
    package func advance(_ account: AccountNumber, to revision: Revision) -> Bool {
        let isWanted = state.withLock { state in
            state.floors[account] = max(revision, state.floors[account] ?? revision)
            state.missing[account] = nil
            if let entry = state.entries[account], entry.snapshot.revision < revision {
                state.entries[account] = nil
            }
            return state.wanted.contains(account)
        }
        loads.forget(account)
        return isWanted
    }

    /// A configuration write of the account failed in a way that leaves open whether it was committed: what was read before is over.
    package func doubt(_ account: AccountNumber) {
        // Loads that run are let go first, so that none of them counts as begun after the doubt.
        loads.forget(account)
        state.withLock { state in
            state.doubts += 1
            state.entries[account] = nil
            state.missing[account] = nil
        }
    }

    /// Takes a snapshot unless it is too old. Its load began when there had been so many `doubts`.
    private func insert(
        _ snapshot: AccountSnapshot,
        loadedAfter doubts: Int,
        _ begunAt: ContinuousClock.Instant
    ) -> Bool {
        let (isTaken, evicted) = state.withLock { state -> (Bool, [AccountNumber]) in
            guard state.doubts == doubts else { return (false, []) }
            if let floor = state.floors[snapshot.number], snapshot.revision < floor { return (false, []) }
            state.tick += 1
            // A load that began later may have ended before this one.
            if let entry = state.entries[snapshot.number], entry.begunAt > begunAt { return (true, []) }
            state.entries[snapshot.number] = Entry(snapshot: snapshot, lastUse: state.tick, begunAt: begunAt)
            state.wanted.insert(snapshot.number)
            let isFull = state.entries.count > capacity
            return (true, isFull ? Self.evict(&state, to: capacity * 9 / 10) : [])
        }
        if !evicted.isEmpty {
            compiled.withLock { compiled in for account in evicted { compiled[account] = nil } }
        }
        return isTaken
    }

    private func isKnownMissing(_ account: AccountNumber, _ now: UnixTime) -> Bool {
        state.withLock { state in
            guard let since = state.missing[account]?.at else { return false }
            if now.milliseconds - since.milliseconds < Self.negativeLifetime { return true }
            state.missing[account] = nil
            return false
        }
    }

    private static func evict(_ state: inout State, to count: Int) -> [AccountNumber] {
        let oldest = state.entries.sorted { $0.value.lastUse < $1.value.lastUse }
        let evicted = oldest.prefix(state.entries.count - count).map(\.key)
        for account in evicted {
            state.entries[account] = nil
            state.wanted.remove(account)
        }
        return evicted
    }
}

/// Runs one load for all that ask for the same key at the same time.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private typealias Instant = ContinuousClock.Instant

    private struct Load: Sendable {
        let task: Task<Value, any Error>
        let begunAt: Instant
    }

    private struct State {
        var running: [Key: Load] = [:]
        /// When the next load on suspicion may begin.
        var pauses: [Key: Instant] = [:]
    }

    /// Between the beginnings of two loads on suspicion; so many times as long as the last one took, and at most.
    private static var pause: Duration { .milliseconds(20) }
    private static var share: Int { 4 }
    private static var longestPause: Duration { .seconds(1) }
    /// Pauses that are remembered; those that are over are forgotten.
    private static var mostPauses: Int { 10_000 }

    private let state = Lock(State())
    private let run: @Sendable (Key) async throws -> Value

    init(load: @escaping @Sendable (Key) async throws -> Value) {
        run = load
    }

    /// When a load that begins after `since` may begin, where it has to wait for that; nil: it may now, or one runs that can be joined. Loads on
    /// suspicion, which somebody may ask for again and again, take at most a fifth of the time for each key.
    func pause(of key: Key, since: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        state.withLock { state in
            if let load = state.running[key], load.begunAt >= since { return nil }
            return state.pauses[key].flatMap { $0 > .now ? $0 : nil }
        }
    }

    /// The value, and when its load began; joins a load that runs already. `since`: the load must have begun after it.
    func value(
        for key: Key,
        since: ContinuousClock.Instant? = nil
    ) async throws -> (value: Value, begunAt: ContinuousClock.Instant) {
        let load = state.withLock { state -> Load in
            if let load = state.running[key], since.map({ load.begunAt >= $0 }) ?? true { return load }
            let load = begin(key)
            state.running[key] = load
            if since != nil { pause(key, until: load.begunAt.advanced(by: Self.pause), &state) }
            return load
        }
        defer { state.withLock { if $0.running[key]?.task == load.task { $0.running[key] = nil } } }
        return (try await load.task.value, load.begunAt)
    }

    /// Unstructured on purpose: the load goes on for the others when the one who began it is cancelled.
    private func begin(_ key: Key) -> Load {
        let begunAt = Instant.now
        let task = Task {
            defer { ended(key, begunAt) }
            return try await run(key)
        }
        return Load(task: task, begunAt: begunAt)
    }

    private func ended(_ key: Key, _ begunAt: Instant) {
        let now = Instant.now
        let pause = min(begunAt.duration(to: now) * (Self.share - 1), Self.longestPause)
        state.withLock { state in
            if let known = state.pauses[key] { state.pauses[key] = max(known, now.advanced(by: pause)) }
        }
    }

    private func pause(_ key: Key, until end: Instant, _ state: inout State) {
        if state.pauses.count >= Self.mostPauses {
            let now = Instant.now
            state.pauses = state.pauses.filter { $0.value > now }
        }
        state.pauses[key] = end
    }

    /// Lets the next caller begin a load of its own instead of joining one that may be too old.
    func forget(_ key: Key) {
        state.withLock { $0.running[key] = nil }
    }
}
