import Domain
import Storage
import Web

/// Reads routes from bodies: those of the route operations, and the draft that a simulation tries.
enum RouteFields {
    private static let onMatchWords = [Route.OnMatch.continue, .stop].map(\.rawValue)

    /// A new route, at `pointer` in the body. nil: errors were noted.
    ///
    /// `channels` reads where it leads to: by default ids.
    static func draft(
        _ fields: Fields,
        at pointer: String,
        channels: (Fields) -> [ChannelID]? = { $0.optional("channel_ids", or: []) { $0.channelIDs() } }
    ) -> RouteStore.Draft? {
        let name = fields.optional("name", or: Text("")) { $0.routeName() }
        let conditions = fields.required("conditions") { $0.conditions() }
        let mode = fields.optional("mode", or: RouteStore.Mode.standard) { $0.word(RouteStore.Mode.self) }
        let channelIDs = channels(fields)
        let label = fields.clearable("name_mapping_label") { $0.text(bytes: Labels.Limits.nameBytes) }
        let onMatch = fields.optional("on_match", or: Route.OnMatch.continue) { onMatchWord($0) }
        let externalID = fields.nullable("external_id") { $0.text() }
        let labels = fields.optional("labels", or: Labels()) { $0.labels() }
        guard let mode, let channelIDs else { return nil }
        var found = ValidationErrors()
        let target = RouteStore.target(
            mode: mode,
            channelIDs: channelIDs,
            label: label.applied(to: nil),
            at: pointer,
            errors: &found
        )
        fields.errors.add(found)
        guard let name, let conditions, let target, let onMatch, let labels else { return nil }
        return RouteStore.Draft(
            name: name,
            conditions: conditions,
            target: target,
            onMatch: onMatch,
            externalID: externalID,
            labels: labels
        )
    }

    /// A route of a whole list.
    static func entry(_ field: Field) -> RouteStore.Entry? {
        field.object { fields in
            let id = fields.optional("id") { $0.identifier(RouteKind.self) }
            return draft(fields, at: field.pointer).map { RouteStore.Entry(id: id, draft: $0) }
        }
    }

    static func patch(_ fields: Fields) -> RouteStore.Patch? {
        RouteStore.Patch(
            name: fields.changed("name") { $0.routeName() },
            position: fields.changed("position") { $0.position() },
            conditions: fields.changed("conditions") { $0.conditions() },
            mode: fields.changed("mode") { $0.word(RouteStore.Mode.self) },
            channelIDs: fields.changed("channel_ids") { $0.channelIDs() },
            label: fields.clearable("name_mapping_label") { $0.text(bytes: Labels.Limits.nameBytes) },
            onMatch: fields.changed("on_match") { onMatchWord($0) },
            externalID: fields.clearable("external_id") { $0.text() },
            labels: fields.changed("labels") { $0.labels() }
        )
    }

    private static func onMatchWord(_ field: Field) -> Route.OnMatch? {
        field.word(of: onMatchWords) { Route.OnMatch(rawValue: $0) }
    }
}

extension Field {
    /// At most 64 scalars; may be empty.
    fileprivate func routeName() -> Text? {
        text(bytes: Limits.nameBytes, scalars: Limits.nameScalars, allowEmpty: true)
    }

    /// A place in a list of routes.
    func position() -> Int? {
        integer(in: 0...Int64(Limits.routes - 1)).map { Int($0) }
    }
}

/// Where a page of routes begins, as a cursor: `r` and the position in base62.
enum RoutePlace {
    static func encode(_ position: Int) -> String {
        "r" + String(decoding: Base62.encode(UInt128(position), width: 4), as: UTF8.self)
    }

    static func decode(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard bytes.count == 5, bytes[0] == UInt8(ascii: "r"), let position = Base62.decode(bytes[1...]),
            position < UInt128(Limits.routes)
        else { return nil }
        return Int(position)
    }
}

extension Query {
    /// `limit` and `cursor` of a list of routes.
    func routePlace() -> (position: Int, limit: Int) {
        let limit = limit()
        let cursor = read("cursor", "is not a cursor of this list: take next_cursor of the page before") {
            RoutePlace.decode($0)
        }
        return (cursor ?? 0, limit)
    }
}
