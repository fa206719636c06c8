import Domain
import Native
import SQL

/// The keys of the management API: those of accounts, and the operator's under `AccountNumber.installation`.
///
/// Pushes know nothing of them, so no change here raises an account's revision.
package struct APIKeyStore: Sendable {
    package let store: Store

    /// What a new key is made of.
    package struct Draft: Sendable {
        let name: Name
        let expiresAt: UnixTime?
        let externalID: Text?
        let labels: Labels

        /// A key that ends at `expiresAt`; nil: after 365 days.
        package init(name: Name, expiresAt: UnixTime?, externalID: Text?, labels: Labels) {
            self.name = name
            self.expiresAt = expiresAt
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        let name: Name?
        let expiresAt: UnixTime?
        let externalID: Change<Text>
        let labels: Labels?

        /// The changes.
        package init(name: Name?, expiresAt: UnixTime?, externalID: Change<Text>, labels: Labels?) {
            self.name = name
            self.expiresAt = expiresAt
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// The key with this secret; nil when there is none, it is over, or its account is suspended or deleted.
    /// Same work for a known and an unknown public id.
    package func authenticate(_ secret: APIKeySecret) async throws -> APIKey? {
        let now = store.now
        let found = try await store.database.read(.platform) { connection in
            try connection.row(Self.findByPublicID, [.text(secret.publicID)], Self.decodeCandidate)
        }
        let isRight = constantTimeEquals(secret.digest.bytes, found?.digest ?? Self.dummyDigest)
        guard isRight, let found, found.isUsable, found.key.expiresAt > now else { return nil }
        return found.key
    }

    /// Makes a key; its secret is answered here and nowhere else. Throws `nameTaken`, `invalid`, and
    /// `notFound` when the account is deleted.
    ///
    /// `secret` is one that was written down already; nil: a new one.
    package func insert(
        _ draft: Draft,
        for owner: APIKey.Owner,
        secret given: APIKeySecret? = nil,
        _ change: Mutation
    ) throws -> (key: APIKey, secret: APIKeySecret) {
        let secret = given ?? Self.newSecret(for: owner)
        let expiresAt = draft.expiresAt ?? change.now.adding(milliseconds: Self.lifetime.usual)
        try Self.check(expiresAt, at: change.now)
        let key = APIKey(
            id: change.identifiers.next(),
            owner: owner,
            name: draft.name,
            metadata: .new(externalID: draft.externalID, labels: draft.labels, at: change.now),
            expiresAt: expiresAt,
            lastUsedAt: nil
        )
        let head: [SQLValue] = [
            .account(owner.account), .id(key.id), .text(secret.publicID), .blob(secret.digest.bytes),
            .integer(owner.role.map { Int64($0.rawValue) } ?? Self.operatorRole),
        ]
        try naming { try change.connection.run(Self.insert, head + Self.values(of: key)) }
        try change.note("api_key.create", key.id.description, after: key.state)
        return (key, secret)
    }

    /// Makes one more operator key, for whoever holds the data directory. The others stay.
    package func replaceOperatorKeys(by actor: Actor) async throws -> (key: APIKey, secret: APIKeySecret) {
        try await store.change(.installation, by: actor) { change in
            let name = Name(trusted: Text("reset \(change.now)"))
            let draft = Draft(name: name, expiresAt: nil, externalID: nil, labels: Labels())
            return try insert(draft, for: .operator, change)
        }
    }

    /// The key. Throws `notFound`.
    package func find(_ id: APIKeyID, in account: AccountNumber) async throws -> APIKey {
        try await store.database.read(.of(account)) { try Self.find(id, in: account, on: $0) }
    }

    /// A page of the keys, expired ones too.
    package func list(
        _ request: PageRequest<APIKeyKind>,
        filter: ConfigurationFilter,
        in account: AccountNumber
    ) async throws -> Page<APIKey, APIKeyKind> {
        try await store.database.read(.of(account)) { connection in
            try PageScan.page(request, isFiltered: !filter.isEmpty, id: \.id) { before, limit in
                try connection.rows(Self.list, [.account(account), .id(before), .int(limit)]) {
                    row throws(SQLError) in
                    try Self.decode(row, account)
                }
            } matches: {
                filter.matches($0.metadata)
            }
        }
    }

    /// Changes a key. Throws `notFound`, `preconditionFailed`, `nameTaken`, `invalid`.
    package func update(
        _ id: APIKeyID,
        _ patch: Patch,
        if precondition: Precondition,
        _ change: Mutation
    ) throws -> APIKey {
        let account = change.account
        let old = try Self.find(id, in: account, on: change.connection)
        try precondition.check(old.metadata.version)
        if let expiresAt = patch.expiresAt { try Self.check(expiresAt, at: change.now) }
        let new = APIKey(
            id: id,
            owner: old.owner,
            name: patch.name ?? old.name,
            metadata: old.metadata.changed(
                externalID: patch.externalID,
                labels: patch.labels,
                at: change.now
            ),
            expiresAt: patch.expiresAt ?? old.expiresAt,
            lastUsedAt: old.lastUsedAt
        )
        try naming {
            try change.connection.run(Self.update, [.account(account), .id(id)] + Self.values(of: new))
        }
        try change.note("api_key.update", id.description, before: old.state, after: new.state)
        return new
    }

    /// Revokes a key at once. Throws `notFound`, `preconditionFailed`, and `lastOperatorKey` when no other
    /// operator key is active.
    package func delete(_ id: APIKeyID, if precondition: Precondition, _ change: Mutation) throws {
        let account = change.account
        let key = try Self.find(id, in: account, on: change.connection)
        try precondition.check(key.metadata.version)
        if key.owner == .operator { try Self.checkOthers(than: id, change) }
        try change.connection.run(Self.delete, [.account(account), .id(id)])
        try change.note("api_key.delete", id.description, before: key.state)
    }
}
