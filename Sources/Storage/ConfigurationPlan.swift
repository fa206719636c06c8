import Domain
import Native
import SQL

/// The configuration of an account at one revision, as far as a document may change it.
struct PresentConfiguration: Sendable {
    let revision: Revision
    let limits: AccountLimits
    /// Of the conditions of all its routes and notifiers.
    let cost: ConditionCost
    let channels: [Channel]
    /// In the order of ids, the one of Tocsin's own troubles among them.
    let integrations: [Integration]
    /// The integration of Tocsin's own troubles, which no document has.
    let own: IntegrationID?
    /// Of the shared ones, in order.
    let routes: [IntegrationID: [PlacedRoute]]
    let tables: [IntegrationType: SeverityTableStore.Kept]

    /// nil when there is no such account. To be read again when the revision has moved meanwhile (`SteadyRead`).
    static func load(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> PresentConfiguration? {
        guard let revision = try SteadyRead.revision(of: account, on: connection) else { return nil }
        let integrations = try IntegrationStore.all(in: account, on: connection)
        var routes: [IntegrationID: [PlacedRoute]] = [:]
        for integration in integrations {
            guard case .shared = integration.mode else { continue }
            routes[integration.id] = try RouteStore.routes(
                0...Limits.routes,
                of: integration.id,
                in: account,
                on: connection
            )
        }
        return PresentConfiguration(
            revision: revision,
            limits: try AccountLimits.of(account, on: connection),
            cost: try ConditionCost.sum(of: account, on: connection),
            channels: try ChannelStore.all(in: account, on: connection),
            integrations: integrations.sorted { $0.id < $1.id },
            own: try HealthAlertStore.integration(of: account, on: connection),
            routes: routes,
            tables: try SeverityTableStore.kept(in: account, on: connection)
        )
    }
}

/// Works out how the configuration of an account becomes what a document says: n log n of both, and nothing of it in a transaction.
///
/// What has a name that is there already is changed where it differs, what is new is made, and what the document does not have is deleted; so
/// a document that says what is there changes nothing.
struct ConfigurationPlan {
    private let present: PresentConfiguration
    private let signer: PushURLSigner
    private(set) var change: PreparedChange
    /// The ids that channels of the document have in the account.
    private var channels: [ChannelID: ChannelID] = [:]
    /// How many integrations there are, as the plan goes on.
    private var integrationCount: Int

    private var author: Author { change.author }

    init(_ store: Store, from present: PresentConfiguration, _ author: Author) {
        self.present = present
        signer = PushURLSigner(store, author.account)
        change = PreparedChange(author, making: present.revision.next)
        integrationCount = present.integrations.count
    }

    /// Throws `invalid` with pointers into the document, `limitReached`, and `referenced` when something outside of it stands in the way.
    mutating func plan(_ document: ConfigurationDocument) throws {
        try putChannels(document.channels)
        let integrations = present.integrations.filter { $0.id != present.own }
        let known = Dictionary(integrations.map { ($0.name.foldedKey, $0) }) { $1 }
        try checkKinds(document.integrations, known)
        let kept = Set(document.integrations.map(\.draft.name.foldedKey))
        for integration in integrations where !kept.contains(integration.name.foldedKey) {
            delete(integration)
        }
        for entry in document.integrations { try put(entry, known[entry.draft.name.foldedKey]) }
        putTables(document.severityTables)
        let wanted = Set(document.channels.map(\.draft.name.foldedKey))
        for channel in present.channels where !wanted.contains(channel.name.foldedKey) { try delete(channel) }
        try change.checkCost(after: present.cost, within: present.limits)
    }

    // MARK: Channels

    private mutating func putChannels(_ wanted: [ConfigurationDocument.Channel]) throws {
        // Those that the document does not have go last, because routes may name them until then.
        if wanted.count > present.channels.count {
            try present.limits.checkRoom(for: .channels, having: wanted.count - 1)
        }
        let known = Dictionary(present.channels.map { ($0.name.foldedKey, $0) }) { $1 }
        for entry in wanted {
            let old = known[entry.draft.name.foldedKey]
            channels[entry.id] = old?.id ?? entry.id
            put(entry, old)
        }
    }

    private mutating func put(_ entry: ConfigurationDocument.Channel, _ old: Channel?) {
        guard let old else {
            let new = entry.draft.channel(id: entry.id, at: author.now)
            change.run(ChannelStore.insert, ChannelStore.values(of: new, author.account, keyFirst: true))
            return change.record("channel.create", new.id.description, after: new.state)
        }
        let new = old.changed(ChannelStore.Patch(all: entry.draft), at: author.now)
        let (before, after) = (old.state, new.state)
        guard before.text != after.text else { return }
        change.run(ChannelStore.update, ChannelStore.values(of: new, author.account, keyFirst: false))
        change.record("channel.update", new.id.description, before: before, after: after)
    }

    /// Nothing of the document names it; the integration of Tocsin's own troubles may.
    private mutating func delete(_ channel: Channel) throws {
        if let own = present.integrations.first(where: { $0.id == present.own }),
            case .dedicated(channel.id) = own.mode
        {
            let name = own.name.text.string
            throw StoreError.referenced([.init(type: "integration", id: own.id.description, name: name)])
        }
        let key: [SQLValue] = [.account(author.account), .id(channel.id)]
        change.run(ChannelStore.deleteNotifierStates, key)
        change.run(ChannelStore.delete, key)
        change.record("channel.delete", channel.id.description, before: channel.state)
    }

    // MARK: Integrations

    /// Type and mode of an integration stay: push URLs hang on them.
    private func checkKinds(
        _ wanted: [ConfigurationDocument.Integration],
        _ known: [Text: Integration]
    ) throws {
        var errors = ValidationErrors()
        for entry in wanted {
            guard let present = known[entry.draft.name.foldedKey] else { continue }
            let pointer = Self.pointer(to: entry)
            if present.type != entry.draft.type {
                errors.add(
                    pointer + "/type",
                    "is \(present.type.name) and can't be changed: use another name"
                )
            }
            if present.mode.name != entry.draft.mode.name {
                errors.add(
                    pointer + "/mode",
                    "is \(present.mode.name) and can't be changed: use another name"
                )
            }
        }
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
    }

    private mutating func delete(_ integration: Integration) {
        let routes = present.routes[integration.id] ?? []
        for entry in RouteStore.changes(from: routes, to: [], of: integration.id) { change.record(entry) }
        change.meter(routes.map(\.cost), to: [], of: "")
        let key: [SQLValue] = [.account(author.account), .id(integration.id)]
        for statement in [
            IntegrationStore.deleteRefusals, IntegrationStore.deleteActivity, IntegrationStore.delete,
        ] {
            change.run(statement, key)
        }
        integrationCount -= 1
        change.record("integration.delete", integration.id.description, before: integration.state)
    }

    private mutating func put(_ entry: ConfigurationDocument.Integration, _ old: Integration?) throws {
        let draft = entry.draft.with(mode: mode(entry.draft.mode))
        if let rate = old == nil ? draft.rateLimit : draft.rateLimit ?? .standard, rate != old?.rateLimit {
            try present.limits.check(rate, at: Self.pointer(to: entry))
        }
        let id = try old.map { update($0, draft) } ?? insert(draft)
        guard case .shared = draft.mode else { return }
        let routes = present.routes[id] ?? []
        if entry.routes.count > routes.count {
            try present.limits.checkRoom(for: .routesPerIntegration, having: entry.routes.count - 1)
        }
        let drafts = entry.routes.map { $0.with(target: target($0.target)) }
        let entries = Self.entries(drafts, keeping: routes)
        RouteListChange(from: routes, to: entries, of: id, author)?
            .prepare(&change, at: Self.pointer(to: entry) + "/routes")
    }

    private mutating func update(_ old: Integration, _ draft: IntegrationStore.Draft) -> IntegrationID {
        let new = old.changed(IntegrationStore.Patch(all: draft), mode: draft.mode, at: author.now)
        let (before, after) = (old.state, new.state)
        guard before.text != after.text else { return old.id }
        change.run(IntegrationStore.update, IntegrationStore.changedRow(new, author.account))
        if new.mode != old.mode {
            change.run(IntegrationStore.deleteDefaults, [.account(author.account), .id(new.id)])
            addDefaults(of: new)
        }
        change.record("integration.update", new.id.description, before: before, after: after)
        return new.id
    }

    private mutating func insert(_ draft: IntegrationStore.Draft) throws -> IntegrationID {
        try present.limits.checkRoom(for: .integrations, having: integrationCount)
        integrationCount += 1
        var random = SecureRandom()
        let number = IntegrationNumber(UInt32.random(in: 1...(.max), using: &random))
        let new = draft.integration(id: author.identifiers.next(), number: number, at: author.now)
        change.run(IntegrationStore.keepNumber, [.account(author.account), .integer(Int64(number.value))])
        change.run(IntegrationStore.insert, IntegrationStore.newRow(new, author.account))
        addDefaults(of: new)
        change.record("integration.create", new.id.description, after: new.state)
        let parent = PushURLStore.Parent(id: new.id, number: number, type: new.type)
        try PushURLStore.issueFirst(for: parent, signer, to: &change)
        return new.id
    }

    private mutating func addDefaults(of integration: Integration) {
        for row in IntegrationStore.defaultRows(of: integration, author.account) {
            change.run(IntegrationStore.insertDefault, row)
        }
    }

    /// Each draft takes the first route that says the same, else the first of its name, so that routes keep their ids.
    private static func entries(
        _ drafts: [RouteStore.Draft],
        keeping old: [PlacedRoute]
    ) -> [RouteStore.Entry] {
        var free = FreeRoutes(old)
        var ids = drafts.map { free.takeSame(as: $0) }
        for (place, draft) in drafts.enumerated() where ids[place] == nil && !draft.name.isEmpty {
            ids[place] = free.takeNamed(draft.name)
        }
        return zip(ids, drafts).map { RouteStore.Entry(id: $0, draft: $1) }
    }

    // MARK: The rest

    private mutating func putTables(_ wanted: [IntegrationType: SeverityTable]) {
        for (type, table) in wanted.sorted(by: { $0.key.text < $1.key.text }) {
            SeverityTableStore.put(table, for: type, instead: present.tables[type], in: &change)
        }
        for (type, kept) in present.tables.sorted(by: { $0.key.text < $1.key.text }) where wanted[type] == nil
        {
            SeverityTableStore.put(nil, for: type, instead: kept, in: &change)
        }
    }

    private static func pointer(to entry: ConfigurationDocument.Integration) -> String {
        let name = entry.draft.name.text.string
        return "/integrations/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
    }

    private func mode(_ mode: Integration.Mode) -> Integration.Mode {
        switch mode {
        case .dedicated(let channel): .dedicated(channels[channel] ?? channel)
        case .shared(let defaults): .shared(defaults: defaults.map { channels[$0] ?? $0 })
        }
    }

    private func target(_ target: Route.Target) -> Route.Target {
        switch target {
        case .channels(let ids): .channels(ids.map { channels[$0] ?? $0 })
        case .channelNamed: target
        }
    }
}

/// Routes of which each may be taken once, found by what they say and by their names.
private struct FreeRoutes {
    private let routes: [PlacedRoute]
    private var isTaken: [Bool]
    /// The last first.
    private var same: [Text: [Int]] = [:]
    private var named: [Text: [Int]] = [:]

    init(_ routes: [PlacedRoute]) {
        self.routes = routes
        isTaken = routes.map { _ in false }
        for place in routes.indices.reversed() {
            same[routes[place].rule, default: []].append(place)
            named[routes[place].name, default: []].append(place)
        }
    }

    mutating func takeSame(as draft: RouteStore.Draft) -> RouteID? {
        let none = RouteID(high: 0, low: 0)
        let metadata = Metadata.new(
            externalID: draft.externalID,
            labels: draft.labels,
            at: UnixTime(milliseconds: 0)
        )
        let placed = PlacedRoute(
            route: draft.route(id: none),
            name: draft.name,
            position: 0,
            metadata: metadata,
            cost: nil
        )
        let key = placed.rule
        while let place = same[key]?.popLast() {
            if take(place) { return routes[place].route.id }
        }
        return nil
    }

    mutating func takeNamed(_ name: Text) -> RouteID? {
        while let place = named[name]?.popLast() {
            if take(place) { return routes[place].route.id }
        }
        return nil
    }

    /// False when it was taken already.
    private mutating func take(_ place: Int) -> Bool {
        defer { isTaken[place] = true }
        return !isTaken[place]
    }
}

extension PlacedRoute {
    /// All that it says but its place: routes that say the same have the same.
    fileprivate var rule: Text {
        state(of: IntegrationID(high: 0, low: 0), at: 0).text
    }
}
