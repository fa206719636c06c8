import Domain
import Native
import SQL

/// The notifiers of accounts' channels.
package struct NotifierStore: Sendable {
    package let store: Store

    /// Notifiers of one channel, at most.
    package static let maximumCount = 50
    /// For how long a signing secret that was replaced signs along, in seconds.
    package static let rotationOverlap: Int64 = 86_400
    private static let secretBytes = 32

    static let state = SQLStatement(
        """
        SELECT failing_since, last_failure, last_failure_at, last_sent_at FROM notifier_states
        WHERE account_id = $1 AND notifier_id = $2
        """
    )
    static let deleteState = SQLStatement(
        "DELETE FROM notifier_states WHERE account_id = $1 AND notifier_id = $2"
    )
    static let channel = SQLStatement("SELECT 1 FROM channels WHERE account_id = $1 AND id = $2")

    static let statements = NotifierRows.statements + [state, deleteState, channel]

    /// How sending goes.
    package struct Health: Sendable, Equatable {
        /// nil: the last attempt succeeded, or there was none.
        package let failingSince: UnixTime?
        package let lastFailure: Text?
        package let lastFailureAt: UnixTime?
        package let lastSentAt: UnixTime?
    }

    /// A notifier and how it goes.
    package struct Report: Sendable {
        package let notifier: Notifier
        package let health: Health
    }

    /// What a new notifier is made of.
    package struct Draft: Sendable {
        package let name: Name
        package let status: Enablement
        package let conditions: [[ConditionSource]]
        package let changes: Set<AlertChange>
        package let template: MessageTemplate
        package let stormLimit: Int
        /// Those of a webhook without secrets: the store makes one.
        package let settings: any NotifierSettings
        package let externalID: Text?
        package let labels: Labels
        /// What its conditions cost.
        package let cost: ConditionCost

        package init(
            name: Name,
            status: Enablement,
            conditions: [[ConditionSource]],
            changes: Set<AlertChange>,
            template: MessageTemplate,
            stormLimit: Int,
            settings: any NotifierSettings,
            externalID: Text?,
            labels: Labels
        ) {
            self.name = name
            self.status = status
            self.conditions = conditions
            cost = ConditionCost(of: conditions, for: .notifier)
            self.changes = changes
            self.template = template
            self.stormLimit = stormLimit
            self.settings = settings
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        package let name: Name?
        package let status: Enablement?
        package let conditions: [[ConditionSource]]?
        /// What they cost.
        package let cost: ConditionCost?
        package let changes: Set<AlertChange>?
        package let language: MessageTemplate.Language?
        package let titleTemplate: Change<Text>
        package let textTemplate: Change<Text>
        package let stormLimit: Int?
        /// All of them, of the notifier's kind; a webhook's signing secrets stay.
        package let settings: (any NotifierSettings)?
        package let externalID: Change<Text>
        package let labels: Labels?

        package init(
            name: Name?,
            status: Enablement?,
            conditions: [[ConditionSource]]?,
            changes: Set<AlertChange>?,
            language: MessageTemplate.Language?,
            titleTemplate: Change<Text>,
            textTemplate: Change<Text>,
            stormLimit: Int?,
            settings: (any NotifierSettings)?,
            externalID: Change<Text>,
            labels: Labels?
        ) {
            self.name = name
            self.status = status
            self.conditions = conditions
            cost = conditions.map { ConditionCost(of: $0, for: .notifier) }
            self.changes = changes
            self.language = language
            self.titleTemplate = titleTemplate
            self.textTemplate = textTemplate
            self.stormLimit = stormLimit
            self.settings = settings
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// A signing secret that was just made: shown this once.
    package struct NewSecret: Sendable {
        package let secret: SigningSecret
        /// From when on the one before signs no more.
        package let previousEndsAt: UnixTime
    }

    /// Makes a notifier of `channel`. Throws `notFound` for a channel that is not there, `nameTaken`, and `conflict` when the channel has
    /// as many as it may.
    package func insert(_ draft: Draft, of channel: ChannelID, _ write: Mutation) throws -> Report {
        let account = write.account
        let seal = SealedSettings(store, account)
        try Self.check(channel, write)
        let notifier = Notifier(
            id: write.identifiers.next(),
            channelID: channel,
            name: draft.name,
            status: draft.status,
            disabledReason: nil,
            conditions: draft.conditions,
            changes: draft.changes,
            template: draft.template,
            stormLimit: draft.stormLimit,
            settings: draft.settings.signed(by: [Self.newSecret()]),
            metadata: .new(externalID: draft.externalID, labels: draft.labels, at: write.now)
        )
        try write.meter(draft.cost)
        try naming {
            try write.connection.run(NotifierRows.insert, NotifierRows.values(notifier, account, seal))
        }
        try write.keep(draft.cost, of: notifier.id)
        try write.record("notifier.create", notifier.id.description, after: notifier.state)
        return Report(notifier: notifier, health: .none)
    }

    /// The notifier. Throws `notFound`.
    package func find(
        _ id: NotifierID,
        of channel: ChannelID,
        in account: AccountNumber
    ) async throws -> Report {
        let seal = SealedSettings(store, account)
        return try await store.database.read(.of(account)) { connection in
            let notifier = try Self.find(id, of: channel, in: account, seal, on: connection)
            return Report(notifier: notifier, health: try Self.health(of: id, in: account, on: connection))
        }
    }

    /// A page of the notifiers of `channel`. Throws `notFound` for a channel that is not there.
    package func list(
        _ request: PageRequest<NotifierIDKind>,
        filter: ConfigurationFilter,
        of channel: ChannelID,
        in account: AccountNumber
    ) async throws -> Page<Report, NotifierIDKind> {
        let seal = SealedSettings(store, account)
        return try await store.database.read(.of(account)) { connection in
            try Self.checkChannel(channel, in: account, on: connection)
            let page = try PageScan.page(request, isFiltered: !filter.isEmpty, id: \.id) { before, limit in
                try connection.rows(
                    NotifierRows.list,
                    [.account(account), .id(before), .int(limit), .id(channel)]
                ) { row throws(SQLError) in try NotifierRows.decode(row, seal) }
            } matches: {
                filter.matches($0.metadata)
            }
            let items = try page.items.map {
                Report(notifier: $0, health: try Self.health(of: $0.id, in: account, on: connection))
            }
            return Page(items: items, next: page.next)
        }
    }

    /// Changes a notifier. Throws `notFound`, `preconditionFailed`, `nameTaken`, and `invalid` for settings of another kind.
    package func update(
        _ id: NotifierID,
        _ patch: Patch,
        if precondition: Precondition,
        of channel: ChannelID,
        _ write: Mutation
    ) throws -> Report {
        let account = write.account
        let seal = SealedSettings(store, account)
        let old = try Self.find(id, of: channel, in: account, seal, on: write.connection)
        try precondition.check(old.metadata.version)
        if let settings = patch.settings, settings.kind != old.kind {
            throw StoreError.invalid(
                ValidationErrors([
                    FieldError("/settings", "must be settings of kind \(old.kind)")
                ])
            )
        }
        if patch.conditions == nil, old.conditions == PackedConfiguration.unreadable {
            throw StoreError.conflict(
                "The notifier's conditions can't be read any more: send new ones, or delete it."
            )
        }
        let new = old.changed(by: patch, at: write.now)
        guard new.state.text != old.state.text || !new.settings.isEqual(to: old.settings) else {
            return Report(notifier: old, health: try Self.health(of: id, in: account, on: write.connection))
        }
        if let cost = patch.cost { try write.meter(cost) }
        try naming {
            try write.connection.run(NotifierRows.update, NotifierRows.values(new, account, seal))
        }
        if let cost = patch.cost { try write.keep(cost, of: id) }
        try write.record("notifier.update", id.description, before: old.state, after: new.state) {
            $0.field("has_new_settings", patch.settings != nil)
        }
        return Report(notifier: new, health: try Self.health(of: id, in: account, on: write.connection))
    }

    /// Gives a webhook a new signing secret; the one before signs along for a day. Throws `notFound`, and `conflict` for another kind.
    package func rotateSecret(of id: NotifierID, of channel: ChannelID, _ write: Mutation) throws -> NewSecret
    {
        let account = write.account
        let seal = SealedSettings(store, account)
        let old = try Self.find(id, of: channel, in: account, seal, on: write.connection)
        guard let last = old.settings.signingSecrets.first else {
            throw StoreError.conflict("Only a notifier of kind webhook has a signing secret.")
        }
        let end = write.now.adding(seconds: Self.rotationOverlap)
        let secret = Self.newSecret()
        let previous = SigningSecret(bytes: last.bytes, endsAt: end)
        let new = old.changed(settings: old.settings.signed(by: [secret, previous]), at: write.now)
        try write.connection.run(NotifierRows.update, NotifierRows.values(new, account, seal))
        try write.record("notifier.rotate_secret", id.description)
        return NewSecret(secret: secret, previousEndsAt: end)
    }

    /// Deletes a notifier, also one that can't be read any more; what still waits for it is not told. Throws `notFound`,
    /// `preconditionFailed`.
    package func delete(
        _ id: NotifierID,
        if precondition: Precondition,
        of channel: ChannelID,
        _ write: Mutation
    ) throws {
        let account = write.account
        let seal = SealedSettings(store, account)
        var state: JSONState?
        do {
            let notifier = try Self.find(id, of: channel, in: account, seal, on: write.connection)
            try precondition.check(notifier.metadata.version)
            state = notifier.state
        } catch let error as SQLError where error.kind == .unreadable {
            try Self.checkChannel(channel, in: account, on: write.connection)
        }
        try write.connection.run(NotifierRows.delete, [.account(account), .id(id)])
        try write.connection.run(Self.deleteState, [.account(account), .id(id)])
        try write.record("notifier.delete", id.description, before: state)
    }

    // MARK: Parts

    private static func newSecret() -> SigningSecret {
        SigningSecret(bytes: SecureRandom.bytes(secretBytes), endsAt: nil)
    }

    private static func check(_ channel: ChannelID, _ write: Mutation) throws {
        try checkChannel(channel, in: write.account, on: write.connection)
        let count = try write.connection.row(
            NotifierRows.count,
            [.account(write.account), .id(channel)]
        ) { row throws(SQLError) in row.int(0) }
        guard (count ?? 0) < maximumCount else {
            throw StoreError.conflict("A channel has at most \(maximumCount) notifiers.")
        }
    }

    private static func checkChannel(
        _ id: ChannelID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws {
        let found = try connection.row(channel, [.account(account), .id(id)]) { _ throws(SQLError) in true }
        guard found != nil else { throw StoreError.notFound }
    }

    private static func find(
        _ id: NotifierID,
        of channel: ChannelID,
        in account: AccountNumber,
        _ seal: SealedSettings,
        on connection: any SQLConnection
    ) throws -> Notifier {
        guard let notifier = try NotifierRows.find(id, in: account, seal, on: connection),
            notifier.channelID == channel
        else { throw StoreError.notFound }
        return notifier
    }

    private static func health(
        of id: NotifierID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> Health {
        try connection.row(state, [.account(account), .id(id)]) { row throws(SQLError) in
            Health(
                failingSince: row.optionalTime(0),
                lastFailure: row.optionalText(1),
                lastFailureAt: row.optionalTime(2),
                lastSentAt: row.optionalTime(3)
            )
        } ?? .none
    }
}

extension NotifierStore.Health {
    /// Nothing was tried yet.
    static let none = Self(failingSince: nil, lastFailure: nil, lastFailureAt: nil, lastSentAt: nil)
}
