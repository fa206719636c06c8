import Domain
import SQL

/// What keeps the lists of routes in order: their versions and positions, and what a channel leaves behind.
extension RouteStore {
    static let headOfList = SQLStatement(
        "SELECT routes_version, channel_id FROM integrations WHERE account_id = $1 AND id = $2"
    )
    static let raiseVersion = SQLStatement(
        """
        UPDATE integrations SET routes_version = routes_version + 1 WHERE account_id = $1 AND id = $2
        RETURNING routes_version
        """
    )
    /// The same for a list whose new version nobody is told.
    static let raiseVersions = SQLStatement(
        "UPDATE integrations SET routes_version = routes_version + 1 WHERE account_id = $1 AND id = $2"
    )
    static let nextPosition = SQLStatement(
        "SELECT COALESCE(MAX(position), -1) + 1 FROM routes WHERE account_id = $1 AND integration_id = $2"
    )
    static let shift = SQLStatement(
        """
        UPDATE routes SET position = position + $5, version = version + 1, updated_at = $6
        WHERE account_id = $1 AND integration_id = $2 AND position >= $3 AND position <= $4
        """
    )
    static let closeUp = SQLStatement(
        """
        UPDATE routes SET position = n.place, version = routes.version + 1, updated_at = $3
        FROM (
            SELECT id, ROW_NUMBER() OVER (ORDER BY position) - 1 AS place FROM routes
            WHERE account_id = $1 AND integration_id = $2) AS n
        WHERE routes.account_id = $1 AND routes.id = n.id AND routes.position <> n.place
        """
    )
    static let integrationsRoutingTo = SQLStatement(
        """
        SELECT DISTINCT r.integration_id FROM route_channels c
        JOIN routes r ON r.account_id = $1 AND r.id = c.route_id
        WHERE c.account_id = $1 AND c.channel_id = $2
        """
    )
    static let raiseRoutesNaming = SQLStatement(
        """
        UPDATE routes SET version = version + 1, updated_at = $3
        WHERE account_id = $1
            AND id IN (SELECT route_id FROM route_channels WHERE account_id = $1 AND channel_id = $2)
        """
    )
    static let deleteRoutesOnlyTo = SQLStatement(
        """
        DELETE FROM routes WHERE account_id = $1 AND id IN (
            SELECT c.route_id FROM route_channels c
            WHERE c.account_id = $1 AND c.channel_id = $2 AND NOT EXISTS (
                SELECT 1 FROM route_channels o
                WHERE o.account_id = $1 AND o.route_id = c.route_id AND o.channel_id <> $2))
        """
    )
    static let deleteChannelFromRoutes = SQLStatement(
        "DELETE FROM route_channels WHERE account_id = $1 AND channel_id = $2"
    )
    static let raiseIntegrationsDefaultingTo = SQLStatement(
        """
        UPDATE integrations SET version = version + 1, updated_at = $3
        WHERE account_id = $1
            AND id IN (SELECT integration_id FROM integration_defaults WHERE account_id = $1 AND channel_id = $2)
        """
    )
    static let deleteChannelFromDefaults = SQLStatement(
        "DELETE FROM integration_defaults WHERE account_id = $1 AND channel_id = $2"
    )

    /// Statements of this file, for the plan test.
    static let orderStatements = [
        headOfList, raiseVersion, raiseVersions, nextPosition, shift, closeUp, integrationsRoutingTo,
        raiseRoutesNaming,
        deleteRoutesOnlyTo, deleteChannelFromRoutes, raiseIntegrationsDefaultingTo, deleteChannelFromDefaults,
    ]

    /// Takes a channel out of routes and default channels; routes left without a channel are deleted and
    /// positions closed up.
    static func removeChannel(_ id: ChannelID, _ write: Mutation) throws {
        let key: [SQLValue] = [.account(write.account), .id(id)]
        let connection = write.connection
        try IntegrationStore.recording(defaultingTo: id, write) {
            try connection.run(raiseIntegrationsDefaultingTo, key + [.time(write.now)])
            try connection.run(deleteChannelFromDefaults, key)
        }
        let integrations = try connection.rows(integrationsRoutingTo, key) {
            row throws(SQLError) -> IntegrationID in
            try row.id(0)
        }
        let old = try integrations.map { try all(of: $0, write) }
        try connection.run(deleteRoutesOnlyTo, key)
        try connection.run(raiseRoutesNaming, key + [.time(write.now)])
        try connection.run(deleteChannelFromRoutes, key)
        for (integration, before) in zip(integrations, old) {
            try connection.run(closeUp, [.account(write.account), .id(integration), .time(write.now)])
            try raiseListVersion(of: integration, write)
            let after = try all(of: integration, write)
            try write.record(changes(from: before, to: after, of: integration))
        }
    }

    private static func all(of integration: IntegrationID, _ write: Mutation) throws -> [PlacedRoute] {
        try routes(0...Limits.routes, of: integration, in: write.account, on: write.connection)
    }

    /// How one list became another, as deletions, moves and insertions one after the other: each place is the one in the list as
    /// it is after those before. So the record can be undone from its end.
    static func changes(
        from old: [PlacedRoute],
        to new: [PlacedRoute],
        of integration: IntegrationID
    ) -> [Mutation.Change] {
        let stays = Set(new.map(\.route.id))
        var changes: [Mutation.Change] = []
        func note(_ action: String, _ id: RouteID, _ before: JSONState?, _ after: JSONState?) {
            changes.append(.init(action: action, resource: id.description, before: before, after: after))
        }
        for place in old.indices.reversed() where !stays.contains(old[place].route.id) {
            note("route.delete", old[place].route.id, old[place].state(of: integration, at: place), nil)
        }
        // From here on the list is the first of the new routes, and after them those of the old ones whose turn has not come.
        let kept = old.filter { stays.contains($0.route.id) }
        let origins = Dictionary(kept.enumerated().map { ($1.route.id, $0) }) { $1 }
        var waiting = CountTree(ones: kept.count)
        for (place, route) in new.enumerated() {
            let (id, state) = (route.route.id, route.state(of: integration, at: place))
            guard let origin = origins[id] else {
                note("route.create", id, nil, state)
                continue
            }
            let earlier = place + waiting.takeOut(origin)
            let before = kept[origin].state(of: integration, at: earlier)
            guard before.text != state.text else { continue }
            note("route.update", id, before, state)
        }
        return changes
    }

    /// The version of the list and whether the integration may have routes; nil when there is no such
    /// integration.
    static func head(
        of integration: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> (version: Version, isShared: Bool)? {
        try connection.row(headOfList, [.account(account), .id(integration)]) { row throws(SQLError) in
            (Version(row.integer(0)), row.isNull(1))
        }
    }

    /// The version of the list, for a change of it. Throws `notFound`, and `conflict` on a dedicated
    /// integration.
    static func sharedListVersion(
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> Version {
        try sharedListVersion(of: integration, in: write.account, on: write.connection)
    }

    /// The same.
    static func sharedListVersion(
        of integration: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Version {
        guard let head = try head(of: integration, in: account, on: connection) else {
            throw StoreError.notFound
        }
        guard head.isShared else {
            throw StoreError.conflict(
                "A dedicated integration has no routes: everything goes to its channel."
            )
        }
        return head.version
    }

    /// The version of the list after a change.
    @discardableResult
    static func raiseListVersion(of integration: IntegrationID, _ write: Mutation) throws -> Version {
        let key: [SQLValue] = [.account(write.account), .id(integration)]
        let version = try write.connection.row(raiseVersion, key) { row throws(SQLError) in
            Version(row.integer(0))
        }
        guard let version else { throw StoreError.notFound }
        return version
    }

    /// How many routes there are: positions have no gaps.
    static func count(of integration: IntegrationID, _ write: Mutation) throws -> Int {
        let key: [SQLValue] = [.account(write.account), .id(integration)]
        return try write.connection.row(nextPosition, key) { row throws(SQLError) in row.int(0) } ?? 0
    }

    /// Moves the routes at these positions by `step`.
    static func shift(
        _ integration: IntegrationID,
        from first: Int,
        through last: Int,
        by step: Int,
        _ write: Mutation
    ) throws {
        guard first <= last else { return }
        try write.connection.run(
            shift,
            [
                .account(write.account), .id(integration), .int(first), .int(last), .int(step),
                .time(write.now),
            ]
        )
    }

    /// Moves those between the old and the new place of a route that moves.
    static func makeRoom(
        moving old: Int,
        to new: Int,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws {
        if old < new {
            try shift(integration, from: old + 1, through: new, by: -1, write)
        } else {
            try shift(integration, from: new, through: old - 1, by: 1, write)
        }
    }
}

/// Ones at places, of which it is counted in a logarithmic number of steps how many are left before a place: a Fenwick tree.
private struct CountTree {
    private var sums: [Int]

    init(ones count: Int) {
        // The sum of a node whose number ends in k zero bits is over 2^k places.
        sums = (0...count).map { $0 & -$0 }
    }

    /// Takes the one at `place` out; answers how many are left before it.
    mutating func takeOut(_ place: Int) -> Int {
        var node = place + 1
        while node < sums.count {
            sums[node] -= 1
            node += node & -node
        }
        var (count, rest) = (0, place)
        while rest > 0 {
            count += sums[rest]
            rest -= rest & -rest
        }
        return count
    }
}
