import Domain
import Logging
import Native
import SQL

/// What the writer of pushes does with a spool: puts into it what the database can't take, and applies from it when the database is back.
/// Runs on the thread of the connection of pushes, so that the order of pushes is the order in which that thread meets them.
package final class SpoolLane: Sendable {
    private static let portions = 1...256

    package let spool: Spool
    let reachability: Reachability
    private let store: Store
    private let usage: UsageTracker
    private let logger: Logger
    private let state = Lock((portion: SpoolLane.portions.upperBound, isDraining: false))

    package init(
        _ spool: Spool,
        store: Store,
        usage: UsageTracker,
        reachability: Reachability,
        logger: Logger
    ) {
        self.spool = spool
        self.store = store
        self.usage = usage
        self.reachability = reachability
        self.logger = logger
    }

    /// Whether pushes go to the spool now: the database is away, or something is there that came before them.
    var isInUse: Bool { reachability.isAway || !spool.isEmpty }

    /// Notes why a batch could not be written.
    func note(_ error: any Error) {
        guard (error as? SQLError)?.isAway == true, reachability.note(isAway: true) else { return }
        logger.error("the database is away: pushes are kept in the spool", metadata: ["cause": "\(error)"])
    }

    /// Puts pushes into the spool. nil: it came by no push URL, and nothing is done with it.
    func take(_ entries: [Spool.Entry?], _ batch: BatchCommit) -> [Result<StoredPush, PushFailure>?] {
        var hasRoom: [Bool]
        do {
            hasRoom = try spool.append(entries.compactMap { $0 })
        } catch {
            batch.noteFailure("the spool could not be written", error)
            return entries.map { $0 == nil ? nil : .failure(.storeUnavailable) }
        }
        return entries.map { entry in
            guard let entry else { return nil }
            guard hasRoom.removeFirst() else { return .failure(.queueFull) }
            return .success(StoredPush(deliveryID: entry.deliveryID, outcomes: [], applied: 0))
        }
    }

    // MARK: Applying

    /// Whether the caller is to begin to apply; it then calls `applyNext` until that answers nil.
    func begin() -> Bool {
        guard !spool.isEmpty, !reachability.isAway else { return false }
        return state.withLock { state in
            if state.isDraining { return false }
            state.isDraining = true
            return true
        }
    }

    /// Applies the first of what waits, in one transaction. nil: nothing waits, or it can't be done now.
    func applyNext(_ batch: BatchCommit, _ connection: any SQLConnection) -> [StoredPush]? {
        do {
            if let stored = try apply(batch, connection) { return stored }
        } catch {
            note(error)
            batch.noteFailure("the spool could not be applied", error)
        }
        state.withLock { $0.isDraining = false }
        return nil
    }

    private func apply(_ batch: BatchCommit, _ connection: any SQLConnection) throws -> [StoredPush]? {
        let waiting = try spool.oldest(state.withLock { $0.portion })
        guard !waiting.isEmpty else { return nil }
        var reader = SpoolReader(store: store, usage: usage)
        defer { connection.enter(.nobody) }
        let readings = try waiting.map { try reader.read($0.entry, connection) }
        switch batch.write(readings.compactMap(\.push), connection) {
        case .committed(let results):
            state.withLock { $0.portion = min($0.portion * 2, Self.portions.upperBound) }
            return try settle(waiting, readings, results, reader)
        case .failed(let error):
            note(error)
            // A transaction that takes too long is tried with less.
            state.withLock { $0.portion = max($0.portion / 2, Self.portions.lowerBound) }
            return nil
        }
    }

    /// Takes out of the spool what was applied, or is refused for good.
    private func settle(
        _ waiting: [Spool.Waiting],
        _ readings: [SpoolReader.Reading],
        _ results: PushWriter.Results,
        _ reader: SpoolReader
    ) throws -> [StoredPush] {
        var results = results[...]
        var done: [Spool.Waiting] = []
        var stored: [StoredPush] = []
        for (item, reading) in zip(waiting, readings) {
            switch (reading, reading.push == nil ? nil : results.popFirst()) {
            case (.push(let push), .success(let result)?):
                reader.count(item.entry, push, result)
                stored.append(result)
            case (.unreadable, _), (_, .failure(.unacceptable)?):
                try setAside(item)
                continue
            case (.push(let push), .failure(let failure)?): reader.refuse(push, failure)
            case (.refused, _), (.push, nil): break
            }
            done.append(item)
        }
        try spool.applied(done)
        return stored
    }

    private func setAside(_ item: Spool.Waiting) throws {
        logger.error(
            "an acknowledged push could not be applied and is set aside in the spool",
            metadata: ["delivery": "\(item.entry.deliveryID)"]
        )
        try spool.setAside(item)
    }
}

/// Makes pushes of what waited in the spool, by the configuration as it is now.
struct SpoolReader {
    let store: Store
    let usage: UsageTracker
    private var accounts: [AccountNumber: AccountSnapshot] = [:]

    init(store: Store, usage: UsageTracker) {
        self.store = store
        self.usage = usage
    }

    /// What came of an entry.
    enum Reading {
        case push(PreparedPush)
        /// Its push URL does not exist any more, or is revoked.
        case refused
        /// Damage, or a newer program's.
        case unreadable

        var push: PreparedPush? {
            if case .push(let push) = self { push } else { nil }
        }
    }

    /// Makes a push of an entry, by the configuration of its account, which is looked up once.
    mutating func read(_ entry: Spool.Entry, _ connection: any SQLConnection) throws -> Reading {
        guard let body = Packing.unpack(entry.packedBody) else { return .unreadable }
        guard let account = try account(entry.account, connection),
            let integration = account.integrations[entry.integration],
            let (credential, refusal) = integration.admission(
                tag: entry.tag,
                kid: entry.kid,
                expiryDay: entry.expiryDay,
                at: entry.receivedAt
            ), let format = store.format(of: integration.type)
        else { return .refused }
        let reason: RefusalReason? = account.isActive ? refusal : .accountSuspended
        if let reason, reason != .expired, reason != .integrationDisabled {
            usage.refused(reason, integration: integration.id, account: account.number, at: store.now)
            return .refused
        }
        let mark = CrashGuard.mark(of: body)
        let content = store.content(
            of: body,
            mark: mark,
            as: format,
            integration: integration,
            account: account,
            from: entry.remoteAddress,
            refusal: reason
        )
        let push = PreparedPush(
            account: account,
            integration: integration,
            credential: credential.id,
            vocabulary: format.severities,
            receivedAt: entry.receivedAt,
            contentType: entry.contentType,
            remoteAddress: entry.remoteAddress,
            body: body,
            mark: mark,
            content: content,
            deliveryID: entry.deliveryID,
            mayBeStored: true
        )
        return .push(push)
    }

    /// Notes the use of the push URL and a quarantine, where that was not done when the push came.
    func count(_ entry: Spool.Entry, _ push: PreparedPush, _ stored: StoredPush) {
        guard !entry.isCounted, let credential = push.credential else { return }
        usage.stored(
            credential,
            integration: push.integration.id,
            account: push.account,
            at: entry.receivedAt,
            from: entry.remoteAddress,
            quarantine: stored.quarantine ?? push.quarantine
        )
    }

    /// Tells the owner that the configuration no longer admits it.
    func refuse(_ push: PreparedPush, _ failure: PushFailure) {
        let reason: RefusalReason = failure == .accountUnavailable ? .accountSuspended : .revoked
        usage.refused(reason, integration: push.integration.id, account: push.account, at: store.now)
    }

    private mutating func account(
        _ number: AccountNumber,
        _ connection: any SQLConnection
    ) throws -> AccountSnapshot? {
        // Not the one at hand: it may not know a push URL that another node issued, and the push was acknowledged.
        if let known = accounts[number] { return known }
        connection.enter(.of(number))
        let loaded = try SnapshotLoader.load(number, on: connection)
        accounts[number] = loaded
        return loaded
    }
}
