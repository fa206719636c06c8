import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/api-keys`
struct APIKeyEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("api-keys")
            .operation(.post, .configuration(.admin), use: createAPIKey)
            .operation(.get, .configuration(.viewer), use: listAPIKeys)
        account.group("api-keys/{api_key_id}")
            .operation(.get, .configuration(.viewer), use: getAPIKey)
            .operation(.patch, .configuration(.admin), use: updateAPIKey)
            .operation(.delete, .configuration(.admin), use: deleteAPIKey)
        account.group("api-keys/{api_key_id}/rotate")
            .operation(.post, .configuration(.admin), use: rotateAPIKey)
    }

    @Sendable
    func createAPIKey(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let (draft, role) = try await mutation.decode(store, APIKeyFields.accountDraft)
        return try await mutation.perform(store) { change in
            let (key, secret) = try store.apiKeys.insert(
                draft,
                for: .account(context.account.number, role),
                change
            )
            let location = "/v1/accounts/\(context.account.id)/api-keys/\(key.id)"
            return Answer.change(.created, version: key.metadata.version, location: location) { object in
                APIKeyFields.write(key, account: context.account.id, at: change.now, &object)
                if !mutation.isDryRun { object.field("secret", secret.revealed) }
            }
        }
    }

    @Sendable
    func listAPIKeys(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let (page, filter) = (query.page(APIKeyKind.self), query.configurationFilter())
        try query.finish()
        let keys = try await store.apiKeys.list(page, filter: filter, in: context.account.number)
        let now = store.now
        return Answer.page(keys, id: \.id) {
            APIKeyFields.write($0, account: context.account.id, at: now, &$1)
        }
    }

    @Sendable
    func getAPIKey(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let key = try await store.apiKeys.find(context.id("api_key_id"), in: context.account.number)
        return APIKeyFields.answer(key, account: context.account.id, at: store.now, for: request)
    }

    @Sendable
    func updateAPIKey(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let id = try context.id("api_key_id", APIKeyKind.self)
        let patch = try await mutation.decode(store, APIKeyFields.patch)
        return try await mutation.perform(store) { change in
            let key = try store.apiKeys.update(
                id,
                patch,
                if: mutation.precondition,
                change
            )
            return APIKeyFields.changed(key, account: context.account.id, at: change.now)
        }
    }

    @Sendable
    func rotateAPIKey(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let id = try context.id("api_key_id", APIKeyKind.self)
        let rotation = try await APIKeyFields.rotation(mutation, store)
        return try await mutation.perform(store) { change in
            APIKeyFields.rotated(
                try store.apiKeys.rotate(id, rotation, if: mutation.precondition, change),
                account: context.account.id,
                at: change.now,
                isDryRun: mutation.isDryRun
            )
        }
    }

    @Sendable
    func deleteAPIKey(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            try store.apiKeys.delete(
                context.id("api_key_id"),
                if: mutation.precondition,
                change
            )
            return Answer.nothing
        }
    }
}

/// What the keys of accounts and those of the operator have in common on the wire.
enum APIKeyFields {
    /// The body of a rotation.
    static func rotation(_ mutation: MutationRequest, _ store: Store) async throws -> APIKeyStore.Rotation {
        typealias Rotation = APIKeyStore.Rotation
        return try await mutation.decode(store) { fields -> Rotation? in
            let expiresAt = fields.optional("expires_at") { $0.time() }
            let overlap = fields.optional("overlap_seconds", or: Rotation.overlap.usual) {
                $0.integer(in: 0...Rotation.overlap.longest)
            }
            return overlap.map { Rotation(overlapSeconds: $0, expiresAt: expiresAt) }
        }
    }

    /// A key with its new secret.
    static func rotated(
        _ new: (key: APIKey, secret: APIKeySecret),
        account: AccountID?,
        at now: UnixTime,
        isDryRun: Bool
    ) -> RecordedAnswer {
        Answer.change(version: new.key.metadata.version) { object in
            write(new.key, account: account, at: now, &object)
            if !isDryRun { object.field("secret", new.secret.revealed) }
        }
    }

    static func draft(_ fields: Fields) -> APIKeyStore.Draft? {
        let name = fields.required("name") { $0.name() }
        let expiresAt = fields.optional("expires_at") { $0.time() }
        let scopes = fields.nullable("scopes", or: Scopes.all) { $0.scopes() }
        let externalID = fields.nullable("external_id") { $0.text() }
        let labels = fields.optional("labels", or: Labels()) { $0.labels() }
        guard let name, let scopes, let labels else { return nil }
        return APIKeyStore.Draft(
            name: name,
            expiresAt: expiresAt,
            scopes: scopes,
            externalID: externalID,
            labels: labels
        )
    }

    /// Of an account's key, with its role.
    static func accountDraft(_ fields: Fields) -> (draft: APIKeyStore.Draft, role: Role)? {
        let role = fields.optional("role", or: Role.viewer) { field in
            field.word(of: Role.allCases.map(\.name)) { Role(name: $0) }
        }
        guard let draft = draft(fields), let role else { return nil }
        return (draft, role)
    }

    static func patch(_ fields: Fields) -> APIKeyStore.Patch? {
        APIKeyStore.Patch(
            name: fields.changed("name") { $0.name() },
            expiresAt: fields.changed("expires_at") { $0.time() },
            scopes: fields.clearable("scopes") { $0.scopes() },
            externalID: fields.clearable("external_id") { $0.text() },
            labels: fields.changed("labels") { $0.labels() }
        )
    }

    /// One key after a change.
    static func changed(_ key: APIKey, account: AccountID?, at now: UnixTime) -> RecordedAnswer {
        Answer.change(version: key.metadata.version) { write(key, account: account, at: now, &$0) }
    }

    /// One key; 304 when `request` says that its sender has it.
    static func answer(
        _ key: APIKey,
        account: AccountID?,
        at now: UnixTime,
        for request: Request
    ) -> Response {
        let version = key.metadata.version
        if ETag.isCurrent(version, for: request) { return ETag.notModified(version) }
        return Answer.object(version: version) { write(key, account: account, at: now, &$0) }
    }

    static func write(_ key: APIKey, account: AccountID?, at now: UnixTime, _ object: inout JSONWriter) {
        object.field("id", key.id)
        object.field("account_id", account)
        object.field("name", key.name.text)
        object.field("role", key.owner.role?.name ?? "operator")
        object.field("status", key.expiresAt > now ? "active" : "expired")
        object.scopes(key.scopes)
        object.metadata(key.metadata)
        object.field("expires_at", key.expiresAt)
        object.field("previous_secret_ends_at", key.previousSecretEndsAt.flatMap { $0 > now ? $0 : nil })
        object.field("last_used_at", key.lastUsedAt)
        object.field("last_used_address", key.lastUsedAddress)
    }
}

extension Field {
    /// Kinds of resources, at least one, each once.
    fileprivate func scopes() -> Scopes? {
        var seen: Set<ResourceKind> = []
        let kinds = array(count: 1...ResourceKind.allCases.count) { field -> ResourceKind? in
            guard let kind = field.word(ResourceKind.self) else { return nil }
            return seen.insert(kind).inserted ? kind : field.refuse("is in the list already")
        }
        return kinds.map { Scopes(Set($0)) }
    }
}
