import Domain
import Native
import SQL

/// The push URLs of integrations. A token is never stored: it is made anew from its row when it is shown.
package struct PushURLStore: Sendable {
    package let store: Store

    /// What a new push URL is made of.
    package struct Draft: Sendable {
        let description: Text
        let expiresAt: UnixTime?
        let externalID: Text?
        let labels: Labels

        /// A push URL that ends at `expiresAt`; nil: never.
        package init(description: Text, expiresAt: UnixTime?, externalID: Text?, labels: Labels) {
            self.description = description
            self.expiresAt = expiresAt
            self.externalID = externalID
            self.labels = labels
        }

        /// The first push URL of a new integration.
        static let first = Draft(description: Text(""), expiresAt: nil, externalID: nil, labels: Labels())
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        let description: Text?
        let expiresAt: UnixTime?
        let externalID: Change<Text>
        let labels: Labels?

        /// The changes. `expiresAt` must be earlier than the present one.
        package init(description: Text?, expiresAt: UnixTime?, externalID: Change<Text>, labels: Labels?) {
            self.description = description
            self.expiresAt = expiresAt
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// Issues a push URL. Throws `notFound` for the integration, `invalid`.
    package func insert(
        _ draft: Draft,
        for integration: IntegrationID,
        _ write: Mutation
    ) throws -> IssuedPushURL {
        let account = write.account
        let signer = PushURLSigner(store, account)
        let parent = try Self.parent(integration, in: account, on: write.connection)
        return try Self.issue(draft, for: parent, signer, write)
    }

    /// The push URL. Throws `notFound`.
    package func find(
        _ id: PushURLID,
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws -> MaskedPushURL {
        let signer = PushURLSigner(store, account)
        return try await store.database.read(.of(account)) { connection in
            let parent = try Self.parent(integration, in: account, on: connection)
            return signer.masked(try Self.find(id, of: integration, in: account, on: connection), parent)
        }
    }

    /// A page of an integration's push URLs, expired and revoked ones too. Throws `notFound` for the
    /// integration.
    package func list(
        _ request: PageRequest<PushURLKind>,
        filter: ConfigurationFilter,
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws -> Page<MaskedPushURL, PushURLKind> {
        let signer = PushURLSigner(store, account)
        return try await store.database.read(.of(account)) { connection in
            let parent = try Self.parent(integration, in: account, on: connection)
            let page = try PageScan.page(request, isFiltered: !filter.isEmpty, id: \.id) { before, limit in
                let values: [SQLValue] = [.account(account), .id(integration), .id(before), .int(limit)]
                return try connection.rows(Self.list, values, Self.decode)
            } matches: {
                filter.matches($0.metadata)
            }
            return Page(items: page.items.map { signer.masked($0, parent) }, next: page.next)
        }
    }

    /// Changes a push URL; its token stays the same. Throws `notFound`, `preconditionFailed`, `invalid`.
    package func update(
        _ id: PushURLID,
        _ patch: Patch,
        if precondition: Precondition,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> MaskedPushURL {
        let account = write.account
        let signer = PushURLSigner(store, account)
        let parent = try Self.parent(integration, in: account, on: write.connection)
        let old = try Self.find(id, of: integration, in: account, on: write.connection)
        try precondition.check(old.metadata.version)
        if let new = patch.expiresAt, let present = old.expiresAt, new >= present {
            let detail = "must be earlier than the present one: a push URL's life can't be made longer"
            throw StoreError.invalid(ValidationErrors([FieldError("/expires_at", detail)]))
        }
        let new = old.changed(
            description: patch.description,
            expiresAt: patch.expiresAt,
            revokedAt: nil,
            metadata: old.metadata.changed(
                externalID: patch.externalID,
                labels: patch.labels,
                at: write.now
            )
        )
        guard new.state.text != old.state.text else { return signer.masked(old, parent) }
        try Self.write(new, write)
        try write.record("push_url.update", id.description, before: old.state, after: new.state)
        return signer.masked(new, parent)
    }

    /// Revokes a push URL: pushes on it are refused before this returns. Its row stays. Revoking it again
    /// does nothing. Throws `notFound`, `preconditionFailed`.
    package func revoke(
        _ id: PushURLID,
        if precondition: Precondition,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws {
        let account = write.account
        let old = try Self.find(id, of: integration, in: account, on: write.connection)
        try precondition.check(old.metadata.version)
        guard old.revokedAt == nil else { return }
        let new = old.changed(
            description: nil,
            expiresAt: nil,
            revokedAt: write.now,
            metadata: old.metadata.changed(externalID: .keep, labels: nil, at: write.now)
        )
        try Self.write(new, write)
        try write.record("push_url.revoke", id.description, before: old.state, after: new.state)
    }

    /// The addresses with their token, shown again; recorded. Throws `notFound`, `revoked`, and `conflict`
    /// when the token can't be made any more because its root secret is gone.
    package func reveal(
        _ id: PushURLID,
        of integration: IntegrationID,
        _ write: Mutation
    ) throws -> PushAddresses {
        let (account, signer) = (write.account, PushURLSigner(store, write.account))
        let parent = try Self.parent(integration, in: account, on: write.connection)
        let pushURL = try Self.find(id, of: integration, in: account, on: write.connection)
        guard pushURL.revokedAt == nil else { throw StoreError.revoked }
        let token = signer.token(of: pushURL, parent)
        let digest = try write.connection.row(Self.digest, [.account(account), .id(id)]) {
            row throws(SQLError) in row.bytes(0)
        }
        guard digest == Digest256.hash(of: token).bytes else {
            throw StoreError.conflict(
                "The root secret that signed this push URL is gone, so it can't be shown: issue a new one."
            )
        }
        try write.note("push_url.reveal", id.description) {
            $0.field("integration_id", integration.description)
        }
        return signer.addresses(token, parent)
    }
}
