import Domain
import Native
import SQL

/// The channels of accounts.
package struct ChannelStore: Sendable {
    package let store: Store

    private static let columns =
        "id, name, description, status, external_id, labels, version, created_at, updated_at"

    static let insert = SQLStatement(
        """
        INSERT INTO channels (
            account_id, name_key, id, name, description, status, external_id, labels, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """
    )
    static let find = SQLStatement("SELECT \(columns) FROM channels WHERE account_id = $1 AND id = $2")
    static let list = SQLStatement(
        "SELECT \(columns) FROM channels WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    )
    static let update = SQLStatement(
        """
        UPDATE channels SET name_key = $3, name = $4, description = $5, status = $6, external_id = $7, labels = $8,
            version = $9, created_at = $10, updated_at = $11
        WHERE account_id = $1 AND id = $2
        """
    )
    static let delete = SQLStatement("DELETE FROM channels WHERE account_id = $1 AND id = $2")
    static let deleteNotifierStates = SQLStatement(
        """
        DELETE FROM notifier_states WHERE account_id = $1
            AND notifier_id IN (SELECT id FROM notifiers WHERE account_id = $1 AND channel_id = $2)
        """
    )
    static let dedicatedReferences = SQLStatement(
        "SELECT id, name FROM integrations WHERE account_id = $1 AND channel_id = $2 ORDER BY id LIMIT 20"
    )
    static let defaultReferences = SQLStatement(
        """
        SELECT i.id, i.name FROM integration_defaults d
        JOIN integrations i ON i.account_id = $1 AND i.id = d.integration_id
        WHERE d.account_id = $1 AND d.channel_id = $2 ORDER BY i.id LIMIT 20
        """
    )
    static let routeReferences = SQLStatement(
        """
        SELECT r.id, r.name FROM route_channels c JOIN routes r ON r.account_id = $1 AND r.id = c.route_id
        WHERE c.account_id = $1 AND c.channel_id = $2 ORDER BY r.id LIMIT 20
        """
    )

    /// All statements, for the plan test.
    static let statements = [
        insert, find, list, update, delete, deleteNotifierStates, dedicatedReferences, defaultReferences,
        routeReferences,
    ]

    /// What a new channel is made of.
    package struct Draft: Sendable {
        package let name: Name
        package let description: Text
        package let status: Enablement
        package let externalID: Text?
        package let labels: Labels

        package init(name: Name, description: Text, status: Enablement, externalID: Text?, labels: Labels) {
            self.name = name
            self.description = description
            self.status = status
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        package let name: Name?
        package let description: Text?
        package let status: Enablement?
        package let externalID: Change<Text>
        package let labels: Labels?

        package init(
            name: Name?,
            description: Text?,
            status: Enablement?,
            externalID: Change<Text>,
            labels: Labels?
        ) {
            self.name = name
            self.description = description
            self.status = status
            self.externalID = externalID
            self.labels = labels
        }

        /// All that `draft` says.
        init(all draft: Draft) {
            self.init(
                name: draft.name,
                description: draft.description,
                status: draft.status,
                externalID: draft.externalID.map { .set($0) } ?? .clear,
                labels: draft.labels
            )
        }
    }

    /// Makes a channel. Throws `nameTaken`, `limitReached`.
    ///
    /// `id` is one that was made for it already; nil: a new one.
    package func insert(_ draft: Draft, id: ChannelID? = nil, _ write: Mutation) throws -> Channel {
        let account = write.account
        try AccountLimits.checkRoom(for: .channels, counting: AccountLimits.countChannels, write)
        let channel = draft.channel(id: id ?? write.identifiers.next(), at: write.now)
        try naming {
            try write.connection.run(Self.insert, Self.values(of: channel, account, keyFirst: true))
        }
        try write.record("channel.create", channel.id.description, after: channel.state)
        return channel
    }

    /// The channel. Throws `notFound`.
    package func find(_ id: ChannelID, in account: AccountNumber) async throws -> Channel {
        try await store.database.read(.of(account)) { try Self.find(id, in: account, on: $0) }
    }

    /// A page of the channels.
    package func list(
        _ request: PageRequest<ChannelKind>,
        filter: ConfigurationFilter,
        in account: AccountNumber
    ) async throws -> Page<Channel, ChannelKind> {
        try await store.database.read(.of(account)) { connection in
            try PageScan.page(request, isFiltered: !filter.isEmpty, id: \.id) { before, limit in
                try connection.rows(Self.list, [.account(account), .id(before), .int(limit)], Self.decode)
            } matches: {
                filter.matches($0.metadata)
            }
        }
    }

    /// Changes a channel. Throws `notFound`, `preconditionFailed`, `nameTaken`.
    package func update(
        _ id: ChannelID,
        _ patch: Patch,
        if precondition: Precondition,
        _ write: Mutation
    ) throws -> Channel {
        let account = write.account
        let old = try Self.find(id, in: account, on: write.connection)
        try precondition.check(old.metadata.version)
        let new = old.changed(patch, at: write.now)
        guard new.state.text != old.state.text else { return old }
        try naming {
            try write.connection.run(Self.update, Self.values(of: new, account, keyFirst: false))
        }
        try write.record("channel.update", id.description, before: old.state, after: new.state)
        return new
    }

    /// Deletes a channel. Throws `notFound`, `preconditionFailed`, and `referenced` while an integration or a route names it.
    ///
    /// With `cascade` it is taken out of routes and default channels first, and a route that is left without a channel goes too; a
    /// dedicated integration stands in the way even so. Its notifiers go with it.
    package func delete(
        _ id: ChannelID,
        cascade: Bool,
        if precondition: Precondition,
        _ write: Mutation
    ) throws {
        let account = write.account
        let channel = try Self.find(id, in: account, on: write.connection)
        try precondition.check(channel.metadata.version)
        if cascade { try RouteStore.removeChannel(id, write) }
        let references = try Self.references(to: id, in: account, on: write.connection)
        guard references.isEmpty else { throw StoreError.referenced(references) }
        try write.connection.run(Self.deleteNotifierStates, [.account(account), .id(id)])
        try write.connection.run(Self.delete, [.account(account), .id(id)])
        try write.record("channel.delete", id.description, before: channel.state)
    }

    /// All channels of the account.
    static func all(in account: AccountNumber, on connection: any SQLConnection) throws -> [Channel] {
        let everything: [SQLValue] = [
            .account(account), .id(ChannelID(high: .max, low: .max)), .int(Int(Int32.max)),
        ]
        return try connection.rows(list, everything, decode)
    }

    /// Adds an error for each of `ids` that is no channel of the account: to be used inside the transaction that refers to them.
    static func checkReferences(
        _ ids: [(id: ChannelID, pointer: String)],
        in account: AccountNumber,
        on connection: any SQLConnection,
        errors: inout ValidationErrors
    ) throws {
        for (id, pointer) in ids {
            let found = try connection.row(find, [.account(account), .id(id)]) { _ throws(SQLError) in true }
            if found == nil { errors.add(pointer, "there is no such channel in this account") }
        }
    }

    private static func find(
        _ id: ChannelID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Channel {
        guard let channel = try connection.row(find, [.account(account), .id(id)], decode) else {
            throw StoreError.notFound
        }
        return channel
    }

    private static func references(
        to id: ChannelID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [StoreError.Reference] {
        let key: [SQLValue] = [.account(account), .id(id)]
        var references: [StoreError.Reference] = []
        for statement in [dedicatedReferences, defaultReferences] {
            references += try connection.rows(statement, key) { row throws(SQLError) in
                let id: IntegrationID = try row.id(0)
                return StoreError.Reference(type: "integration", id: id.description, name: row.text(1).string)
            }
        }
        references += try connection.rows(routeReferences, key) { row throws(SQLError) in
            let id: RouteID = try row.id(0)
            return StoreError.Reference(type: "route", id: id.description, name: row.text(1).string)
        }
        return references
    }

    static func values(of channel: Channel, _ account: AccountNumber, keyFirst: Bool) -> [SQLValue] {
        let key = SQLValue.text(channel.name.foldedKey)
        let head: [SQLValue] =
            keyFirst ? [.account(account), key, .id(channel.id)] : [.account(account), .id(channel.id), key]
        return head + [.text(channel.name.text), .text(channel.description), .text(channel.status.rawValue)]
            + channel.metadata.values
    }

    private static func decode(_ row: any SQLRow) throws(SQLError) -> Channel {
        Channel(
            id: try row.id(0),
            name: Name(trusted: row.text(1)),
            description: row.text(2),
            status: try row.word(3, as: Enablement.self),
            metadata: try row.metadata(4)
        )
    }
}

extension Channel {
    /// After a change.
    func changed(_ patch: ChannelStore.Patch, at now: UnixTime) -> Channel {
        Channel(
            id: id,
            name: patch.name ?? name,
            description: patch.description ?? description,
            status: patch.status ?? status,
            metadata: metadata.changed(externalID: patch.externalID, labels: patch.labels, at: now)
        )
    }
}

extension ChannelStore.Draft {
    /// The channel that it describes.
    func channel(id: ChannelID, at now: UnixTime) -> Channel {
        Channel(
            id: id,
            name: name,
            description: description,
            status: status,
            metadata: .new(externalID: externalID, labels: labels, at: now)
        )
    }
}
