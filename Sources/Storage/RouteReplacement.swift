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
    /// and `conflict` on a dedicated integration. A list that is no longer than before is never too long. The list stands at `pointer` in
    /// the body.
    package func replace(
        with entries: [Entry],
        at pointer: String = "/routes",
        if precondition: Precondition,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> RouteList {
        let account = write.account
        try precondition.check(try Self.sharedListVersion(of: integration, write))
        let present = try Self.routes(
            0...Limits.routes,
            of: integration,
            in: account,
            on: write.connection
        )
        if entries.count > present.count {
            try AccountLimits.checkRoom(for: .routesPerIntegration, having: entries.count - 1, write)
        }
        let old = Dictionary(present.map { ($0.route.id, $0) }) { $1 }
        try Self.check(entries, against: Set(old.keys), in: account, on: write.connection)
        let new = entries.enumerated().map { position, entry in
            Self.placed(entry.draft, at: position, instead: entry.id.flatMap { old[$0] }, write)
        }
        let isSame = present.elementsEqual(new) {
            $0.route.id == $1.route.id && $0.metadata.version == $1.metadata.version
        }
        if isSame {
            let version = try Self.sharedListVersion(of: integration, write)
            return RouteList(items: present, next: nil, version: version)
        }
        try write.meter(entries.map(\.draft.cost), of: pointer)
        let kept = Set(new.map(\.route.id))
        let deleted = present.filter { !kept.contains($0.route.id) }
        try write.connection.batch(Self.delete, deleted.map { [.account(account), .id($0.route.id)] })
        try Self.rewrite(new.compactMap { route in old[route.route.id].map { ($0, route) } }, write)
        let added = new.filter { old[$0.route.id] == nil }
        try write.connection.batch(Self.insert, added.map { Self.newRow($0, of: integration, account) })
        try write.connection.batch(
            Self.insertChannel,
            added.flatMap { Self.channelRows($0.route, account) }
        )
        try Self.record(from: present, to: new, of: integration, write)
        return RouteList(
            items: new,
            next: nil,
            version: try Self.raiseListVersion(of: integration, write)
        )
    }

    /// All that is wrong with the references, at once.
    static func check(
        _ entries: [Entry],
        against present: Set<RouteID>,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws {
        let channels = Set(
            try connection.rows(channelIDs, [.account(account)]) {
                row throws(SQLError) -> ChannelID in
                try row.id(0)
            }
        )
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

    private static func placed(
        _ draft: Draft,
        at position: Int,
        instead old: PlacedRoute?,
        _ write: Mutation
    ) -> PlacedRoute {
        guard let old else {
            return PlacedRoute(
                route: draft.route(id: write.identifiers.next()),
                name: draft.name,
                position: position,
                metadata: .new(externalID: draft.externalID, labels: draft.labels, at: write.now),
                cost: draft.cost
            )
        }
        if old.position == position, draft.isSame(as: old) { return old }
        let externalID: Change<Text> = draft.externalID.map { .set($0) } ?? .clear
        return PlacedRoute(
            route: draft.route(id: old.route.id),
            name: draft.name,
            position: position,
            metadata: old.metadata.changed(externalID: externalID, labels: draft.labels, at: write.now),
            cost: draft.cost
        )
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
