import Domain
import SQL

/// The statements of integrations and what their rows mean.
extension IntegrationStore {
    private static let columns = """
        i.id, i.number, i.type, i.channel_id, i.name, i.description, i.status, i.pushes_per_second, i.burst,
        i.external_id, i.labels, i.version, i.created_at, i.updated_at, i.source_cidrs, i.pinned_labels
        """
    private static let select = """
        SELECT \(columns), a.last_delivery_at
        FROM integrations i LEFT JOIN integration_activity a ON a.account_id = $1 AND a.integration_id = i.id
        WHERE i.account_id = $1
        """
    static let find = SQLStatement("\(select) AND i.id = $2")
    static let list = SQLStatement("\(select) AND i.id < $2 ORDER BY i.id DESC LIMIT $3")
    static let loadAll = SQLStatement("SELECT \(columns) FROM integrations i WHERE i.account_id = $1")
    static let defaults = SQLStatement(
        """
        SELECT integration_id, channel_id FROM integration_defaults
        WHERE account_id = $1 AND integration_id >= $2 AND integration_id <= $3 ORDER BY integration_id, position
        """
    )
    static let refusals = SQLStatement(
        """
        SELECT integration_id, reason, count, last_at FROM refusals
        WHERE account_id = $1 AND integration_id >= $2 AND integration_id <= $3 ORDER BY integration_id, reason
        """
    )
    static let deliveringTo = SQLStatement(
        """
        SELECT id FROM integrations WHERE account_id = $1 AND channel_id = $2
        UNION SELECT integration_id FROM integration_defaults WHERE account_id = $1 AND channel_id = $2
        UNION SELECT r.integration_id FROM route_channels c JOIN routes r ON r.account_id = $1 AND r.id = c.route_id
        WHERE c.account_id = $1 AND c.channel_id = $2
        """
    )
    static let takeNumber = SQLStatement(
        """
        INSERT INTO integration_numbers (account_id, number) VALUES ($1, $2)
        ON CONFLICT (account_id, number) DO NOTHING RETURNING number
        """
    )
    /// For a number that was seen to be free.
    static let keepNumber = SQLStatement(
        "INSERT INTO integration_numbers (account_id, number) VALUES ($1, $2)"
    )
    static let insert = SQLStatement(
        """
        INSERT INTO integrations (
            account_id, id, number, type, channel_id, name, name_key, description, status, pushes_per_second, burst,
            external_id, labels, version, created_at, updated_at, source_cidrs, pinned_labels, routes_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, 1)
        """
    )
    static let update = SQLStatement(
        """
        UPDATE integrations SET channel_id = $3, name = $4, name_key = $5, description = $6, status = $7,
            pushes_per_second = $8, burst = $9, external_id = $10, labels = $11, version = $12, created_at = $13,
            updated_at = $14, source_cidrs = $15, pinned_labels = $16
        WHERE account_id = $1 AND id = $2
        """
    )
    static let deleteDefaults = SQLStatement(
        "DELETE FROM integration_defaults WHERE account_id = $1 AND integration_id = $2"
    )
    static let insertDefault = SQLStatement(
        """
        INSERT INTO integration_defaults (account_id, integration_id, position, channel_id) VALUES ($1, $2, $3, $4)
        """
    )
    static let delete = SQLStatement("DELETE FROM integrations WHERE account_id = $1 AND id = $2")
    static let deleteRefusals = SQLStatement(
        "DELETE FROM refusals WHERE account_id = $1 AND integration_id = $2"
    )
    static let deleteActivity = SQLStatement(
        "DELETE FROM integration_activity WHERE account_id = $1 AND integration_id = $2"
    )

    static let allDefaultingTo = SQLStatement(
        """
        SELECT DISTINCT integration_id FROM integration_defaults WHERE account_id = $1 AND channel_id = $2
        ORDER BY integration_id
        """
    )

    /// All statements, for the plan test.
    static let statements = [
        find, list, loadAll, defaults, refusals, deliveringTo, allDefaultingTo, takeNumber, keepNumber,
        insert,
        update,
        deleteDefaults,
        insertDefault, delete, deleteRefusals, deleteActivity,
    ]

    /// nil when there is none.
    static func report(
        _ id: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> IntegrationReport? {
        let row = try connection.row(find, [.account(account), .id(id)], decodeRow)
        guard let row else { return nil }
        return try reports([row], in: account, on: connection).first
    }

    static func page(
        _ request: PageRequest<IntegrationKind>,
        _ filter: IntegrationFilter,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Page<IntegrationReport, IntegrationKind> {
        let delivering = try filter.channel.map { channel in
            let values: [SQLValue] = [.account(account), .id(channel)]
            return Set(
                try connection.rows(deliveringTo, values) { row throws(SQLError) -> IntegrationID in
                    try row.id(0)
                }
            )
        }
        let isFiltered = filter.type != nil || delivering != nil || !filter.configuration.isEmpty
        let shown = { (row: Row) in
            (filter.type.map { $0 == row.integration.type } ?? true)
                && (delivering?.contains(row.integration.id) ?? true)
                && filter.configuration.matches(row.integration.metadata)
        }
        let page = try PageScan.page(request, isFiltered: isFiltered, id: \.integration.id) { before, limit in
            try connection.rows(list, [.account(account), .id(before), .int(limit)], decodeRow)
        } matches: {
            shown($0)
        }
        return Page(items: try reports(page.items, in: account, on: connection), next: page.next)
    }

    /// All integrations of the account, without what became of their pushes.
    static func all(in account: AccountNumber, on connection: any SQLConnection) throws -> [Integration] {
        let everything = Identifier<IntegrationKind>(high: 0, low: 0)...Identifier(high: .max, low: .max)
        let defaults = try defaults(of: everything, in: account, on: connection)
        return try connection.rows(loadAll, [.account(account)], decode).map {
            $0.with(defaults: defaults[$0.id])
        }
    }

    /// Writes the default channels anew.
    static func writeDefaults(of integration: Integration, _ write: Mutation) throws {
        let key: [SQLValue] = [.account(write.account), .id(integration.id)]
        try write.connection.run(deleteDefaults, key)
        try write.connection.batch(insertDefault, defaultRows(of: integration, write.account))
    }

    /// Its default channels.
    static func defaultRows(of integration: Integration, _ account: AccountNumber) -> [[SQLValue]] {
        guard case .shared(let defaults) = integration.mode else { return [] }
        return defaults.enumerated().map { [.account(account), .id(integration.id), .int($0), .id($1)] }
    }

    static func newRow(_ integration: Integration, _ account: AccountNumber) -> [SQLValue] {
        [
            .account(account), .id(integration.id), .integer(Int64(integration.number.value)),
            .text(integration.type.text),
        ] + values(of: integration)
    }

    static func changedRow(_ integration: Integration, _ account: AccountNumber) -> [SQLValue] {
        [.account(account), .id(integration.id)] + values(of: integration)
    }

    private static func values(of integration: Integration) -> [SQLValue] {
        [
            .id(integration.mode.channel), .text(integration.name.text), .text(integration.name.foldedKey),
            .text(integration.description), .text(integration.status.rawValue),
            .int(integration.rateLimit.pushesPerSecond), .int(integration.rateLimit.burst),
        ] + integration.metadata.values + [
            .text(PackedJSON.encode(integration.source.cidrs)),
            .text(PackedJSON.encode(integration.source.pinnedLabels)),
        ]
    }

    // MARK: Reading

    /// A row without what other tables know of it.
    private struct Row {
        let integration: Integration
        let lastDeliveryAt: UnixTime?
    }

    /// Two statements, however many rows there are.
    private static func reports(
        _ rows: [Row],
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [IntegrationReport] {
        let ids = rows.map(\.integration.id)
        guard let lowest = ids.min(), let highest = ids.max() else { return [] }
        let defaults = try defaults(of: lowest...highest, in: account, on: connection)
        var refused: [IntegrationID: [Refusals]] = [:]
        try connection.forEachRow(refusals, [.account(account), .id(lowest), .id(highest)]) {
            row throws(SQLError) in
            let refusal = Refusals(
                reason: try row.code(1, as: RefusalReason.self),
                count: row.integer(2),
                lastAt: row.time(3)
            )
            refused[try row.id(0), default: []].append(refusal)
            return true
        }
        return rows.map { row in
            IntegrationReport(
                integration: row.integration.with(defaults: defaults[row.integration.id]),
                lastDeliveryAt: row.lastDeliveryAt,
                refusals: refused[row.integration.id] ?? []
            )
        }
    }

    private static func defaults(
        of range: ClosedRange<IntegrationID>,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [IntegrationID: [ChannelID]] {
        var found: [IntegrationID: [ChannelID]] = [:]
        let values: [SQLValue] = [.account(account), .id(range.lowerBound), .id(range.upperBound)]
        try connection.forEachRow(defaults, values) { row throws(SQLError) in
            found[try row.id(0), default: []].append(try row.id(1))
            return true
        }
        return found
    }

    private static func decodeRow(_ row: any SQLRow) throws(SQLError) -> Row {
        Row(integration: try decode(row), lastDeliveryAt: row.optionalTime(16))
    }

    /// A shared integration still without its default channels.
    private static func decode(_ row: any SQLRow) throws(SQLError) -> Integration {
        let channel: ChannelID? = try row.optionalID(3)
        return Integration(
            id: try row.id(0),
            number: IntegrationNumber(UInt32(truncatingIfNeeded: row.integer(1))),
            type: IntegrationType(row.text(2)),
            mode: channel.map { .dedicated($0) } ?? .shared(defaults: []),
            name: Name(trusted: row.text(4)),
            description: row.text(5),
            status: try row.word(6, as: Enablement.self),
            rateLimit: RateLimit(pushesPerSecond: row.int(7), burst: row.int(8)),
            source: SourceRules(cidrs: try row.texts(14), pinnedLabels: try row.labels(15)),
            metadata: try row.metadata(9)
        )
    }
}

extension Integration.Mode {
    /// The channel of a dedicated integration.
    fileprivate var channel: ChannelID? {
        if case .dedicated(let channel) = self { channel } else { nil }
    }
}

extension Integration {
    /// The same with these default channels, when it is shared.
    fileprivate func with(defaults: [ChannelID]?) -> Integration {
        guard case .shared = mode, let defaults else { return self }
        return Integration(
            id: id,
            number: number,
            type: type,
            mode: .shared(defaults: defaults),
            name: name,
            description: description,
            status: status,
            rateLimit: rateLimit,
            source: source,
            metadata: metadata
        )
    }
}
