import Domain
import Native
import SQL

/// Reads all of an account's configuration that a push needs.
package enum SnapshotLoader {
    static let head = SQLStatement(
        """
        SELECT id, revision, status, stored_bytes_limit, \(AccountLimits.columns) FROM accounts
        WHERE account_id = $1 AND deleted_at IS NULL
        """
    )
    static let channels = SQLStatement("SELECT id, name, status FROM channels WHERE account_id = $1")
    static let credentials = SQLStatement(
        """
        SELECT integration_id, id, tag, kid, expiry_day, expires_at, revoked_at FROM push_urls WHERE account_id = $1
        """
    )

    /// All statements, for the plan test.
    static let statements = [head, channels, credentials]

    /// All of an account's configuration that a push needs, as the database holds it: cheap to read, and not compiled.
    package struct Source: Sendable {
        fileprivate let head: Head
        package let account: AccountNumber
        fileprivate let channels: [ChannelRow]
        fileprivate let integrations: [Integration]
        fileprivate let routes: [IntegrationID: [RouteStore.RouteSource]]
        fileprivate let credentials: [IntegrationID: [IntegrationSnapshot.Credential]]
        fileprivate let severityTables: [IntegrationType: SeverityTable]
        fileprivate let notifiers: [NotifierRows.RuleSource]

        package var revision: Revision { head.revision }
    }

    fileprivate typealias ChannelRow = (id: ChannelID, name: Text, isEnabled: Bool)

    /// A compiled snapshot, and by what the route tables in it can be known again.
    package struct Compiled: Sendable {
        package let snapshot: AccountSnapshot
        fileprivate let digests: [IntegrationID: Digest256]
    }

    /// The configuration at one revision; nil when there is no such account or it is deleted. Works inside a
    /// transaction and outside. `isLenient`: without severity tables that can't be read, instead of throwing.
    package static func read(
        _ account: AccountNumber,
        isLenient: Bool = false,
        on connection: any SQLConnection
    ) throws -> Source? {
        try SteadyRead.of(account, on: connection) {
            guard let head = try connection.row(head, [.account(account)], decodeHead) else { return nil }
            return Source(
                head: head,
                account: account,
                channels: try connection.rows(channels, [.account(account)], decodeChannel),
                integrations: try IntegrationStore.all(in: account, on: connection),
                routes: try RouteStore.sources(in: account, on: connection),
                credentials: try credentials(of: account, on: connection),
                severityTables: try SeverityTableStore.all(
                    in: account,
                    on: connection,
                    isLenient: isLenient
                ),
                notifiers: try NotifierRows.ruleSources(of: account, on: connection)
            )
        }
    }

    /// Compiles it, which may take long: for a thread of `WorkPool`. Tables of routes that are as they were in the snapshot before are taken from
    /// there.
    ///
    /// Throws an `SQLError` of the kind `unreadable` when conditions can't be read: a part of a configuration decides otherwise than the whole.
    /// `isLenient`: nothing satisfies them then. For Tocsin's own word that there are such.
    package static func compile(
        _ source: Source,
        after previous: Compiled? = nil,
        isLenient: Bool = false
    ) throws -> Compiled {
        var digests: [IntegrationID: Digest256] = [:]
        var integrations: [IntegrationNumber: IntegrationSnapshot] = [:]
        for integration in source.integrations {
            let routing: IntegrationSnapshot.Routing
            switch integration.mode {
            case .dedicated(let channel): routing = .dedicated(channel)
            case .shared(let defaults):
                let routes = source.routes[integration.id] ?? []
                let digest = digest(of: routes)
                digests[integration.id] = digest
                let known = previous?.table(of: integration, digest: digest)
                let table = try known ?? RouteTable(routes.map { try $0.route(isLenient: isLenient) })
                routing = .shared(table, defaults: defaults)
            }
            integrations[integration.number] = snapshot(of: integration, routing, source)
        }
        let snapshot = AccountSnapshot(
            id: source.head.id,
            number: source.account,
            revision: source.head.revision,
            isActive: source.head.isActive,
            storedBytesLimit: source.head.storedBytesLimit,
            channels: ChannelDirectory(source.channels),
            integrations: integrations,
            severityTables: source.severityTables,
            notifiers: try directory(of: source.notifiers, isLenient: isLenient)
        )
        return Compiled(snapshot: snapshot, digests: digests)
    }

    private static func snapshot(
        of integration: Integration,
        _ routing: IntegrationSnapshot.Routing,
        _ source: Source
    ) -> IntegrationSnapshot {
        IntegrationSnapshot(
            id: integration.id,
            number: integration.number,
            type: integration.type,
            isEnabled: integration.status == .enabled,
            rateLimit: integration.rateLimit.bounded(by: source.head.limits.pushes),
            source: SourceCheck(integration.source),
            routing: routing,
            credentials: source.credentials[integration.id] ?? []
        )
    }

    private static func directory(
        of sources: [NotifierRows.RuleSource],
        isLenient: Bool
    ) throws(SQLError) -> NotifierDirectory {
        var byChannel: [ChannelID: [NotifierRule]] = [:]
        for source in sources {
            byChannel[source.channelID, default: []].append(try source.rule(isLenient: isLenient))
        }
        return NotifierDirectory(byChannel)
    }

    /// The same for the same routes in the same order, and for no others.
    private static func digest(of routes: [RouteStore.RouteSource]) -> Digest256 {
        var hash = SHA256Hasher()
        for route in routes {
            var part: [UInt8] = []
            part.appendBigEndian(route.id.high, count: 8)
            part.appendBigEndian(route.id.low, count: 8)
            part.append(route.onMatch == .stop ? 1 : 0)
            switch route.target {
            case .channels(let ids):
                part.appendBigEndian(UInt64(ids.count), count: 8)
                for id in ids {
                    part.appendBigEndian(id.high, count: 8)
                    part.appendBigEndian(id.low, count: 8)
                }
            case .channelNamed(let label):
                part.appendBigEndian(UInt64.max, count: 8)
                part.appendBigEndian(UInt64(label.bytes.count), count: 8)
                part += label.bytes
            }
            part.appendBigEndian(UInt64(route.conditions.count), count: 8)
            hash.update(part)
            hash.update(route.conditions)
        }
        return hash.finish()
    }

    private static func credentials(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [IntegrationID: [IntegrationSnapshot.Credential]] {
        var found: [IntegrationID: [IntegrationSnapshot.Credential]] = [:]
        try connection.forEachRow(credentials, [.account(account)]) { row throws(SQLError) in
            let credential = IntegrationSnapshot.Credential(
                id: try row.id(1),
                tag: PushTag(value: UInt64(bitPattern: row.integer(2))),
                kid: UInt8(truncatingIfNeeded: row.integer(3)),
                expiryDay: UInt16(truncatingIfNeeded: row.integer(4)),
                expiresAt: row.optionalTime(5),
                isRevoked: !row.isNull(6)
            )
            found[try row.id(0), default: []].append(credential)
            return true
        }
        return found
    }

    fileprivate struct Head: Sendable {
        let id: AccountID
        let revision: Revision
        let isActive: Bool
        let storedBytesLimit: Int64
        let limits: AccountLimits
    }

    private static func decodeHead(_ row: any SQLRow) throws(SQLError) -> Head {
        Head(
            id: try row.id(0),
            revision: Revision(row.integer(1)),
            isActive: try row.word(2, as: Account.Status.self) == .active,
            storedBytesLimit: row.integer(3),
            limits: row.limits(4)
        )
    }

    private static func decodeChannel(_ row: any SQLRow) throws(SQLError) -> ChannelRow {
        (try row.id(0), row.text(1), try row.word(2, as: Enablement.self) == .enabled)
    }
}

extension SnapshotLoader.Compiled {
    /// The table of an integration, when it was made of the routes with this digest.
    fileprivate func table(of integration: Integration, digest: Digest256) -> RouteTable? {
        guard digests[integration.id] == digest,
            case .shared(let table, _)? = snapshot.integrations[integration.number]?.routing
        else { return nil }
        return table
    }
}
