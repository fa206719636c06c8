import Domain
import Native
import SQL

/// The statements of API keys and what their rows mean.
extension APIKeyStore {
    /// Milliseconds that a key lives unless told otherwise, and at most: 365 and 730 days.
    static let lifetime: (usual: Int64, longest: Int64) = (365 * 86_400_000, 730 * 86_400_000)
    /// Stands for the operator's role, which is none of an account's.
    static let operatorRole: Int64 = 0
    /// What a secret with an unknown public id is compared with.
    static let dummyDigest = SecureRandom.bytes(Digest256.byteCount)

    private static let columns = """
        k.id, k.role, k.name, k.expires_at, k.last_used_at, k.external_id, k.labels, k.version, k.created_at, k.updated_at,
        k.scopes, k.last_used_address, k.previous_ends_at
        """
    static let findByPublicID = SQLStatement(
        """
        SELECT \(columns), k.account_id, k.digest, k.previous_digest, a.status, a.deleted_at, a.calls_per_second, a.call_burst
        FROM api_keys k LEFT JOIN accounts a ON a.account_id = k.account_id WHERE k.public_id = $1
        """
    )
    static let insert = SQLStatement(
        """
        INSERT INTO api_keys (
            account_id, id, public_id, digest, role, name_key, name, expires_at, scopes, external_id, labels, version,
            created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """
    )
    static let find = SQLStatement("SELECT \(columns) FROM api_keys k WHERE k.account_id = $1 AND k.id = $2")
    static let list = SQLStatement(
        "SELECT \(columns) FROM api_keys k WHERE k.account_id = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3"
    )
    static let update = SQLStatement(
        """
        UPDATE api_keys SET name_key = $3, name = $4, expires_at = $5, scopes = $6, external_id = $7, labels = $8,
            version = $9, created_at = $10, updated_at = $11
        WHERE account_id = $1 AND id = $2
        """
    )
    static let secrets = SQLStatement(
        "SELECT public_id, digest, previous_digest FROM api_keys WHERE account_id = $1 AND id = $2"
    )
    static let rotate = SQLStatement(
        """
        UPDATE api_keys SET digest = $3, previous_digest = $4, previous_ends_at = $5, expires_at = $6, version = $7,
            updated_at = $8
        WHERE account_id = $1 AND id = $2
        """
    )
    static let delete = SQLStatement("DELETE FROM api_keys WHERE account_id = $1 AND id = $2")
    static let otherActive = SQLStatement(
        "SELECT COUNT(*) FROM api_keys WHERE account_id = $1 AND id <> $2 AND expires_at > $3"
    )

    /// All statements that name an account, for the plan test.
    static let statements = [insert, find, list, update, secrets, rotate, delete, otherActive]
    /// The look-up from which the account becomes known.
    static let platformStatements = [findByPublicID]

    struct Candidate: Sendable {
        let key: APIKey
        let digests: Digests
        /// Whether its account is there and active.
        let isUsable: Bool
        /// How often its account lets it call.
        let rate: CallRate
    }

    /// What the database holds of a key's secrets.
    struct Digests: Sendable {
        let present: [UInt8]
        let previous: [UInt8]?
        let previousEndsAt: UnixTime?

        /// Of no key: nothing that anyone can send has them.
        static let none = Digests(present: dummyDigest, previous: nil, previousEndsAt: nil)

        /// Which of them `secret` has at `now`; nil: neither. The same work whichever it is.
        func match(_ secret: APIKeySecret, at now: UnixTime) -> Match? {
            let digest = secret.digest.bytes
            let isPresent = constantTimeEquals(digest, present)
            let isPrevious = constantTimeEquals(digest, previous ?? dummyDigest)
            if isPresent { return .present }
            return isPrevious && previousEndsAt.map { $0 > now } ?? false ? .previous : nil
        }
    }

    /// Which secret of a key it is.
    enum Match: Sendable {
        case present
        /// The one before, whose time is not over.
        case previous
    }

    static func newSecret(for owner: APIKey.Owner, publicID: Text? = nil) -> APIKeySecret {
        var random = SecureRandom()
        return APIKeySecret(
            kind: owner == .operator ? .operator : .account,
            publicID: publicID,
            random: &random
        )
    }

    /// Throws `beyondCaller` unless who calls may hand out, or change, a key of `owner` with `scopes`.
    static func check(_ owner: APIKey.Owner, _ scopes: Scopes, _ change: Mutation) throws(StoreError) {
        guard let holder = change.actor.holder, !holder.covers(owner, scopes) else { return }
        let own = holder.scopes.names.map { "the scopes " + $0.joined(separator: ", ") } ?? "every scope"
        throw .beyondCaller("The key may do more than the one that you call with, which has \(own).")
    }

    static func check(_ expiresAt: UnixTime, at now: UnixTime) throws {
        let isFuture = expiresAt > now
        guard !isFuture || expiresAt > now.adding(milliseconds: lifetime.longest) else { return }
        let detail = isFuture ? "must be at most 730 days from now" : "must be in the future"
        throw StoreError.invalid(ValidationErrors([FieldError("/expires_at", detail)]))
    }

    static func checkOthers(than id: APIKeyID, _ change: Mutation) throws {
        let values: [SQLValue] = [.account(.installation), .id(id), .time(change.now)]
        let count = try change.connection.row(otherActive, values) { row throws(SQLError) in row.int(0) } ?? 0
        guard count > 0 else { throw StoreError.lastOperatorKey }
    }

    static func find(
        _ id: APIKeyID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> APIKey {
        let key = try connection.row(find, [.account(account), .id(id)]) { row throws(SQLError) in
            try decode(row, account)
        }
        guard let key else { throw StoreError.notFound }
        return key
    }

    static func values(of key: APIKey) -> [SQLValue] {
        [
            .text(key.name.foldedKey), .text(key.name.text), .time(key.expiresAt),
            key.scopes.names.map { .text(Array($0.joined(separator: " ").utf8)) } ?? .null,
        ] + key.metadata.values
    }

    static func decodeCandidate(_ row: any SQLRow) throws(SQLError) -> Candidate {
        let account = AccountNumber(UInt32(truncatingIfNeeded: row.integer(13)))
        let key = try decode(row, account)
        let isActive = row.text(16).string == Account.Status.active.rawValue && row.isNull(17)
        return Candidate(
            key: key,
            digests: Digests(
                present: row.bytes(14),
                previous: row.isNull(15) ? nil : row.bytes(15),
                previousEndsAt: key.previousSecretEndsAt
            ),
            isUsable: account == .installation || isActive,
            rate: row.isNull(18) ? .standard : CallRate(perSecond: row.int(18), burst: row.int(19))
        )
    }

    static func decode(_ row: any SQLRow, _ account: AccountNumber) throws(SQLError) -> APIKey {
        let isOperator = row.integer(1) == operatorRole && account == .installation
        let owner: APIKey.Owner = isOperator ? .operator : .account(account, try row.code(1, as: Role.self))
        return APIKey(
            id: try row.id(0),
            owner: owner,
            name: Name(trusted: row.text(2)),
            scopes: try row.scopes(10),
            metadata: try row.metadata(5),
            expiresAt: row.time(3),
            previousSecretEndsAt: row.optionalTime(12),
            lastUsedAt: row.optionalTime(4),
            lastUsedAddress: row.optionalText(11)
        )
    }
}

extension SQLRow {
    /// The scopes of a key. Words that this program does not know are damage: without them a key could do more than it should.
    fileprivate func scopes(_ column: Int) throws(SQLError) -> Scopes {
        guard let text = optionalText(column) else { return .all }
        let words = text.string.split(separator: " ")
        let kinds = words.compactMap { ResourceKind(rawValue: String($0)) }
        guard kinds.count == words.count else { throw damaged("scopes in column \(column)") }
        return Scopes(Set(kinds))
    }
}

extension APIKey.Owner {
    /// Where its keys are kept.
    package var account: AccountNumber {
        switch self {
        case .account(let number, _): number
        case .operator: .installation
        }
    }

    /// The role in the account; nil for the operator.
    package var role: Role? {
        switch self {
        case .account(_, let role): role
        case .operator: nil
        }
    }
}
