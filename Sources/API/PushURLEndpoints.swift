import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/integrations/{integration_id}/push-urls`
struct PushURLEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("integrations/{integration_id}/push-urls")
            .operation(.post, .configuration(.editor), use: createPushURL)
            .operation(.get, .configuration(.viewer), use: listPushURLs)
        account.group("integrations/{integration_id}/push-urls/{push_url_id}")
            .operation(.get, .configuration(.viewer), use: getPushURL)
            .operation(.patch, .configuration(.editor), use: updatePushURL)
            .operation(.delete, .configuration(.editor), use: deletePushURL)
        account.group("integrations/{integration_id}/push-urls/{push_url_id}/reveal")
            .operation(.post, .configuration(.editor), use: revealPushURL)
    }

    @Sendable
    func createPushURL(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let integration = try context.id("integration_id", IntegrationKind.self)
        let draft = try await mutation.decode(store) { fields -> PushURLStore.Draft? in
            let description = fields.optional("description", or: Text("")) { $0.description() }
            let expiresAt = fields.nullable("expires_at") { $0.time() }
            let externalID = fields.nullable("external_id") { $0.text() }
            let labels = fields.optional("labels", or: Labels()) { $0.labels() }
            guard let description, let labels else { return nil }
            return PushURLStore.Draft(
                description: description,
                expiresAt: expiresAt,
                externalID: externalID,
                labels: labels
            )
        }
        return try await mutation.perform(store) { change in
            let issued = try store.pushURLs.insert(
                draft,
                for: integration,
                change
            )
            let pushURL = issued.pushURL.pushURL
            let location =
                "/v1/accounts/\(context.account.id)/integrations/\(integration)/push-urls/\(pushURL.id)"
            let now = store.now
            return Answer.change(.created, version: pushURL.metadata.version, location: location) { object in
                write(issued.pushURL, context, at: now, &object)
                if !mutation.isDryRun { write(issued.addresses, &object) }
            }
        }
    }

    @Sendable
    func listPushURLs(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let (page, filter) = (query.page(PushURLKind.self), query.configurationFilter())
        try query.finish()
        let pushURLs = try await store.pushURLs.list(
            page,
            filter: filter,
            of: context.id("integration_id"),
            in: context.account.number
        )
        let now = store.now
        return Answer.page(pushURLs, id: \.pushURL.id) { write($0, context, at: now, &$1) }
    }

    @Sendable
    func getPushURL(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let pushURL = try await store.pushURLs.find(
            context.id("push_url_id"),
            of: context.id("integration_id"),
            in: context.account.number
        )
        return Answer.response(answer(pushURL, context))
    }

    @Sendable
    func updatePushURL(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let id = try context.id("push_url_id", PushURLKind.self)
        let patch = try await mutation.decode(store) { fields in
            PushURLStore.Patch(
                description: fields.changed("description") { $0.description() },
                expiresAt: fields.changed("expires_at") { $0.time() },
                externalID: fields.clearable("external_id") { $0.text() },
                labels: fields.changed("labels") { $0.labels() }
            )
        }
        return try await mutation.perform(store) { change in
            let pushURL = try store.pushURLs.update(
                id,
                patch,
                if: mutation.precondition,
                of: context.id("integration_id"),
                change
            )
            return answer(pushURL, context)
        }
    }

    @Sendable
    func deletePushURL(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            try store.pushURLs.revoke(
                context.id("push_url_id"),
                if: mutation.precondition,
                of: context.id("integration_id"),
                change
            )
            return Answer.nothing
        }
    }

    @Sendable
    func revealPushURL(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            let addresses = try store.pushURLs.reveal(
                context.id("push_url_id"),
                of: context.id("integration_id"),
                change
            )
            return Answer.change { if !mutation.isDryRun { write(addresses, &$0) } }
        }
    }

    private func answer(_ pushURL: MaskedPushURL, _ context: AccountContext) -> RecordedAnswer {
        let now = store.now
        return Answer.change(version: pushURL.pushURL.metadata.version) {
            write(pushURL, context, at: now, &$0)
        }
    }

    private func write(
        _ masked: MaskedPushURL,
        _ context: AccountContext,
        at now: UnixTime,
        _ object: inout JSONWriter
    ) {
        let pushURL = masked.pushURL
        object.field("id", pushURL.id)
        object.field("account_id", context.account.id)
        object.field("integration_id", pushURL.integrationID)
        object.field("description", pushURL.description)
        object.field("status", pushURL.status(at: now))
        object.field("masked_token", masked.maskedToken)
        object.field("created_by", pushURL.createdBy)
        object.field("expires_at", pushURL.expiresAt)
        object.field("revoked_at", pushURL.revokedAt)
        object.field("last_used_at", pushURL.lastUsedAt)
        object.field("last_used_address", pushURL.lastUsedAddress)
        object.field("use_count", pushURL.useCount)
        object.metadata(pushURL.metadata)
    }

    private func write(_ addresses: PushAddresses, _ object: inout JSONWriter) {
        object.field("url", addresses.url)
        object.field("compatible_url", addresses.compatibleURL)
        object.field("compatible_url_note", addresses.compatibleURLNote)
    }
}
