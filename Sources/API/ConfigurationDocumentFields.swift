import Domain
import Native
import Storage
import Web

/// Reads the configuration of an account from one document, in which names are the keys: see `ConfigurationDocument` in openapi.yaml.
struct ConfigurationDocumentFields {
    let store: Store

    /// The channels, integrations and severity tables that the document may have, at most.
    private static let most = 10_000

    /// nil: errors were noted.
    func document(_ fields: Fields) -> ConfigurationDocument? {
        var ids: [Text: ChannelID] = [:]
        let channels = fields.required("channels") { field in
            field.named(most: Self.most) { name, fields -> ConfigurationDocument.Channel? in
                let id = store.identifiers.next(ChannelKind.self)
                ids[name.foldedKey] = id
                return ChannelFields.draft(fields, name: name).map {
                    ConfigurationDocument.Channel(id: id, draft: $0)
                }
            }
        }
        let integrations = fields.required("integrations") { field in
            field.named(most: Self.most) { name, fields -> ConfigurationDocument.Integration? in
                integration(name, fields, ids)
            }
        }
        let severityTables = fields.required("severity_tables") { tables($0) }
        guard let channels, let integrations, let severityTables else { return nil }
        return ConfigurationDocument(
            channels: channels,
            integrations: integrations,
            severityTables: severityTables
        )
    }

    private func integration(
        _ name: Name,
        _ fields: Fields,
        _ ids: [Text: ChannelID]
    ) -> ConfigurationDocument.Integration? {
        let mode = mode(fields, ids)
        let draft = IntegrationEndpoints(store: store).draft(fields, mode: mode, name: name)
        let routes = fields.optional("routes", or: []) { list in
            list.array(count: 0...Limits.routes) { route in
                route.object { fields in
                    RouteFields.draft(fields, at: route.pointer) { fields in
                        fields.optional("channels", or: []) { $0.channels(ids) }
                    }
                }
            }
        }
        if case .dedicated = mode, let routes, !routes.isEmpty {
            fields.refuse("routes", "is for a shared integration only")
            return nil
        }
        guard let draft, let routes else { return nil }
        return ConfigurationDocument.Integration(draft: draft, routes: routes)
    }

    private func mode(_ fields: Fields, _ ids: [Text: ChannelID]) -> Integration.Mode? {
        let name = fields.required("mode") { $0.word(IntegrationEndpoints.ModeName.self) }
        let channel = fields.optional("channel") { $0.channel(ids) }
        let defaults = fields.optional("default_channels", or: []) { $0.channels(ids) }
        switch name {
        case .dedicated:
            if defaults?.isEmpty == false {
                fields.refuse("default_channels", "is for a shared integration only")
            }
            if !fields.has("channel") { fields.refuse("channel", "is required") }
            return channel.map { .dedicated($0) }
        case .shared:
            if fields.has("channel") { fields.refuse("channel", "is for a dedicated integration only") }
            return defaults.map { .shared(defaults: $0) }
        case nil: return nil
        }
    }

    private func tables(_ field: Field) -> [IntegrationType: SeverityTable]? {
        guard field.json.isObject else { return field.refuse("must be an object") }
        var tables: [IntegrationType: SeverityTable] = [:]
        for (name, value) in field.json.members {
            let pointer = field.pointer + "/" + Fields.escaped(name.text)
            let entry = Field(json: value, pointer: pointer, errors: field.errors)
            guard let format = store.format(of: IntegrationType(Text(repairing: name.bytes))) else {
                entry.errors.add(pointer, "is not an integration type")
                continue
            }
            if tables[format.type] != nil { entry.errors.add(pointer, "is there twice") }
            tables[format.type] = entry.object(SeverityTableFields.table)
        }
        return tables
    }
}

extension Field {
    /// The members of an object whose names are names of resources, each once whatever its letter case.
    fileprivate func named<Value>(most: Int, _ read: (Name, Fields) -> Value?) -> [Value]? {
        guard json.isObject else { return refuse("must be an object") }
        guard json.elementCount <= most else { return refuse("must have at most \(most) members") }
        var seen: Set<Text> = []
        var values: [Value] = []
        for (key, value) in json.members {
            let field = Field(json: value, pointer: pointer + "/" + Fields.escaped(key.text), errors: errors)
            do {
                let name = try Name(Text(key.text))
                guard seen.insert(name.foldedKey).inserted else {
                    errors.add(field.pointer, "is there twice; letter case does not count")
                    continue
                }
                if let read = field.object({ read(name, $0) }) { values.append(read) }
            } catch {
                errors.add(field.pointer, "as a name \(error.detail)")
            }
        }
        return values
    }

    /// A channel of the document by its name.
    fileprivate func channel(_ ids: [Text: ChannelID]) -> ChannelID? {
        guard let name = name() else { return nil }
        return ids[name.foldedKey] ?? refuse("is not a channel of this document")
    }

    /// Channels of the document by their names, each once.
    fileprivate func channels(_ ids: [Text: ChannelID]) -> [ChannelID]? {
        var seen: Set<ChannelID> = []
        return array(count: 0...100) { field in
            guard let id = field.channel(ids) else { return nil }
            return seen.insert(id).inserted ? id : field.refuse("is in the list already")
        }
    }
}
