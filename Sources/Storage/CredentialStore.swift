import Domain
import Native
import SQL

/// Credentials, ended by whoever holds them.
///
/// - Rule: who holds no valid credential learns nothing, not even whether there was one. Why: this needs no key.
/// - Rule: the digest is looked at again in the transaction that ends the credential. Why: a key may have got a new secret meanwhile.
package struct CredentialStore: Sendable {
    package let store: Store

    static let findPushURL = SQLStatement(
        """
        SELECT p.id, p.integration_id, p.token_digest FROM integrations i
        JOIN push_urls p ON p.account_id = $1 AND p.integration_id = i.id AND p.tag = $3
        WHERE i.account_id = $1 AND i.number = $2
        """
    )
    static let endPrevious = SQLStatement(
        """
        UPDATE api_keys SET previous_digest = NULL, previous_ends_at = NULL, version = $3, updated_at = $4
        WHERE account_id = $1 AND id = $2
        """
    )

    /// All statements, for the plan test.
    static let statements = [findPushURL, endPrevious]

    /// Ends the credential, if there is such a one: an API key is deleted, or only its previous secret when it is that; a push URL is
    /// revoked. Recorded in its account. Throws `lastOperatorKey`.
    package func end(
        _ credential: Credential,
        requestID: String,
        from address: Text?,
        isDryRun: Bool
    ) async throws {
        let actor = { (key: APIKeyID?) in
            Actor(key: key, role: "credential", requestID: requestID, address: address)
        }
        do {
            switch credential {
            case .apiKey(let secret):
                guard let key = try await find(secret) else { return }
                try await store.change(key.owner.account, by: actor(key.id), isDryRun: isDryRun) {
                    try end(key.id, secret, $0)
                }
            case .pushToken(let token, let text):
                guard store.pushTokenKeys.verify(token) else { return }
                try await store.change(token.account, by: actor(nil), isDryRun: isDryRun) {
                    try revoke(token, text, $0)
                }
            }
        } catch StoreError.notFound {
            // The account, or the credential, is gone already.
        }
    }

    /// The key that `secret` opens, or would if it and its account were not over or suspended.
    private func find(_ secret: APIKeySecret) async throws -> APIKey? {
        let found = try await store.database.lookUp(.platform) { connection in
            try connection.row(
                APIKeyStore.findByPublicID,
                [.text(secret.publicID)],
                APIKeyStore.decodeCandidate
            )
        }
        let match = (found?.digests ?? .none).match(secret, at: store.now)
        return match == nil ? nil : found?.key
    }

    private func end(_ id: APIKeyID, _ secret: APIKeySecret, _ write: Mutation) throws {
        let key: [SQLValue] = [.account(write.account), .id(id)]
        let old = try APIKeyStore.find(id, in: write.account, on: write.connection)
        let digests = try write.connection.row(APIKeyStore.secrets, key) { row throws(SQLError) in
            APIKeyStore.Digests(
                present: row.bytes(1),
                previous: row.isNull(2) ? nil : row.bytes(2),
                previousEndsAt: old.previousSecretEndsAt
            )
        }
        switch digests?.match(secret, at: write.now) {
        case nil: return
        case .present: try store.apiKeys.delete(id, if: .none, write)
        case .previous:
            let new = old.rotated(expiresAt: old.expiresAt, previous: nil, at: write.now)
            let version = SQLValue.integer(new.metadata.version.value)
            try write.connection.run(Self.endPrevious, key + [version, .time(write.now)])
            let id = id.description
            try write.note("api_key.end_previous_secret", id, before: old.state, after: new.state)
        }
    }

    private func revoke(_ token: PushToken, _ text: [UInt8], _ write: Mutation) throws {
        let values: [SQLValue] = [
            .account(write.account), .integer(Int64(token.integration.value)),
            .integer(Int64(token.tag.value)),
        ]
        let row = try write.connection.row(Self.findPushURL, values) {
            row throws(SQLError) -> (PushURLID, IntegrationID, [UInt8]) in
            (try row.id(0), try row.id(1), row.bytes(2))
        }
        guard let (id, integration, digest) = row,
            constantTimeEquals(digest, Digest256.hash(of: text).bytes)
        else { return }
        try store.pushURLs.revoke(id, if: .none, of: integration, write)
    }
}
