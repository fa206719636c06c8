import Domain
import Native
import SQL

/// The configuration of an account at one moment: each resource as the record of changes has it, so that changes can be undone on it one by
/// one, from the newest.
struct ConfigurationState: Sendable {
    private var channels: [String: Text] = [:]
    private var integrations: [String: Text] = [:]
    /// In order, by the id of the integration.
    private var routes: [String: [PlacedState]] = [:]
    private var tables: [String: Text] = [:]

    private struct PlacedState: Sendable {
        let id: String
        let state: Text
    }

    /// The present one. The integration of Tocsin's own troubles is none of the tenant's.
    static func load(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> ConfigurationState {
        var found = ConfigurationState()
        for channel in try ChannelStore.all(in: account, on: connection) {
            found.channels[channel.id.description] = channel.state.text
        }
        let own = try HealthAlertStore.integration(of: account, on: connection)
        for integration in try IntegrationStore.all(in: account, on: connection) where integration.id != own {
            found.integrations[integration.id.description] = integration.state.text
            guard case .shared = integration.mode else { continue }
            let list = try RouteStore.routes(
                0...Limits.routes,
                of: integration.id,
                in: account,
                on: connection
            )
            found.routes[integration.id.description] = list.map { route in
                PlacedState(id: route.route.id.description, state: route.state(of: integration.id).text)
            }
        }
        for (type, table) in try SeverityTableStore.all(in: account, on: connection) {
            found.tables[type.name] = table.state.text
        }
        return found
    }

    /// Goes back to before `entry`, the newest that was not undone.
    mutating func undo(_ entry: AuditEntry) {
        let id = entry.resource
        switch entry.action.prefix(while: { $0 != "." }) {
        case "channel": channels[id] = entry.before
        case "severity_table": tables[id] = entry.before
        case "integration":
            // What comes to tell of Tocsin's own troubles is changed, but was never made by a call.
            guard entry.action != "integration.update" || integrations[id] != nil else { return }
            integrations[id] = entry.before
            if entry.before == nil { routes[id] = nil }
        case "route": undoRoute(entry)
        default: break
        }
    }

    private mutating func undoRoute(_ entry: AuditEntry) {
        let place = { (state: Text?) in
            state.flatMap { text in
                PackedJSON.read(text.bytes) { root -> (integration: String, position: Int)? in
                    guard let integration = root.text("integration_id")?.string,
                        let position = root.member("position")?.int64Value
                    else { return nil }
                    return (integration, Int(position))
                }
            }
        }
        let (old, new) = (place(entry.before), place(entry.after))
        guard let integration = (old ?? new)?.integration else { return }
        var list = routes.removeValue(forKey: integration) ?? []
        if let position = new?.position, list.indices.contains(position), list[position].id == entry.resource
        {
            list.remove(at: position)
        } else {
            list.removeAll { $0.id == entry.resource }
        }
        if let before = entry.before, let position = old?.position {
            list.insert(PlacedState(id: entry.resource, state: before), at: min(position, list.count))
        }
        routes[integration] = list
    }

    // MARK: As a document

    /// The document: names in the place of ids, in the order of names, so that equal configurations are equal bytes.
    func document() -> [UInt8] {
        let names = channels.mapValues { Self.name(of: $0) }
        return JSONWriter.encode { writer in
            writer.object { object in
                object.object("channels") { list in
                    for id in Self.sorted(names) {
                        guard let state = channels[id], let name = names[id] else { continue }
                        list.entry(name) { $0.members(of: state, without: ["name"]) }
                    }
                }
                object.object("integrations") { write(names, to: &$0) }
                object.object("severity_tables") { list in
                    for type in tables.keys.sorted() {
                        guard let state = tables[type] else { continue }
                        list.entry(Text(type)) { $0.members(of: state, without: []) }
                    }
                }
            }
        }
    }

    private func write(_ channelNames: [String: Text], to list: inout JSONWriter) {
        let names = integrations.mapValues { Self.name(of: $0) }
        for id in Self.sorted(names) {
            guard let state = integrations[id], let name = names[id] else { continue }
            list.entry(name) { object in
                object.members(of: state, without: ["name", "channel_id", "default_channel_ids"])
                guard let routes = routes[id] else {
                    let channel = Self.texts(of: state, "channel_id").first
                    return object.field("channel", channel.flatMap { channelNames[$0] })
                }
                object.channels(
                    "default_channels",
                    Self.texts(of: state, "default_channel_ids"),
                    channelNames
                )
                object.array("routes") { list in
                    for route in routes {
                        list.object { object in
                            object.members(
                                of: route.state,
                                without: ["integration_id", "position", "channel_ids"]
                            )
                            let ids = Self.texts(of: route.state, "channel_ids")
                            object.channels("channels", ids, channelNames)
                        }
                    }
                }
            }
        }
    }

    private static func sorted(_ names: [String: Text]) -> [String] {
        names.sorted { $0.value.bytes.lexicographicallyPrecedes($1.value.bytes) }.map(\.key)
    }

    private static func name(of state: Text) -> Text {
        PackedJSON.read(state.bytes) { $0.text("name") } ?? Text("")
    }

    /// The text, or the texts, of a member.
    private static func texts(of state: Text, _ name: StaticString) -> [String] {
        PackedJSON.read(state.bytes) { root in
            let member = root.member(name)
            if let text = member?.string { return [text.text] }
            return member?.elements.compactMap { $0.string?.text } ?? []
        } ?? []
    }
}

extension JSONWriter {
    /// A member with a name of its own.
    fileprivate mutating func entry(_ name: Text, _ body: (inout JSONWriter) -> Void) {
        key(text: name.string)
        object(body)
    }

    /// The members of `state` but for some.
    fileprivate mutating func members(of state: Text, without names: [StaticString]) {
        _ = PackedJSON.read(state.bytes) { root -> Bool? in
            for (name, member) in root.members where !names.contains(where: { name.equals($0) }) {
                key(text: name.text)
                value(member)
            }
            return true
        }
    }

    /// Channels by their names.
    fileprivate mutating func channels(_ name: StaticString, _ ids: [String], _ names: [String: Text]) {
        array(name) { list in
            for id in ids { list.value(names[id]?.string ?? id) }
        }
    }
}
