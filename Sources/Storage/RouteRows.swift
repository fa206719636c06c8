import Domain
import SQL

/// The statements of routes and what their rows mean.
extension RouteStore {
    private static let columns = """
        id, position, name, conditions, name_mapping_label, on_match, external_id, labels, version, created_at, updated_at,
        \(ConditionCost.columns)
        """
    static let find = SQLStatement(
        "SELECT \(columns) FROM routes WHERE account_id = $1 AND id = $2 AND integration_id = $3"
    )
    static let channelsOfOne = SQLStatement(
        "SELECT channel_id FROM route_channels WHERE account_id = $1 AND route_id = $2 ORDER BY position"
    )
    static let inRange = SQLStatement(
        """
        SELECT \(columns) FROM routes
        WHERE account_id = $1 AND integration_id = $2 AND position >= $3 AND position <= $4 ORDER BY position
        """
    )
    static let channelsInRange = SQLStatement(
        """
        SELECT c.route_id, c.channel_id FROM routes r
        JOIN route_channels c ON c.account_id = $1 AND c.route_id = r.id
        WHERE r.account_id = $1 AND r.integration_id = $2 AND r.position >= $3 AND r.position <= $4
        ORDER BY r.position, c.position
        """
    )
    static let loadAll = SQLStatement(
        """
        SELECT integration_id, id, conditions, name_mapping_label, on_match FROM routes
        WHERE account_id = $1 ORDER BY integration_id, position
        """
    )
    static let allChannels = SQLStatement(
        "SELECT route_id, channel_id FROM route_channels WHERE account_id = $1 ORDER BY route_id, position"
    )
    static let channelIDs = SQLStatement("SELECT id FROM channels WHERE account_id = $1")
    static let insert = SQLStatement(
        """
        INSERT INTO routes (
            account_id, id, integration_id, position, name, conditions, name_mapping_label, on_match, external_id, labels,
            version, created_at, updated_at, \(ConditionCost.columns))
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        """
    )
    static let insertChannel = SQLStatement(
        "INSERT INTO route_channels (account_id, route_id, position, channel_id) VALUES ($1, $2, $3, $4)"
    )
    static let update = SQLStatement(
        """
        UPDATE routes SET position = $3, name = $4, conditions = $5, name_mapping_label = $6, on_match = $7,
            external_id = $8, labels = $9, version = $10, created_at = $11, updated_at = $12, condition_bytes = $13,
            pattern_count = $14, pattern_bytes = $15, program_size = $16, unindexed_count = $17
        WHERE account_id = $1 AND id = $2
        """
    )
    static let delete = SQLStatement("DELETE FROM routes WHERE account_id = $1 AND id = $2")
    static let deleteChannels = SQLStatement(
        "DELETE FROM route_channels WHERE account_id = $1 AND route_id = $2"
    )

    /// All statements, for the plan test.
    static let statements =
        [
            find, channelsOfOne, inRange, channelsInRange, loadAll, allChannels, channelIDs, insert,
            insertChannel,
            update, delete, deleteChannels,
        ] + orderStatements + ConditionCost.statements

    /// nil when there is none.
    static func route(
        _ id: RouteID,
        of integration: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> PlacedRoute? {
        let key: [SQLValue] = [.account(account), .id(id)]
        let channels = try connection.rows(channelsOfOne, key) { row throws(SQLError) -> ChannelID in
            try row.id(0)
        }
        return try connection.row(find, key + [.id(integration)]) { row throws(SQLError) in
            try decode(row) { _ in channels }
        }
    }

    /// The routes at these positions, in order. Two statements.
    static func routes(
        _ positions: ClosedRange<Int>,
        of integration: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [PlacedRoute] {
        let values: [SQLValue] = [
            .account(account), .id(integration), .int(positions.lowerBound), .int(positions.upperBound),
        ]
        let channels = try channels(channelsInRange, values, on: connection)
        return try connection.rows(inRange, values) { row throws(SQLError) in
            try decode(row) { channels[$0] ?? [] }
        }
    }

    /// What a route is compiled of.
    struct RouteSource: Sendable {
        let id: RouteID
        /// As the database holds them.
        let conditions: [UInt8]
        let target: Route.Target
        let onMatch: Route.OnMatch

        /// The route. Throws when its conditions can't be read; where `isLenient`, it matches nothing then.
        func route(isLenient: Bool) throws(SQLError) -> Route {
            let conditions = try PackedConfiguration.conditions(
                of: "route \(id)",
                conditions,
                isLenient: isLenient
            )
            return Route(id: id, conditions: conditions, target: target, onMatch: onMatch)
        }
    }

    /// What all routes of the account are compiled of, by integration, in order.
    static func sources(
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [IntegrationID: [RouteSource]] {
        let channels = try channels(allChannels, [.account(account)], on: connection)
        var routes: [IntegrationID: [RouteSource]] = [:]
        try connection.forEachRow(loadAll, [.account(account)]) { row throws(SQLError) in
            let id: RouteID = try row.id(1)
            let source = RouteSource(
                id: id,
                conditions: row.bytes(2),
                target: target(label: row.optionalText(3), channels: channels[id] ?? []),
                onMatch: try row.word(4, as: Route.OnMatch.self)
            )
            routes[try row.id(0), default: []].append(source)
            return true
        }
        return routes
    }

    static func newRow(
        _ placed: PlacedRoute,
        of integration: IntegrationID,
        _ account: AccountNumber
    ) -> [SQLValue] {
        [.account(account), .id(placed.route.id), .id(integration)] + values(of: placed)
    }

    static func changedRow(_ placed: PlacedRoute, _ account: AccountNumber) -> [SQLValue] {
        [.account(account), .id(placed.route.id)] + values(of: placed)
    }

    static func channelRows(_ route: Route, _ account: AccountNumber) -> [[SQLValue]] {
        route.target.channelIDs.enumerated().map { [.account(account), .id(route.id), .int($0), .id($1)] }
    }

    private static func values(of placed: PlacedRoute) -> [SQLValue] {
        var label: Text?
        if case .channelNamed(let name) = placed.route.target { label = name }
        return [
            .int(placed.position), .text(placed.name),
            .text(PackedConfiguration.encode(placed.route.conditions)),
            .text(label), .text(placed.route.onMatch.rawValue),
        ] + placed.metadata.values + ConditionCost.values(placed.cost)
    }

    private static func channels(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        on connection: any SQLConnection
    ) throws -> [RouteID: [ChannelID]] {
        var channels: [RouteID: [ChannelID]] = [:]
        try connection.forEachRow(statement, values) { row throws(SQLError) in
            channels[try row.id(0), default: []].append(try row.id(1))
            return true
        }
        return channels
    }

    private static func decode(
        _ row: any SQLRow,
        channels: (RouteID) -> [ChannelID]
    ) throws(SQLError) -> PlacedRoute {
        let id: RouteID = try row.id(0)
        let route = Route(
            id: id,
            conditions: row.shownConditions(3),
            target: target(label: row.optionalText(4), channels: channels(id)),
            onMatch: try row.word(5, as: Route.OnMatch.self)
        )
        return PlacedRoute(
            route: route,
            name: row.text(2),
            position: row.int(1),
            metadata: try row.metadata(6),
            cost: ConditionCost(row, 11)
        )
    }

    private static func target(label: Text?, channels: [ChannelID]) -> Route.Target {
        label.map { .channelNamed(byLabel: $0) } ?? .channels(channels)
    }
}
