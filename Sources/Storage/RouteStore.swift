import Domain
import Native
import SQL

/// A route at its place in the list of its integration.
package struct PlacedRoute: Sendable {
    /// What it does.
    package let route: Route
    /// At most 64 scalars, may be empty, need not be unique.
    package let name: Text
    /// From 0, without gaps.
    package let position: Int
    /// A move, its own or that of another route, is a new version too: the position is part of what an ETag
    /// stands for.
    package let metadata: Metadata
    /// What its conditions cost; nil: not counted yet.
    let cost: ConditionCost?
}

extension PlacedRoute {
    /// Its conditions as JSON, as they are on the wire.
    package var conditionsJSON: [UInt8] { PackedConfiguration.encode(route.conditions).bytes }
}

/// Some or all routes of an integration, in order.
package struct RouteList: Sendable {
    /// By position.
    package let items: [PlacedRoute]
    /// The position from which the rest can be asked for; nil when there is nothing more.
    package let next: Int?
    /// Of the whole list: raised by every change of any of its routes.
    package let version: Version
}

/// The routes of shared integrations. Positions are 0 to n-1, always.
package struct RouteStore: Sendable {
    package let store: Store

    /// Adds a route before the one that is at `position`, or last. Throws `notFound`, `invalid`, `limitReached`, and
    /// `conflict` on a dedicated integration.
    package func insert(
        _ draft: Draft,
        at position: Int?,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> PlacedRoute {
        _ = try Self.sharedListVersion(of: integration, write)
        try Self.checkReferences(of: draft.target, write)
        let count = try Self.count(of: integration, write)
        try AccountLimits.checkRoom(for: .routesPerIntegration, having: count, write)
        let placed = PlacedRoute(
            route: draft.route(id: write.identifiers.next()),
            name: draft.name,
            position: min(position ?? count, count),
            metadata: .new(externalID: draft.externalID, labels: draft.labels, at: write.now),
            cost: draft.cost
        )
        try write.meter(draft.cost)
        try Self.shift(integration, from: placed.position, through: count, by: 1, write)
        try write.connection.run(Self.insert, Self.newRow(placed, of: integration, write.account))
        try write.connection.batch(Self.insertChannel, Self.channelRows(placed.route, write.account))
        try Self.raiseListVersion(of: integration, write)
        let id = placed.route.id.description
        try write.record("route.create", id, after: placed.state(of: integration))
        return placed
    }

    /// The route. Throws `notFound`.
    package func find(
        _ id: RouteID,
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws -> PlacedRoute {
        try await store.database.read(.of(account)) { connection in
            let placed = try SteadyRead.of(account, on: connection) {
                try Self.route(id, of: integration, in: account, on: connection)
            }
            guard let placed else { throw StoreError.notFound }
            return placed
        }
    }

    /// At most `limit` routes from `position` on. A dedicated integration has none. Throws `notFound` for the
    /// integration.
    package func list(
        from position: Int,
        limit: Int,
        filter: ConfigurationFilter,
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws -> RouteList {
        try await store.database.read(.of(account)) { connection in
            let list = try SteadyRead.of(account, on: connection) { () -> RouteList? in
                guard let head = try Self.head(of: integration, in: account, on: connection) else {
                    return nil
                }
                // A filter may let few through: then all of them are looked at, which are 10,000 at most.
                let last = filter.isEmpty ? position + limit : Int(Int32.max)
                let routes = try Self.routes(position...last, of: integration, in: account, on: connection)
                let shown = filter.isEmpty ? routes : routes.filter { filter.matches($0.metadata) }
                return RouteList(
                    items: Array(shown.prefix(limit)),
                    next: shown.dropFirst(limit).first?.position,
                    version: head.version
                )
            }
            guard let list else { throw StoreError.notFound }
            return list
        }
    }

    /// Changes or moves a route. Throws `notFound`, `preconditionFailed`, `invalid`, and `conflict` on a
    /// dedicated integration.
    package func update(
        _ id: RouteID,
        _ patch: Patch,
        if precondition: Precondition,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> PlacedRoute {
        let account = write.account
        _ = try Self.sharedListVersion(of: integration, write)
        guard let old = try Self.route(id, of: integration, in: account, on: write.connection) else {
            throw StoreError.notFound
        }
        try precondition.check(old.metadata.version)
        if patch.conditions == nil, old.route.conditions == PackedConfiguration.unreadable {
            throw StoreError.conflict(
                "The route's conditions can't be read any more: send new ones, or delete it."
            )
        }
        let target = try Self.target(of: old.route, after: patch, write)
        let last = try Self.count(of: integration, write) - 1
        let new = PlacedRoute(
            route: Route(
                id: id,
                conditions: patch.conditions ?? old.route.conditions,
                target: target,
                onMatch: patch.onMatch ?? old.route.onMatch
            ),
            name: patch.name ?? old.name,
            position: min(patch.position ?? old.position, last),
            metadata: old.metadata.changed(
                externalID: patch.externalID,
                labels: patch.labels,
                at: write.now
            ),
            cost: patch.cost ?? old.cost
        )
        guard old.state(of: integration).text != new.state(of: integration).text else { return old }
        if let cost = patch.cost { try write.meter(cost) }
        try Self.makeRoom(moving: old.position, to: new.position, of: integration, write)
        try Self.rewrite([(old, new)], write)
        try Self.raiseListVersion(of: integration, write)
        try write.record(
            "route.update",
            id.description,
            before: old.state(of: integration),
            after: new.state(of: integration)
        )
        return new
    }

    /// Deletes a route; those after it move up. Throws `notFound`, `preconditionFailed`, and `conflict` on a
    /// dedicated integration.
    package func delete(
        _ id: RouteID,
        if precondition: Precondition,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws {
        let account = write.account
        _ = try Self.sharedListVersion(of: integration, write)
        guard let old = try Self.route(id, of: integration, in: account, on: write.connection) else {
            throw StoreError.notFound
        }
        try precondition.check(old.metadata.version)
        try write.connection.run(Self.delete, [.account(account), .id(id)])
        try Self.shift(integration, from: old.position + 1, through: Limits.routes, by: -1, write)
        try Self.raiseListVersion(of: integration, write)
        try write.record("route.delete", id.description, before: old.state(of: integration))
    }

    /// The target after `patch`, whose channels must be the account's.
    private static func target(
        of old: Route,
        after patch: Patch,
        _ write: Mutation
    ) throws -> Route.Target {
        var label: Text?
        if case .channelNamed(let present) = old.target { label = present }
        let presentMode: Mode = label == nil ? .standard : .nameMapping
        var errors = ValidationErrors()
        let target = target(
            mode: patch.mode ?? presentMode,
            channelIDs: patch.channelIDs ?? old.target.channelIDs,
            label: patch.label.applied(to: label),
            at: "",
            errors: &errors
        )
        guard let target else { throw StoreError.invalid(errors) }
        if target != old.target { try checkReferences(of: target, write) }
        return target
    }

    private static func checkReferences(of target: Route.Target, _ write: Mutation) throws {
        var errors = ValidationErrors()
        let references = target.channelIDs.enumerated().map { (id: $1, pointer: "/channel_ids/\($0)") }
        try ChannelStore.checkReferences(references, in: write.account, on: write.connection, errors: &errors)
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
    }
}
