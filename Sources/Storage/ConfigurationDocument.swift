import Domain
import Native
import SQL

/// The whole configuration of an account, as somebody wants it: channels, integrations with their routes, severity tables. Names are the keys.
package struct ConfigurationDocument: Sendable {
    /// A channel. Integrations and routes of the document name it by `id`, which it gets when it is new.
    package struct Channel: Sendable {
        package let id: ChannelID
        package let draft: ChannelStore.Draft

        package init(id: ChannelID, draft: ChannelStore.Draft) {
            self.id = id
            self.draft = draft
        }
    }

    /// An integration and, when it is shared, its routes in order.
    package struct Integration: Sendable {
        package let draft: IntegrationStore.Draft
        package let routes: [RouteStore.Draft]

        package init(draft: IntegrationStore.Draft, routes: [RouteStore.Draft]) {
            self.draft = draft
            self.routes = routes
        }
    }

    package let channels: [Channel]
    package let integrations: [Integration]
    package let severityTables: [IntegrationType: SeverityTable]

    package init(
        channels: [Channel],
        integrations: [Integration],
        severityTables: [IntegrationType: SeverityTable]
    ) {
        self.channels = channels
        self.integrations = integrations
        self.severityTables = severityTables
    }
}

/// Makes the configuration of an account what a document says, through the same changes that the single operations make.
///
/// What has a name that is there already is changed where it differs, what is new is made, and what the document does not have is deleted; so
/// a document that says what is there changes nothing.
struct ConfigurationApplication {
    let store: Store
    let write: Mutation
    /// The ids that channels of the document have in the account.
    private var channels: [ChannelID: ChannelID] = [:]

    init(store: Store, _ write: Mutation) {
        self.store = store
        self.write = write
    }

    /// Throws `invalid` with pointers into the document, and `referenced` when something outside of it stands in the way.
    mutating func apply(_ document: ConfigurationDocument) throws {
        let account = write.account
        let old = try ChannelStore.all(in: account, on: write.connection)
        try putChannels(document.channels, old)
        let own = try HealthAlertStore.integration(of: account, on: write.connection)
        let integrations = try IntegrationStore.all(in: account, on: write.connection)
            .filter { $0.id != own }
        try checkKinds(document.integrations, integrations)
        let kept = Set(document.integrations.map(\.draft.name.foldedKey))
        for integration in integrations where !kept.contains(integration.name.foldedKey) {
            try store.integrations.delete(integration.id, if: .none, write)
        }
        let known = Dictionary(integrations.map { ($0.name.foldedKey, $0) }) { $1 }
        for entry in document.integrations { try put(entry, known[entry.draft.name.foldedKey]) }
        try putTables(document.severityTables)
        let wanted = Set(document.channels.map(\.draft.name.foldedKey))
        for channel in old where !wanted.contains(channel.name.foldedKey) {
            try store.channels.delete(channel.id, cascade: false, if: .none, write)
        }
    }

    private mutating func putChannels(
        _ wanted: [ConfigurationDocument.Channel],
        _ old: [Channel]
    ) throws {
        // Those that the document does not have go last, because routes may name them until then.
        if wanted.count > old.count {
            try AccountLimits.checkRoom(for: .channels, having: wanted.count - 1, write)
        }
        let known = Dictionary(old.map { ($0.name.foldedKey, $0.id) }) { $1 }
        for channel in wanted {
            let draft = channel.draft
            if let id = known[draft.name.foldedKey] {
                channels[channel.id] = id
                _ = try store.channels.update(id, ChannelStore.Patch(all: draft), if: .none, write)
            } else {
                channels[channel.id] = try store.channels.insert(draft, id: channel.id, hasRoom: true, write)
                    .id
            }
        }
    }

    /// Type and mode of an integration stay: push URLs hang on them.
    private func checkKinds(
        _ wanted: [ConfigurationDocument.Integration],
        _ old: [Integration]
    ) throws {
        let known = Dictionary(old.map { ($0.name.foldedKey, $0) }) { $1 }
        var errors = ValidationErrors()
        for entry in wanted {
            guard let present = known[entry.draft.name.foldedKey] else { continue }
            let pointer = "/integrations/" + entry.draft.name.text.pointerPart
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

    private func put(_ entry: ConfigurationDocument.Integration, _ present: Integration?) throws {
        let draft = entry.draft.with(mode: mode(entry.draft.mode))
        let id: IntegrationID
        if let present {
            id = present.id
            _ = try store.integrations.update(id, IntegrationStore.Patch(all: draft), if: .none, write)
        } else {
            id = try store.integrations.insert(draft, write).report.integration.id
        }
        guard case .shared = draft.mode else { return }
        let old = try RouteStore.routes(
            0...Limits.routes,
            of: id,
            in: write.account,
            on: write.connection
        )
        let drafts = entry.routes.map { $0.with(target: target($0.target)) }
        let entries = Self.entries(drafts, keeping: old)
        let place = "/integrations/" + draft.name.text.pointerPart + "/routes"
        _ = try store.routes.replace(with: entries, at: place, if: .none, of: id, write)
    }

    /// Each draft takes the first route that says the same, else the first of its name, so that routes keep their ids.
    private static func entries(
        _ drafts: [RouteStore.Draft],
        keeping old: [PlacedRoute]
    ) -> [RouteStore.Entry] {
        var free = old[...]
        var ids = [RouteID?](repeating: nil, count: drafts.count)
        for (place, draft) in drafts.enumerated() {
            guard let found = free.firstIndex(where: { draft.isSame(as: $0) }) else { continue }
            ids[place] = free.remove(at: found).route.id
        }
        for (place, draft) in drafts.enumerated() where ids[place] == nil && !draft.name.bytes.isEmpty {
            guard let found = free.firstIndex(where: { draft.name == $0.name }) else { continue }
            ids[place] = free.remove(at: found).route.id
        }
        return zip(ids, drafts).map { RouteStore.Entry(id: $0, draft: $1) }
    }

    private func putTables(_ wanted: [IntegrationType: SeverityTable]) throws {
        let present = try SeverityTableStore.all(in: write.account, on: write.connection)
        for (type, table) in wanted.sorted(by: { $0.key.name < $1.key.name })
        where present[type].map({ $0.state.text != table.state.text }) ?? true {
            _ = try store.severityTables.replace(type, with: table, if: .none, write)
        }
        for type in present.keys.sorted(by: { $0.name < $1.name }) where wanted[type] == nil {
            try store.severityTables.reset(type, if: .none, write)
        }
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

extension Text {
    /// As a part of a JSON pointer.
    fileprivate var pointerPart: String {
        string.replacing("~", with: "~0").replacing("/", with: "~1")
    }
}
