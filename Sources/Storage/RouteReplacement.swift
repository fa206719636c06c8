import Domain
import Native
import SQL

/// A list of routes replaced as a whole.
extension RouteStore {
    /// A route of the new list.
    package struct Entry: Sendable {
        package let id: RouteID?
        package let draft: Draft

        /// `id` keeps a route of the integration; nil: a new one.
        package init(id: RouteID?, draft: Draft) {
            self.id = id
            self.draft = draft
        }
    }

    /// Makes `entries` the whole list, in their order. A route that is kept as it is, at its place, keeps its
    /// version. Throws `notFound`, `preconditionFailed` by the list's version, `invalid`, `limitReached`,
    /// and `conflict` on a dedicated integration. A list that is no longer than before is never too long.
    package func replace(
        with entries: [Entry],
        if precondition: Precondition,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> RouteList {
        let present = try Self.present(of: integration, in: write.account, on: write.connection)
        let plan = try Self.plan(entries, instead: present, if: precondition, of: integration, write.author)
        guard let next = plan.change else { return plan.list }
        var change = PreparedChange(write.author, making: try write.revision())
        next.prepare(&change)
        try write.write(change)
        return plan.list
    }

    /// Works out the same before the transaction that writes it, in the account's turn. Throws what `replace` throws.
    package func plan(
        _ entries: [Entry],
        if precondition: Precondition,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> Planned<RouteList> {
        let found = try await store.database.read(.of(account)) { connection in
            try SteadyRead.of(account, on: connection) { () -> (Revision, Present, ConditionCost)? in
                guard let revision = try SteadyRead.revision(of: account, on: connection) else { return nil }
                let present = try Self.present(of: integration, in: account, on: connection)
                return (revision, present, try ConditionCost.sum(of: account, on: connection))
            }
        }
        guard let (revision, present, cost) = found else { throw StoreError.notFound }
        let author = Author(
            account: account,
            actor: actor,
            now: store.now,
            identifiers: store.identifiers,
            note: nil
        )
        return try await store.work.run(.calls, of: account) {
            let plan = try Self.plan(entries, instead: present, if: precondition, of: integration, author)
            var change = PreparedChange(author, making: revision.next)
            plan.change?.prepare(&change)
            try change.checkCost(after: cost, within: present.limits)
            return Planned(result: plan.list, change: change)
        }
    }

    /// What a replacement has to know.
    private struct Present: Sendable {
        let version: Version
        let routes: [PlacedRoute]
        let channels: Set<ChannelID>
        let limits: AccountLimits
    }

    private static func present(
        of integration: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Present {
        let channels = try connection.rows(channelIDs, [.account(account)]) {
            row throws(SQLError) -> ChannelID in
            try row.id(0)
        }
        return Present(
            version: try sharedListVersion(of: integration, in: account, on: connection),
            routes: try routes(0...Limits.routes, of: integration, in: account, on: connection),
            channels: Set(channels),
            limits: try AccountLimits.of(account, on: connection)
        )
    }

    /// The list as it will be; without a change when it is that already.
    private static func plan(
        _ entries: [Entry],
        instead present: Present,
        if precondition: Precondition,
        of integration: IntegrationID,
        _ author: Author
    ) throws -> (list: RouteList, change: RouteListChange?) {
        try precondition.check(present.version)
        if entries.count > present.routes.count {
            try present.limits.checkRoom(for: .routesPerIntegration, having: entries.count - 1)
        }
        try check(entries, against: Set(present.routes.map(\.route.id)), channels: present.channels)
        let change = RouteListChange(from: present.routes, to: entries, of: integration, author)
        guard let change else {
            return (RouteList(items: present.routes, next: nil, version: present.version), nil)
        }
        return (RouteList(items: change.new, next: nil, version: present.version.next), change)
    }

    /// All that is wrong with the references, at once.
    static func check(
        _ entries: [Entry],
        against present: Set<RouteID>,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws {
        let channels = try connection.rows(channelIDs, [.account(account)]) {
            row throws(SQLError) -> ChannelID in
            try row.id(0)
        }
        try check(entries, against: present, channels: Set(channels))
    }

    private static func check(
        _ entries: [Entry],
        against present: Set<RouteID>,
        channels: Set<ChannelID>
    ) throws {
        var errors = ValidationErrors()
        var seen: Set<RouteID> = []
        for (index, entry) in entries.enumerated() {
            if let id = entry.id {
                if !present.contains(id) {
                    errors.add("/routes/\(index)/id", "is not a route of this integration")
                }
                if !seen.insert(id).inserted { errors.add("/routes/\(index)/id", "is in the list already") }
            }
            for (place, id) in entry.draft.target.channelIDs.enumerated() where !channels.contains(id) {
                errors.add(
                    "/routes/\(index)/channel_ids/\(place)",
                    "there is no such channel in this account"
                )
            }
        }
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
    }

    /// Writes what changed of routes that stay.
    static func rewrite(_ routes: [(old: PlacedRoute, new: PlacedRoute)], _ write: Mutation) throws {
        let changed = routes.filter { $0.old.metadata.version != $0.new.metadata.version }
        try write.connection.batch(update, changed.map { changedRow($0.new, write.account) })
        let rerouted = changed.filter { $0.old.route.target != $0.new.route.target }
        try write.connection.batch(
            deleteChannels,
            rerouted.map { [.account(write.account), .id($0.new.route.id)] }
        )
        try write.connection.batch(
            insertChannel,
            rerouted.flatMap { channelRows($0.new.route, write.account) }
        )
    }
}

extension RouteStore.Draft {
    /// Whether it asks for what is there already.
    func isSame(as placed: PlacedRoute) -> Bool {
        name == placed.name && target == placed.route.target && onMatch == placed.route.onMatch
            && conditions == placed.route.conditions && externalID == placed.metadata.externalID
            && labels == placed.metadata.labels
    }
}

/// How a list of routes becomes another one.
struct RouteListChange: Sendable {
    let integration: IntegrationID
    let old: [PlacedRoute]
    let new: [PlacedRoute]

    /// nil when the list stays the same. `entries` name routes of `old` alone, each once.
    init?(
        from old: [PlacedRoute],
        to entries: [RouteStore.Entry],
        of integration: IntegrationID,
        _ author: Author
    ) {
        let known = Dictionary(old.map { ($0.route.id, $0) }) { $1 }
        let new = entries.enumerated().map { position, entry in
            Self.placed(entry.draft, at: position, instead: entry.id.flatMap { known[$0] }, author)
        }
        let isSame = old.elementsEqual(new) {
            $0.route.id == $1.route.id && $0.metadata.version == $1.metadata.version
        }
        guard !isSame else { return nil }
        (self.integration, self.old, self.new) = (integration, old, new)
    }

    /// Adds its rows, its record and what it costs. The list stands at `pointer` in the body.
    func prepare(_ change: inout PreparedChange, at pointer: String = "/routes") {
        change.meter(old.map(\.cost), to: new.map(\.cost), of: pointer)
        let account = change.author.account
        let known = Dictionary(old.map { ($0.route.id, $0) }) { $1 }
        let kept = Set(new.map(\.route.id))
        for route in old where !kept.contains(route.route.id) {
            change.run(RouteStore.delete, [.account(account), .id(route.route.id)])
        }
        for route in new {
            guard let before = known[route.route.id] else {
                change.run(RouteStore.insert, RouteStore.newRow(route, of: integration, account))
                addChannels(of: route, &change)
                continue
            }
            guard before.metadata.version != route.metadata.version else { continue }
            change.run(RouteStore.update, RouteStore.changedRow(route, account))
            guard before.route.target != route.route.target else { continue }
            change.run(RouteStore.deleteChannels, [.account(account), .id(route.route.id)])
            addChannels(of: route, &change)
        }
        change.run(RouteStore.raiseVersions, [.account(account), .id(integration)])
        for entry in RouteStore.changes(from: old, to: new, of: integration) { change.record(entry) }
    }

    private func addChannels(of route: PlacedRoute, _ change: inout PreparedChange) {
        for row in RouteStore.channelRows(route.route, change.author.account) {
            change.run(RouteStore.insertChannel, row)
        }
    }

    private static func placed(
        _ draft: RouteStore.Draft,
        at position: Int,
        instead old: PlacedRoute?,
        _ author: Author
    ) -> PlacedRoute {
        guard let old else {
            return PlacedRoute(
                route: draft.route(id: author.identifiers.next()),
                name: draft.name,
                position: position,
                metadata: .new(externalID: draft.externalID, labels: draft.labels, at: author.now),
                cost: draft.cost
            )
        }
        if old.position == position, draft.isSame(as: old) { return old }
        let externalID: Change<Text> = draft.externalID.map { .set($0) } ?? .clear
        return PlacedRoute(
            route: draft.route(id: old.route.id),
            name: draft.name,
            position: position,
            metadata: old.metadata.changed(externalID: externalID, labels: draft.labels, at: author.now),
            cost: draft.cost
        )
    }
}
