import Domain
import SQL

/// The configuration snapshots of the accounts that push, at most `capacity` of them, the least used ones dropped.
///
/// - Rule: a snapshot below an account's floor is never handed out. Why: a load that began before a configuration write may end
///   after it. Otherwise: a revoked push URL would work again.
/// - Rule: after a write of which nobody knows whether it was committed, only what was loaded later is handed out. Why: the same.
package final class SnapshotCache: Sendable {
    private struct Entry {
        var snapshot: AccountSnapshot
        var lastUse: UInt64
        let loadedAt = ContinuousClock.now
    }

    private struct State {
        var entries: [AccountNumber: Entry] = [:]
        var floors: [AccountNumber: Revision] = [:]
        /// Those that were asked for and not dropped for want of room.
        var wanted: Set<AccountNumber> = []
        var missing: [AccountNumber: UnixTime] = [:]
        var tick: UInt64 = 0
        /// How many configuration writes ended in doubt.
        var doubts = 0
    }

    /// How long an account that does not exist is remembered as missing.
    private static let negativeLifetime: Int64 = 1_000
    /// A snapshot that is younger is not loaded again on suspicion.
    private static let youth = Duration.milliseconds(20)

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

    /// Forgets the snapshot unless it was loaded a moment ago, because something is asked of it that it does not know; whether it did.
    package func dropOld(_ account: AccountNumber) -> Bool {
        let isDropped = state.withLock { state in
            guard let entry = state.entries[account], entry.loadedAt.duration(to: .now) > Self.youth else {
                return false
            }
            state.entries[account] = nil
            return true
        }
        if isDropped { loads.forget(account) }
        return isDropped
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

    private func load(_ account: AccountNumber, _ now: UnixTime) async throws -> AccountSnapshot? {
        while true {
            let doubts = state.withLock { $0.doubts }
            guard let loaded = try await loads.value(for: account) else {
                state.withLock { $0.missing[account] = now }
                compiled.withLock { $0[account] = nil }
                return nil
            }
            if insert(loaded.snapshot, loadedAfter: doubts) {
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
    private func insert(_ snapshot: AccountSnapshot, loadedAfter doubts: Int) -> Bool {
        let (isTaken, evicted) = state.withLock { state -> (Bool, [AccountNumber]) in
            guard state.doubts == doubts else { return (false, []) }
            if let floor = state.floors[snapshot.number], snapshot.revision < floor { return (false, []) }
            state.tick += 1
            state.entries[snapshot.number] = Entry(snapshot: snapshot, lastUse: state.tick)
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
            guard let since = state.missing[account] else { return false }
            if now.milliseconds - since.milliseconds < Self.negativeLifetime { return true }
            if state.missing.count > 10_000 { state.missing.removeAll() }
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
    private let running = Lock<[Key: Task<Value, any Error>]>([:])
    private let load: @Sendable (Key) async throws -> Value

    init(load: @escaping @Sendable (Key) async throws -> Value) {
        self.load = load
    }

    /// The value; joins a load that runs already.
    func value(for key: Key) async throws -> Value {
        let task = running.withLock { running -> Task<Value, any Error> in
            if let task = running[key] { return task }
            // Unstructured on purpose: the load goes on for the others when the one who began it is cancelled.
            let task = Task { try await load(key) }
            running[key] = task
            return task
        }
        defer { running.withLock { if $0[key] == task { $0[key] = nil } } }
        return try await task.value
    }

    /// Lets the next caller begin a load of its own instead of joining one that may be too old.
    func forget(_ key: Key) {
        running.withLock { $0[key] = nil }
    }
}
