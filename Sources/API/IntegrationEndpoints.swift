import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/integrations`
struct IntegrationEndpoints {
    let store: Store

    enum ModeName: String, CaseIterable {
        case dedicated
        case shared
    }

    func add(to account: RouterGroup<AccountContext>) {
        account.group("integrations")
            .operation(.post, .configuration(.editor), use: createIntegration)
            .operation(.get, .configuration(.viewer), use: listIntegrations)
        account.group("integrations/{integration_id}")
            .operation(.get, .configuration(.viewer), use: getIntegration)
            .operation(.patch, .configuration(.editor), use: updateIntegration)
            .operation(.delete, .configuration(.editor), use: deleteIntegration)
    }

    @Sendable
    func createIntegration(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let draft = try await mutation.decode(store, draft)
        // A push URL is a secret of another kind: who may not ask for one is not handed one.
        let isShown = !mutation.isDryRun && context.caller.key.scopes.admit(.pushURLs)
        return try await mutation.perform(store) { change in
            let (report, first) = try store.integrations.insert(
                draft,
                change
            )
            let integration = report.integration
            let location = "/v1/accounts/\(context.account.id)/integrations/\(integration.id)"
            return Answer.change(.created, version: integration.metadata.version, location: location) {
                object in
                write(report, of: context.account.id, &object)
                write(first, isShown: isShown, &object)
            }
        }
    }

    @Sendable
    func listIntegrations(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let page = query.page(IntegrationKind.self)
        let filter = IntegrationFilter(
            type: query.read("type", "must be one of " + typeNames.joined(separator: ", "), integrationType),
            channel: query.identifier("channel_id"),
            configuration: query.configurationFilter()
        )
        try query.finish()
        let reports = try await store.integrations.list(page, filter: filter, in: context.account.number)
        return Answer.page(reports, id: \.integration.id) { write($0, of: context.account.id, &$1) }
    }

    @Sendable
    func getIntegration(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let report = try await store.integrations.find(
            context.id("integration_id"),
            in: context.account.number
        )
        return Answer.object(version: report.integration.metadata.version) {
            write(report, of: context.account.id, &$0)
        }
    }

    @Sendable
    func updateIntegration(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let id = try context.id("integration_id", IntegrationKind.self)
        let patch = try await mutation.decode(store) { fields in
            IntegrationStore.Patch(
                name: fields.changed("name") { $0.name() },
                description: fields.changed("description") { $0.description() },
                channel: fields.changed("channel_id") { $0.identifier() },
                defaults: fields.changed("default_channel_ids") { $0.channelIDs() },
                status: fields.changed("status") { $0.word(Enablement.self) },
                rateLimit: fields.changed("rate_limit") { $0.rateLimit() },
                sourceCIDRs: fields.changed("source_cidrs") { $0.sourceCIDRs() },
                pinnedLabels: fields.changed("pinned_labels") { $0.pinnedLabels() },
                externalID: fields.clearable("external_id") { $0.text() },
                labels: fields.changed("labels") { $0.labels() }
            )
        }
        return try await mutation.perform(store) { change in
            let report = try store.integrations.update(
                id,
                patch,
                if: mutation.precondition,
                change
            )
            return Answer.change(version: report.integration.metadata.version) {
                write(report, of: context.account.id, &$0)
            }
        }
    }

    @Sendable
    func deleteIntegration(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            try store.integrations.delete(
                context.id("integration_id"),
                if: mutation.precondition,
                change
            )
            return Answer.nothing
        }
    }

    // MARK: Fields

    private var typeNames: [String] { store.formats.map(\.type.name) }

    private func integrationType(_ name: String) -> IntegrationType? {
        typeNames.contains(name) ? IntegrationType(name) : nil
    }

    func draft(_ fields: Fields) -> IntegrationStore.Draft? {
        draft(fields, mode: mode(fields), name: fields.required("name") { $0.name() })
    }

    /// All but the mode, with its channels, and the name: of a whole configuration, too.
    func draft(_ fields: Fields, mode: Integration.Mode?, name: Name?) -> IntegrationStore.Draft? {
        let type = fields.required("type") { $0.word(of: typeNames, integrationType) }
        let description = fields.optional("description", or: Text("")) { $0.description() }
        let status = fields.optional("status", or: Enablement.enabled) { $0.word(Enablement.self) }
        let rateLimit = fields.optional("rate_limit") { $0.rateLimit() }
        let cidrs = fields.optional("source_cidrs", or: []) { $0.sourceCIDRs() }
        let pinned = fields.optional("pinned_labels", or: Labels()) { $0.pinnedLabels() }
        let externalID = fields.nullable("external_id") { $0.text() }
        let labels = fields.optional("labels", or: Labels()) { $0.labels() }
        guard let type, let mode, let name, let description, let status, let cidrs, let pinned,
            let labels
        else { return nil }
        return IntegrationStore.Draft(
            type: type,
            mode: mode,
            name: name,
            description: description,
            status: status,
            rateLimit: rateLimit,
            source: SourceRules(cidrs: cidrs, pinnedLabels: pinned),
            externalID: externalID,
            labels: labels
        )
    }

    /// `mode` and the field that goes with it; the other one must be absent, null or empty.
    func mode(_ fields: Fields) -> Integration.Mode? {
        let name = fields.required("mode") { $0.word(ModeName.self) }
        let defaults = fields.optional("default_channel_ids", or: []) { $0.channelIDs() }
        guard name == .dedicated else {
            let channel = fields.nullable("channel_id") { $0.identifier(ChannelKind.self) }
            if name == .shared, channel != nil {
                fields.refuse("channel_id", "is for a dedicated integration only")
            }
            return defaults.map { .shared(defaults: $0) }
        }
        if let defaults, !defaults.isEmpty {
            fields.refuse("default_channel_ids", "is for a shared integration only")
        }
        return fields.required("channel_id") { $0.identifier(ChannelKind.self) }.map { .dedicated($0) }
    }

    /// The first push URL; in a dry run, and for a key that may not see it, without its token.
    func write(_ first: IssuedPushURL, isShown: Bool, _ object: inout JSONWriter) {
        object.field("push_url_id", first.pushURL.pushURL.id)
        guard isShown else { return }
        object.field("push_url", first.addresses.url)
        object.field("compatible_url", first.addresses.compatibleURL)
        object.field("compatible_url_note", first.addresses.compatibleURLNote)
    }

    func write(_ report: IntegrationReport, of account: AccountID, _ object: inout JSONWriter) {
        let integration = report.integration
        object.field("id", integration.id)
        object.field("account_id", account)
        object.integration(integration)
        object.field("last_delivery_at", report.lastDeliveryAt)
        object.array("refusals") { list in
            for refusal in report.refusals {
                list.object {
                    $0.field("reason", refusal.reason.name)
                    $0.field("count", refusal.count)
                    $0.field("last_at", refusal.lastAt)
                }
            }
        }
        object.metadata(integration.metadata)
    }
}

extension Field {
    fileprivate func rateLimit() -> RateLimit? {
        object { fields in
            let rate = fields.required("pushes_per_second") { $0.integer(in: 1...1_000_000) }
            let burst = fields.required("burst") { $0.integer(in: 1...1_000_000) }
            guard let rate, let burst else { return nil }
            return RateLimit(pushesPerSecond: Int(rate), burst: Int(burst))
        }
    }
}
