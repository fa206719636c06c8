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

    /// Whether the caller is to begin to apply: it then takes what is `next`, reads it and applies that, and so on until one of these answers
    /// nil.
    func begin() -> Bool {
        guard !spool.isEmpty, !reachability.isAway else { return false }
        return state.withLock { state in
            if state.isDraining { return false }
            state.isDraining = true
            return true
        }
    }

    /// The first of what waits. nil: nothing does, or it can't be read now.
    func next(_ batch: BatchCommit) -> [Spool.Waiting]? {
        ending(batch) {
            let waiting = try spool.oldest(state.withLock { $0.portion })
            return waiting.isEmpty ? nil : waiting
        }
    }

    /// Makes pushes of what waits, each in the turn of its account: not on the thread of a connection. nil: the database is away again.
    func read(_ waiting: [Spool.Waiting], _ batch: BatchCommit) async -> SpoolReader? {
        var reader = SpoolReader(store: store, usage: usage)
        do {
            for item in waiting { try await reader.read(item.entry) }
            return reader
        } catch {
            _ = ending(batch) { () -> Void? in throw error }
            return nil
        }
    }

    /// Applies it, in one transaction. nil: it can't be done now.
    func apply(
        _ waiting: [Spool.Waiting],
        _ reader: SpoolReader,
        _ batch: BatchCommit,
        _ connection: any SQLConnection
    ) -> [StoredPush]? {
        ending(batch) {
            defer { connection.enter(.nobody) }
            switch batch.write(reader.readings.compactMap(\.push), connection) {
            case .committed(let results):
                state.withLock { $0.portion = min($0.portion * 2, Self.portions.upperBound) }
                return try settle(waiting, reader, results)
            case .failed(let error):
                note(error)
                // A transaction that takes too long is tried with less.
                state.withLock { $0.portion = max($0.portion / 2, Self.portions.lowerBound) }
                return nil
            }
        }
    }

    /// Runs `body`; what fails, and what answers nil, ends the applying.
    private func ending<Value>(_ batch: BatchCommit, _ body: () throws -> Value?) -> Value? {
        do {
            if let value = try body() { return value }
        } catch {
            note(error)
            batch.noteFailure("the spool could not be applied", error)
        }
        state.withLock { $0.isDraining = false }
        return nil
    }

    /// Takes out of the spool what was applied, or is refused for good.
    private func settle(
        _ waiting: [Spool.Waiting],
        _ reader: SpoolReader,
        _ results: PushWriter.Results
    ) throws -> [StoredPush] {
        var results = results[...]
        var done: [Spool.Waiting] = []
        var stored: [StoredPush] = []
        for (item, reading) in zip(waiting, reader.readings) {
            switch (reading, reading.push == nil ? nil : results.popFirst()) {
            case (.push(let push), .success(let result)?):
                reader.count(item.entry, push, result)
                stored.append(result)
            case (.unreadable, _), (_, .failure(.unacceptable)?):
                try setAside(item)
                continue
            case (.push, .failure(.outdated)?):
                // Read again with the next ones, by the configuration as it is then.
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
    /// What came of each entry, in their order.
    private(set) var readings: [Reading] = []
    private var accounts: [AccountNumber: AccountSnapshot?] = [:]

    init(store: Store, usage: UsageTracker) {
        self.store = store
        self.usage = usage
    }

    /// What came of an entry.
    enum Reading: Sendable {
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
    mutating func read(_ entry: Spool.Entry) async throws {
        readings.append(try await reading(of: entry))
    }

    private mutating func reading(of entry: Spool.Entry) async throws -> Reading {
        let found: AccountSnapshot?
        do {
            found = try await account(entry.account)
        } catch let error as SQLError where !error.isAway && error.kind != .busy {
            return .unreadable
        }
        guard let account = found, let integration = account.integrations[entry.integration],
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
        let size = entry.packedBody.count
        return try await store.work.run(.background, of: account.number, bytes: size) { [store] in
            guard let body = Packing.unpack(entry.packedBody) else { return .unreadable }
            let mark = CrashGuard.mark(of: body)
            let received = store.received(
                body,
                contentType: entry.contentType,
                mark: mark,
                as: format,
                integration: integration,
                from: entry.remoteAddress,
                refusal: reason
            )
            let (content, eventCount) = store.prepared(
                received,
                integration: integration,
                account: account,
                vocabulary: format.severities
            )
            return .push(
                PreparedPush(
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
                    mayBeStored: true,
                    eventCount: eventCount
                )
            )
        }
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

    private mutating func account(_ number: AccountNumber) async throws -> AccountSnapshot? {
        if let known = accounts[number] { return known }
        // Not the one at hand: it may not know a push URL that another node issued, and the push was acknowledged.
        let loaded = try await store.snapshots.reloaded(number, now: store.now)
        accounts[number] = .some(loaded)
        return loaded
    }
}
