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
        let scopes: Scopes
        let externalID: Text?
        let labels: Labels

        /// A key that ends at `expiresAt`; nil: after 365 days.
        package init(
            name: Name,
            expiresAt: UnixTime?,
            scopes: Scopes = .all,
            externalID: Text?,
            labels: Labels
        ) {
            self.name = name
            self.scopes = scopes
            self.expiresAt = expiresAt
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        let name: Name?
        let expiresAt: UnixTime?
        let scopes: Change<Scopes>
        let externalID: Change<Text>
        let labels: Labels?

        /// The changes. Scopes that are cleared are all.
        package init(
            name: Name?,
            expiresAt: UnixTime?,
            scopes: Change<Scopes>,
            externalID: Change<Text>,
            labels: Labels?
        ) {
            self.name = name
            self.expiresAt = expiresAt
            self.scopes = scopes
            self.externalID = externalID
            self.labels = labels
        }
    }

    /// How a key gets a new secret.
    package struct Rotation: Sendable {
        /// Seconds that the old secret goes on unless told otherwise, and at most: a day and a week.
        package static let overlap: (usual: Int64, longest: Int64) = (86_400, 7 * 86_400)

        let overlapSeconds: Int64
        let expiresAt: UnixTime?

        /// The key ends at `expiresAt`; nil: when it would have.
        package init(overlapSeconds: Int64 = overlap.usual, expiresAt: UnixTime? = nil) {
            self.overlapSeconds = overlapSeconds
            self.expiresAt = expiresAt
        }
    }

    /// The key with this secret, the present one or the one before while that goes on, and how often it may call; nil when there is none,
    /// it is over, or its account is suspended or deleted. Same work for a known and an unknown public id.
    package func authenticate(_ secret: APIKeySecret) async throws -> (key: APIKey, rate: CallRate)? {
        let now = store.now
        let found = try await store.database.lookUp(.platform) { connection in
            try connection.row(Self.findByPublicID, [.text(secret.publicID)], Self.decodeCandidate)
        }
        let match = (found?.digests ?? .none).match(secret, at: now)
        guard match != nil, let found, found.isUsable, found.key.expiresAt > now else { return nil }
        return (found.key, found.rate)
    }

    /// Makes a key; its secret is answered here and nowhere else. Throws `nameTaken`, `invalid`, `beyondCaller`, and
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
        try Self.check(owner, draft.scopes, change)
        try Self.check(expiresAt, at: change.now)
        let key = APIKey(
            id: change.identifiers.next(),
            owner: owner,
            name: draft.name,
            scopes: draft.scopes,
            metadata: .new(externalID: draft.externalID, labels: draft.labels, at: change.now),
            expiresAt: expiresAt
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

    /// Changes a key. Throws `notFound`, `preconditionFailed`, `nameTaken`, `invalid`, `beyondCaller`.
    package func update(
        _ id: APIKeyID,
        _ patch: Patch,
        if precondition: Precondition,
        _ change: Mutation
    ) throws -> APIKey {
        let account = change.account
        let old = try Self.find(id, if: precondition, change)
        let new = old.changed(by: patch, at: change.now)
        try Self.check(new.owner, new.scopes, change)
        if let expiresAt = patch.expiresAt { try Self.check(expiresAt, at: change.now) }
        guard new.state.text != old.state.text else { return old }
        try naming {
            try change.connection.run(Self.update, [.account(account), .id(id)] + Self.values(of: new))
        }
        try change.note("api_key.update", id.description, before: old.state, after: new.state)
        return new
    }

    /// Gives a key a new secret, which is answered here and nowhere else; the present one goes on for a while, never beyond the key's
    /// present end, and one from before it is over at once. Throws `notFound`, `preconditionFailed`, `invalid`, `beyondCaller`.
    package func rotate(
        _ id: APIKeyID,
        _ rotation: Rotation,
        if precondition: Precondition,
        _ change: Mutation
    ) throws -> (key: APIKey, secret: APIKeySecret) {
        let (account, now) = (change.account, change.now)
        let old = try Self.find(id, if: precondition, change)
        try Self.check(rotation.expiresAt ?? old.expiresAt, at: now)
        let key: [SQLValue] = [.account(account), .id(id)]
        let row = try change.connection.row(Self.secrets, key) { row throws(SQLError) in
            (row.text(0), row.bytes(1))
        }
        guard let (publicID, digest) = row else { throw StoreError.notFound }
        let end = min(now.adding(seconds: rotation.overlapSeconds), old.expiresAt)
        let previous = end > now ? end : nil
        let secret = Self.newSecret(for: old.owner, publicID: publicID)
        let new = old.rotated(expiresAt: rotation.expiresAt ?? old.expiresAt, previous: previous, at: now)
        try change.connection.run(
            Self.rotate,
            key + [
                .blob(secret.digest.bytes), previous == nil ? .null : .blob(digest), .time(previous),
                .time(new.expiresAt), .integer(new.metadata.version.value), .time(now),
            ]
        )
        try change.note("api_key.rotate", id.description, before: old.state, after: new.state)
        return (new, secret)
    }

    /// Revokes a key at once. Throws `notFound`, `preconditionFailed`, `beyondCaller`, and `lastOperatorKey` when no other
    /// operator key is active.
    package func delete(_ id: APIKeyID, if precondition: Precondition, _ change: Mutation) throws {
        let account = change.account
        let key = try Self.find(id, if: precondition, change)
        if key.owner == .operator { try Self.checkOthers(than: id, change) }
        try change.connection.run(Self.delete, [.account(account), .id(id)])
        try change.note("api_key.delete", id.description, before: key.state)
    }

    /// The key to be changed, as it is.
    private static func find(
        _ id: APIKeyID,
        if precondition: Precondition,
        _ change: Mutation
    ) throws -> APIKey {
        let key = try find(id, in: change.account, on: change.connection)
        try precondition.check(key.metadata.version)
        try check(key.owner, key.scopes, change)
        return key
    }
}

extension APIKey {
    /// After a PATCH.
    fileprivate func changed(by patch: APIKeyStore.Patch, at now: UnixTime) -> APIKey {
        let newScopes: Scopes =
            switch patch.scopes {
            case .keep: scopes
            case .clear: .all
            case .set(let new): new
            }
        return APIKey(
            id: id,
            owner: owner,
            name: patch.name ?? name,
            scopes: newScopes,
            metadata: metadata.changed(externalID: patch.externalID, labels: patch.labels, at: now),
            expiresAt: patch.expiresAt ?? expiresAt,
            previousSecretEndsAt: previousSecretEndsAt,
            lastUsedAt: lastUsedAt,
            lastUsedAddress: lastUsedAddress
        )
    }

    /// With a new secret, or without the one before it.
    func rotated(expiresAt: UnixTime, previous: UnixTime?, at now: UnixTime) -> APIKey {
        APIKey(
            id: id,
            owner: owner,
            name: name,
            scopes: scopes,
            metadata: metadata.changed(externalID: .keep, labels: nil, at: now),
            expiresAt: expiresAt,
            previousSecretEndsAt: previous,
            lastUsedAt: lastUsedAt,
            lastUsedAddress: lastUsedAddress
        )
    }
}
