import Domain
import Native
import SQL

/// An integration and what became of its pushes.
package struct IntegrationReport: Sendable {
    /// The integration itself.
    package let integration: Integration
    /// nil while nothing has arrived. Written lazily, shown within 2 s.
    package let lastDeliveryAt: UnixTime?
    /// By reason; empty when nothing was refused.
    package let refusals: [Refusals]
}

/// Which integrations a list shows.
package struct IntegrationFilter: Sendable {
    let type: IntegrationType?
    let channel: ChannelID?
    let configuration: ConfigurationFilter

    /// Those of `type` that can deliver to `channel`: it is theirs, a default, or named by a route.
    package init(type: IntegrationType?, channel: ChannelID?, configuration: ConfigurationFilter) {
        self.type = type
        self.channel = channel
        self.configuration = configuration
    }
}

/// The integrations of accounts.
package struct IntegrationStore: Sendable {
    package let store: Store

    /// What a new integration is made of.
    package struct Draft: Sendable {
        let type: IntegrationType
        let mode: Integration.Mode
        let name: Name
        let description: Text
        let status: Enablement
        let rateLimit: RateLimit?
        let source: SourceRules
        let externalID: Text?
        let labels: Labels

        /// An integration of one of the store's formats' types. `rateLimit` nil: what is usual, which the account's limits may lower.
        package init(
            type: IntegrationType,
            mode: Integration.Mode,
            name: Name,
            description: Text,
            status: Enablement,
            rateLimit: RateLimit?,
            source: SourceRules,
            externalID: Text?,
            labels: Labels
        ) {
            self.type = type
            self.mode = mode
            self.name = name
            self.description = description
            self.status = status
            self.rateLimit = rateLimit
            self.source = source
            self.externalID = externalID
            self.labels = labels
        }

        /// The same, delivering elsewhere.
        func with(mode: Integration.Mode) -> Draft {
            Draft(
                type: type,
                mode: mode,
                name: name,
                description: description,
                status: status,
                rateLimit: rateLimit,
                source: source,
                externalID: externalID,
                labels: labels
            )
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        let name: Name?
        let description: Text?
        let channel: ChannelID?
        let defaults: [ChannelID]?
        let status: Enablement?
        let rateLimit: RateLimit?
        let sourceCIDRs: [Text]?
        let pinnedLabels: Labels?
        let externalID: Change<Text>
        let labels: Labels?

        /// The changes. `channel` is for a dedicated integration, `defaults` for a shared one.
        package init(
            name: Name?,
            description: Text?,
            channel: ChannelID?,
            defaults: [ChannelID]?,
            status: Enablement?,
            rateLimit: RateLimit?,
            sourceCIDRs: [Text]?,
            pinnedLabels: Labels?,
            externalID: Change<Text>,
            labels: Labels?
        ) {
            self.name = name
            self.description = description
            self.channel = channel
            self.defaults = defaults
            self.status = status
            self.rateLimit = rateLimit
            self.sourceCIDRs = sourceCIDRs
            self.pinnedLabels = pinnedLabels
            self.externalID = externalID
            self.labels = labels
        }

        /// All that `draft` says, of an integration of its type and mode.
        init(all draft: Draft) {
            var (channel, defaults): (ChannelID?, [ChannelID]?) = (nil, nil)
            switch draft.mode {
            case .dedicated(let id): channel = id
            case .shared(let ids): defaults = ids
            }
            self.init(
                name: draft.name,
                description: draft.description,
                channel: channel,
                defaults: defaults,
                status: draft.status,
                rateLimit: draft.rateLimit ?? .standard,
                sourceCIDRs: draft.source.cidrs,
                pinnedLabels: draft.source.pinnedLabels,
                externalID: draft.externalID.map { .set($0) } ?? .clear,
                labels: draft.labels
            )
        }
    }

    /// Makes an integration and its first push URL. Throws `nameTaken`, `limitReached`, and `invalid` for a type that does
    /// not exist, a channel that is not in the account, or a share beyond the account's limits.
    package func insert(
        _ draft: Draft,
        _ write: Mutation
    ) throws -> (report: IntegrationReport, first: IssuedPushURL) {
        let account = write.account
        let signer = PushURLSigner(store, account)
        let isType = store.formats.contains { $0.type == draft.type }
        var errors = ValidationErrors()
        if !isType { errors.add("/type", "is not an integration type") }
        try Self.checkReferences(draft.mode, write, errors: &errors)
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
        if let rate = draft.rateLimit { try AccountLimits.check(rate, write) }
        try AccountLimits.checkRoom(for: .integrations, counting: AccountLimits.countIntegrations, write)
        let integration = draft.integration(
            id: write.identifiers.next(),
            number: try Self.newNumber(write),
            at: write.now
        )
        try naming { try write.connection.run(Self.insert, Self.newRow(integration, account)) }
        try Self.writeDefaults(of: integration, write)
        try write.record("integration.create", integration.id.description, after: integration.state)
        let parent = PushURLStore.Parent(
            id: integration.id,
            number: integration.number,
            type: integration.type
        )
        let first = try PushURLStore.issue(.first, for: parent, signer, write)
        return (IntegrationReport(integration: integration, lastDeliveryAt: nil, refusals: []), first)
    }

    /// The integration. Throws `notFound`.
    package func find(_ id: IntegrationID, in account: AccountNumber) async throws -> IntegrationReport {
        try await store.database.read(.of(account)) { connection in
            let report = try SteadyRead.of(account, on: connection) {
                try Self.report(id, in: account, on: connection)
            }
            guard let report else { throw StoreError.notFound }
            return report
        }
    }

    /// A page of the integrations.
    package func list(
        _ request: PageRequest<IntegrationKind>,
        filter: IntegrationFilter,
        in account: AccountNumber
    ) async throws -> Page<IntegrationReport, IntegrationKind> {
        try await store.database.read(.of(account)) { connection in
            let page = try SteadyRead.of(account, on: connection) {
                try Self.page(request, filter, in: account, on: connection)
            }
            guard let page else { throw StoreError.notFound }
            return page
        }
    }

    /// Changes an integration. Throws `notFound`, `preconditionFailed`, `nameTaken`, `invalid`.
    package func update(
        _ id: IntegrationID,
        _ patch: Patch,
        if precondition: Precondition,
        _ write: Mutation
    ) throws -> IntegrationReport {
        let account = write.account
        guard let report = try Self.report(id, in: account, on: write.connection) else {
            throw StoreError.notFound
        }
        let old = report.integration
        try precondition.check(old.metadata.version)
        if let rate = patch.rateLimit, rate != old.rateLimit { try AccountLimits.check(rate, write) }
        let new = old.changed(patch, mode: try Self.mode(of: old, after: patch, write), at: write.now)
        guard new.state.text != old.state.text else { return report }
        try naming { try write.connection.run(Self.update, Self.changedRow(new, account)) }
        if new.mode != old.mode { try Self.writeDefaults(of: new, write) }
        try write.record("integration.update", id.description, before: old.state, after: new.state)
        return IntegrationReport(
            integration: new,
            lastDeliveryAt: report.lastDeliveryAt,
            refusals: report.refusals
        )
    }

    /// Deletes an integration with its routes and push URLs; what it delivered stays. Its number is never
    /// used again. Throws `notFound`, `preconditionFailed`.
    package func delete(_ id: IntegrationID, if precondition: Precondition, _ write: Mutation) throws {
        let account = write.account
        let key: [SQLValue] = [.account(account), .id(id)]
        guard let old = try Self.report(id, in: account, on: write.connection) else {
            throw StoreError.notFound
        }
        try precondition.check(old.integration.metadata.version)
        let routes = try RouteStore.routes(0...Limits.routes, of: id, in: account, on: write.connection)
        try write.record(RouteStore.changes(from: routes, to: [], of: id))
        let isOwn = try HealthAlertStore.integration(of: account, on: write.connection) == id
        for statement in [Self.deleteRefusals, Self.deleteActivity, Self.delete] {
            try write.connection.run(statement, key)
        }
        try write.record(
            isOwn ? "health_alerts.end" : "integration.delete",
            id.description,
            before: old.integration.state
        )
    }

    /// Makes a dedicated integration deliver to another channel of the account. Answers its id.
    static func turn(
        _ id: IntegrationID,
        to channel: ChannelID,
        _ write: Mutation
    ) throws -> IntegrationID {
        guard let old = try report(id, in: write.account, on: write.connection)?.integration else {
            throw StoreError.notFound
        }
        let new = Integration(
            id: old.id,
            number: old.number,
            type: old.type,
            mode: .dedicated(channel),
            name: old.name,
            description: old.description,
            status: old.status,
            rateLimit: old.rateLimit,
            source: old.source,
            metadata: old.metadata.changed(externalID: .keep, labels: nil, at: write.now)
        )
        try write.connection.run(update, changedRow(new, write.account))
        try write.record("integration.update", id.description, before: old.state, after: new.state)
        return id
    }

    /// Runs `body`, which changes the default channels of the integrations that name `channel`, and records it of each.
    static func recording(
        defaultingTo channel: ChannelID,
        _ write: Mutation,
        _ body: () throws -> Void
    ) throws {
        let key: [SQLValue] = [.account(write.account), .id(channel)]
        let ids = try write.connection.rows(allDefaultingTo, key) { row throws(SQLError) -> IntegrationID in
            try row.id(0)
        }
        let find = { try report($0, in: write.account, on: write.connection)?.integration.state }
        let old = try ids.map(find)
        try body()
        for (id, before) in zip(ids, old) {
            try write.record("integration.update", id.description, before: before, after: try find(id))
        }
    }

    /// What the integration delivers to after `patch`, whose channels must be the account's.
    private static func mode(
        of old: Integration,
        after patch: Patch,
        _ write: Mutation
    ) throws -> Integration.Mode {
        var errors = ValidationErrors()
        let new: Integration.Mode
        switch old.mode {
        case .dedicated(let channel):
            if patch.defaults != nil {
                errors.add("/default_channel_ids", "is for a shared integration only")
            }
            new = .dedicated(patch.channel ?? channel)
        case .shared(let defaults):
            if patch.channel != nil { errors.add("/channel_id", "is for a dedicated integration only") }
            new = .shared(defaults: patch.defaults ?? defaults)
        }
        if new != old.mode { try checkReferences(new, write, errors: &errors) }
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
        return new
    }

    private static func checkReferences(
        _ mode: Integration.Mode,
        _ write: Mutation,
        errors: inout ValidationErrors
    ) throws {
        var references: [(id: ChannelID, pointer: String)] = []
        switch mode {
        case .dedicated(let channel): references = [(channel, "/channel_id")]
        case .shared(let defaults):
            references = defaults.enumerated().map { ($1, "/default_channel_ids/\($0)") }
        }
        try ChannelStore.checkReferences(references, in: write.account, on: write.connection, errors: &errors)
    }

    /// A number that no integration of the account ever had.
    static func newNumber(_ write: Mutation) throws -> IntegrationNumber {
        var random = SecureRandom()
        while true {
            let number = UInt32.random(in: 1...(.max), using: &random)
            let values: [SQLValue] = [.account(write.account), .integer(Int64(number))]
            let isFree = try write.connection.row(takeNumber, values) { _ throws(SQLError) in true }
            if isFree == true { return IntegrationNumber(number) }
        }
    }
}

extension Integration {
    /// After a change, whose channels were checked and are in `mode`.
    func changed(_ patch: IntegrationStore.Patch, mode: Integration.Mode, at now: UnixTime) -> Integration {
        Integration(
            id: id,
            number: number,
            type: type,
            mode: mode,
            name: patch.name ?? name,
            description: patch.description ?? description,
            status: patch.status ?? status,
            rateLimit: patch.rateLimit ?? rateLimit,
            source: SourceRules(
                cidrs: patch.sourceCIDRs ?? source.cidrs,
                pinnedLabels: patch.pinnedLabels ?? source.pinnedLabels
            ),
            metadata: metadata.changed(externalID: patch.externalID, labels: patch.labels, at: now)
        )
    }
}

extension IntegrationStore.Draft {
    /// The integration that it describes.
    func integration(id: IntegrationID, number: IntegrationNumber, at now: UnixTime) -> Integration {
        Integration(
            id: id,
            number: number,
            type: type,
            mode: mode,
            name: name,
            description: description,
            status: status,
            rateLimit: rateLimit ?? .standard,
            source: source,
            metadata: .new(externalID: externalID, labels: labels, at: now)
        )
    }
}
