import Domain
import Logging
import SQL
import ServiceLifecycle

/// Gathers what moves with every push or call and is written lazily, once a second: uses of push URLs and API keys, the last delivery
/// and the refusals of integrations.
///
/// A crash loses at most the last second of it; nothing that was promised.
package final class UsageTracker: Service, Sendable {
    fileprivate struct Scoped<Key: Hashable & Comparable & Sendable>: Hashable, Comparable, Sendable {
        let account: AccountNumber
        let key: Key

        static func < (left: Self, right: Self) -> Bool {
            (left.account, left.key) < (right.account, right.key)
        }
    }

    fileprivate struct Use: Sendable {
        var count: Int64 = 0
        var at: UnixTime
        var address: Text?
    }

    /// Uses of one push URL, and whose it is.
    fileprivate struct Deliveries: Sendable {
        let account: AccountNumber
        let integration: IntegrationID
        var use: Use
    }

    fileprivate struct RefusalKey: Hashable, Comparable, Sendable {
        let integration: IntegrationID
        let reason: RefusalReason

        static func < (left: Self, right: Self) -> Bool {
            (left.integration, left.reason.rawValue) < (right.integration, right.reason.rawValue)
        }
    }

    fileprivate struct RefusalDay: Hashable, Comparable, Sendable {
        let day: UTCDay
        let reason: RefusalReason

        static func < (left: Self, right: Self) -> Bool {
            (left.day, left.reason.rawValue) < (right.day, right.reason.rawValue)
        }
    }

    fileprivate struct Gathered: Sendable {
        var pushURLs: [PushURLID: Deliveries] = [:]
        var refusals: [Scoped<RefusalKey>: Use] = [:]
        /// The same by the day of each, for as long as the database is away.
        var refusalDays: [Scoped<RefusalDay>: Int64] = [:]
        var keys: [Scoped<APIKeyID>: Use] = [:]

        /// The newest time in it.
        var newest: UnixTime? {
            (pushURLs.values.map(\.use.at) + refusals.values.map(\.at) + keys.values.map(\.at)).max()
        }

        var isEmpty: Bool { pushURLs.isEmpty && refusals.isEmpty && keys.isEmpty }
    }

    static let usePushURL = SQLStatement(
        """
        UPDATE push_urls SET use_count = use_count + $3, last_used_at = $4, last_used_address = $5
        WHERE account_id = $1 AND id = $2
        """
    )
    static let deliver = SQLStatement(
        """
        INSERT INTO integration_activity (account_id, integration_id, last_delivery_at)
        SELECT $1::BIGINT, i.id, $3::BIGINT FROM integrations i WHERE i.account_id = $1 AND i.id = $2
        ON CONFLICT (account_id, integration_id) DO UPDATE SET last_delivery_at = excluded.last_delivery_at
        """
    )
    static let refuse = SQLStatement(
        """
        INSERT INTO refusals (account_id, integration_id, reason, count, last_at)
        SELECT $1::BIGINT, i.id, $3::SMALLINT, $4::BIGINT, $5::BIGINT FROM integrations i
        WHERE i.account_id = $1 AND i.id = $2
        ON CONFLICT (account_id, integration_id, reason)
        DO UPDATE SET count = refusals.count + excluded.count, last_at = excluded.last_at
        """
    )
    static let useKey = SQLStatement(
        "UPDATE api_keys SET last_used_at = $3, last_used_address = $4 WHERE account_id = $1 AND id = $2"
    )

    static let statements = [usePushURL, deliver, refuse, useKey]

    private let gathered = Lock(Gathered())
    private let database: Database
    private let logger: Logger

    package init(database: Database, logger: Logger) {
        self.database = database
        self.logger = logger
    }

    /// A push came with this credential and was stored: applied, or quarantined. One from a wrong address is no use of the push URL.
    package func stored(
        _ credential: PushURLID,
        integration: IntegrationID,
        account: AccountNumber,
        at now: UnixTime,
        from address: Text?,
        quarantine: Quarantine?
    ) {
        if quarantine != .sourceAddress {
            delivered(credential, integration: integration, account: account, at: now, from: address)
        }
        if let quarantine {
            refused(quarantine.refusal, integration: integration, account: account, at: now)
        }
    }

    private func delivered(
        _ credential: PushURLID,
        integration: IntegrationID,
        account: AccountNumber,
        at now: UnixTime,
        from address: Text?
    ) {
        gathered.withLock { state in
            state.pushURLs[
                credential,
                default: Deliveries(account: account, integration: integration, use: Use(at: now))
            ].use.note(now, address)
        }
    }

    /// A push of the integration was refused.
    package func refused(
        _ reason: RefusalReason,
        integration: IntegrationID,
        account: AccountNumber,
        at now: UnixTime
    ) {
        let key = RefusalKey(integration: integration, reason: reason)
        let day = RefusalDay(day: UTCDay(of: now), reason: reason)
        gathered.withLock { state in
            state.refusals[Scoped(account: account, key: key), default: Use(at: now)].note(now, nil)
            state.refusalDays[Scoped(account: account, key: day), default: 0] += 1
        }
    }

    /// A management call was made with this key. `account` is number 0 for an operator's.
    package func called(_ key: APIKeyID, account: AccountNumber, at now: UnixTime, from address: Text?) {
        gathered.withLock {
            $0.keys[Scoped(account: account, key: key), default: Use(at: now)].note(now, address)
        }
    }

    /// Writes once a second, and once more on shutdown.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: .seconds(1))) != nil { await self.flush() }
        }
        await flush()
    }

    /// Writes what was gathered. What can't be written now is tried again with the next.
    package func flush() async {
        let batch = gathered.withLock { state -> Gathered in
            defer { state = Gathered() }
            return state
        }
        guard !batch.isEmpty else { return }
        do {
            try await database.transaction(.platform) { try Self.write(batch, $0) }
        } catch {
            logger.warning("usage could not be written", metadata: ["cause": "\(error)"])
            gathered.withLock { $0.merge(batch) }
        }
    }

    private static func write(_ batch: Gathered, _ connection: any SQLConnection) throws {
        try connection.batch(
            usePushURL,
            batch.pushURLs.sorted { ($0.value.account, $0.key) < ($1.value.account, $1.key) }.map {
                id,
                item in
                [
                    .account(item.account), .id(id), .integer(item.use.count), .time(item.use.at),
                    .text(item.use.address),
                ]
            }
        )
        try connection.batch(
            deliver,
            batch.pushURLs.values
                .sorted { ($0.account, $0.integration, $0.use.at) < ($1.account, $1.integration, $1.use.at) }
                .map {
                    [.account($0.account), .id($0.integration), .time($0.use.at)]
                }
        )
        try connection.batch(
            refuse,
            batch.refusals.sorted { $0.key < $1.key }.map { scope, use in
                [
                    .account(scope.account), .id(scope.key.integration),
                    .integer(Int64(scope.key.reason.rawValue)),
                    .integer(use.count), .time(use.at),
                ]
            }
        )
        try connection.batch(
            UsageStore.refuse,
            batch.refusalDays.sorted { $0.key < $1.key }.map { scope, count in
                [
                    .account(scope.account), .integer(scope.key.day.number),
                    .integer(Int64(scope.key.reason.rawValue)), .integer(count),
                ]
            }
        )
        try connection.batch(
            useKey,
            batch.keys.sorted { $0.key < $1.key }.map { scope, use in
                [.account(scope.account), .id(scope.key), .time(use.at), .text(use.address)]
            }
        )
        // Last: all nodes write this row.
        if let newest = batch.newest { try connection.run(Deployment.note, [.time(newest)]) }
    }
}

extension UsageTracker.Use {
    fileprivate mutating func note(_ time: UnixTime, _ address: Text?, count more: Int64 = 1) {
        count += more
        self.address = time >= at ? address ?? self.address : self.address ?? address
        at = max(at, time)
    }
}

extension UsageTracker.Gathered {
    fileprivate mutating func merge(_ other: Self) {
        pushURLs.merge(other.pushURLs) { item, more in
            var item = item
            item.use = item.use.joined(more.use)
            return item
        }
        refusals.merge(other.refusals) { $0.joined($1) }
        refusalDays.merge(other.refusalDays) { $0 + $1 }
        keys.merge(other.keys) { $0.joined($1) }
    }
}

extension UsageTracker.Use {
    fileprivate func joined(_ other: Self) -> Self {
        var use = self
        use.note(other.at, other.address, count: other.count)
        return use
    }
}
