import Domain
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

    /// The snapshot at one revision; nil when there is no such account or it is deleted. Works inside a
    /// transaction and outside. Throws an `SQLError` of the kind `unreadable` when a row can't be read: a part of a configuration decides
    /// otherwise than the whole.
    package static func load(
        _ account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> AccountSnapshot? {
        try load(account, isLenient: false, on: connection)
    }

    /// What can be read of it, for Tocsin's own word that the rest can't: routes and notifiers that can't be read match nothing.
    static func loadReadable(
        _ account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> AccountSnapshot? {
        try load(account, isLenient: true, on: connection)
    }

    private static func load(
        _ account: AccountNumber,
        isLenient: Bool,
        on connection: any SQLConnection
    ) throws -> AccountSnapshot? {
        try SteadyRead.of(account, on: connection) {
            guard let head = try connection.row(head, [.account(account)], decodeHead) else { return nil }
            return AccountSnapshot(
                id: head.id,
                number: account,
                revision: head.revision,
                isActive: head.isActive,
                storedBytesLimit: head.storedBytesLimit,
                channels: ChannelDirectory(try connection.rows(channels, [.account(account)], decodeChannel)),
                integrations: try integrations(of: account, within: head.limits, isLenient, on: connection),
                severityTables: try SeverityTableStore.all(in: account, on: connection, isLenient: isLenient),
                notifiers: try NotifierRows.directory(of: account, on: connection, isLenient: isLenient)
            )
        }
    }

    private static func integrations(
        of account: AccountNumber,
        within limits: AccountLimits,
        _ isLenient: Bool,
        on connection: any SQLConnection
    ) throws -> [IntegrationNumber: IntegrationSnapshot] {
        let routes = try RouteStore.all(in: account, on: connection, isLenient: isLenient)
        let credentials = try credentials(of: account, on: connection)
        let integrations = try IntegrationStore.all(in: account, on: connection)
        let snapshots = integrations.map { integration in
            let routing: IntegrationSnapshot.Routing =
                switch integration.mode {
                case .dedicated(let channel): .dedicated(channel)
                case .shared(let defaults):
                    .shared(RouteTable(routes[integration.id] ?? []), defaults: defaults)
                }
            return IntegrationSnapshot(
                id: integration.id,
                number: integration.number,
                type: integration.type,
                isEnabled: integration.status == .enabled,
                rateLimit: integration.rateLimit.bounded(by: limits.pushes),
                source: SourceCheck(integration.source),
                routing: routing,
                credentials: credentials[integration.id] ?? []
            )
        }
        return Dictionary(snapshots.map { ($0.number, $0) }) { $1 }
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

    private struct Head {
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

    private static func decodeChannel(
        _ row: any SQLRow
    ) throws(SQLError) -> (id: ChannelID, name: Text, isEnabled: Bool) {
        (try row.id(0), row.text(1), try row.word(2, as: Enablement.self) == .enabled)
    }
}
