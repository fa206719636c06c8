import Domain
import Native
import SQL

/// The statements of push URLs, what their rows mean, and how one is issued.
extension PushURLStore {
    private static let columns = """
        id, integration_id, description, kid, tag, expiry_day, expires_at, revoked_at, created_by, last_used_at,
        last_used_address, use_count, external_id, labels, version, created_at, updated_at
        """
    static let parent = SQLStatement(
        "SELECT number, type FROM integrations WHERE account_id = $1 AND id = $2"
    )
    static let insert = SQLStatement(
        """
        INSERT INTO push_urls (
            account_id, id, integration_id, description, kid, tag, expiry_day, token_digest, expires_at, created_by,
            use_count, external_id, labels, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14, $15)
        ON CONFLICT (account_id, integration_id, tag) DO NOTHING RETURNING id
        """
    )
    /// For an integration that has none.
    static let add = SQLStatement(
        """
        INSERT INTO push_urls (
            account_id, id, integration_id, description, kid, tag, expiry_day, token_digest, expires_at, created_by,
            use_count, external_id, labels, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $13, $14, $15)
        """
    )
    static let find = SQLStatement(
        "SELECT \(columns) FROM push_urls WHERE account_id = $1 AND id = $2 AND integration_id = $3"
    )
    static let digest = SQLStatement("SELECT token_digest FROM push_urls WHERE account_id = $1 AND id = $2")
    static let list = SQLStatement(
        """
        SELECT \(columns) FROM push_urls WHERE account_id = $1 AND integration_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4
        """
    )
    static let update = SQLStatement(
        """
        UPDATE push_urls SET description = $3, expires_at = $4, revoked_at = $5, external_id = $6, labels = $7,
            version = $8, created_at = $9, updated_at = $10
        WHERE account_id = $1 AND id = $2
        """
    )

    /// All statements, for the plan test.
    static let statements = [parent, insert, add, find, digest, list, update]

    /// 2204-01-01T00:00:00Z: the day in a token has 16 bits.
    private static let latestExpiry = UnixTime(milliseconds: 7_384_348_800_000)

    /// What an integration gives to its tokens and addresses.
    struct Parent: Sendable {
        let id: IntegrationID
        let number: IntegrationNumber
        let type: IntegrationType
    }

    /// Throws `notFound`.
    static func parent(
        _ id: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Parent {
        let parent = try connection.row(parent, [.account(account), .id(id)]) { row throws(SQLError) in
            Parent(
                id: id,
                number: IntegrationNumber(UInt32(truncatingIfNeeded: row.integer(0))),
                type: IntegrationType(row.text(1))
            )
        }
        guard let parent else { throw StoreError.notFound }
        return parent
    }

    /// Issues a push URL inside the transaction that makes it, or its integration.
    static func issue(
        _ draft: Draft,
        for parent: Parent,
        _ signer: PushURLSigner,
        _ write: Mutation
    ) throws -> IssuedPushURL {
        while true {
            let pushURL = try new(draft, for: parent, signer, write.author)
            let token = signer.token(of: pushURL, parent)
            guard try insert(pushURL, token, write) else { continue }
            try write.record("push_url.create", pushURL.id.description, after: pushURL.state)
            return IssuedPushURL(
                pushURL: signer.masked(pushURL, parent),
                addresses: signer.addresses(token, parent)
            )
        }
    }

    /// Adds the first push URL of a new integration.
    static func issueFirst(
        for parent: Parent,
        _ signer: PushURLSigner,
        to change: inout PreparedChange
    ) throws {
        let pushURL = try new(.first, for: parent, signer, change.author)
        change.run(add, values(of: pushURL, signer.token(of: pushURL, parent), change.author.account))
        change.record("push_url.create", pushURL.id.description, after: pushURL.state)
    }

    /// A push URL with a tag of its own, most probably.
    private static func new(
        _ draft: Draft,
        for parent: Parent,
        _ signer: PushURLSigner,
        _ author: Author
    ) throws -> PushURL {
        PushURL(
            id: author.identifiers.next(),
            integrationID: parent.id,
            description: draft.description,
            kid: signer.newestKid,
            tag: .random(),
            expiryDay: try expiryDay(of: draft.expiresAt, at: author.now),
            expiresAt: draft.expiresAt,
            revokedAt: nil,
            createdBy: author.actor.key ?? APIKeyID(high: 0, low: 0),
            lastUsedAt: nil,
            lastUsedAddress: nil,
            useCount: 0,
            metadata: .new(externalID: draft.externalID, labels: draft.labels, at: author.now)
        )
    }

    /// False when the tag is taken.
    private static func insert(
        _ pushURL: PushURL,
        _ token: [UInt8],
        _ write: Mutation
    ) throws -> Bool {
        let isInserted = try write.connection.row(insert, values(of: pushURL, token, write.account)) {
            _ throws(SQLError) in true
        }
        return isInserted == true
    }

    private static func values(
        of pushURL: PushURL,
        _ token: [UInt8],
        _ account: AccountNumber
    ) -> [SQLValue] {
        [
            .account(account), .id(pushURL.id), .id(pushURL.integrationID), .text(pushURL.description),
            .int(Int(pushURL.kid)), .integer(Int64(pushURL.tag.value)), .int(Int(pushURL.expiryDay)),
            .blob(Digest256.hash(of: token).bytes), .time(pushURL.expiresAt), .id(pushURL.createdBy),
        ] + pushURL.metadata.values
    }

    static func write(_ pushURL: PushURL, _ write: Mutation) throws {
        let values: [SQLValue] = [
            .account(write.account), .id(pushURL.id), .text(pushURL.description), .time(pushURL.expiresAt),
            .time(pushURL.revokedAt),
        ]
        try write.connection.run(update, values + pushURL.metadata.values)
    }

    private static func expiryDay(of expiresAt: UnixTime?, at now: UnixTime) throws -> UInt16 {
        guard let expiresAt else { return 0 }
        if expiresAt > now, expiresAt < latestExpiry, let day = ExpiryDay.of(expiresAt) { return day }
        let detail = expiresAt > now ? "must be before the year 2204" : "must be in the future"
        throw StoreError.invalid(ValidationErrors([FieldError("/expires_at", detail)]))
    }

    static func find(
        _ id: PushURLID,
        of integration: IntegrationID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> PushURL {
        guard let pushURL = try connection.row(find, [.account(account), .id(id), .id(integration)], decode)
        else {
            throw StoreError.notFound
        }
        return pushURL
    }

    static func decode(_ row: any SQLRow) throws(SQLError) -> PushURL {
        PushURL(
            id: try row.id(0),
            integrationID: try row.id(1),
            description: row.text(2),
            kid: UInt8(truncatingIfNeeded: row.integer(3)),
            tag: PushTag(value: UInt64(bitPattern: row.integer(4))),
            expiryDay: UInt16(truncatingIfNeeded: row.integer(5)),
            expiresAt: row.optionalTime(6),
            revokedAt: row.optionalTime(7),
            createdBy: try row.id(8),
            lastUsedAt: row.optionalTime(9),
            lastUsedAddress: row.optionalText(10),
            useCount: row.integer(11),
            metadata: try row.metadata(12)
        )
    }
}

extension PushTag {
    /// 40 random bits.
    fileprivate static func random() -> PushTag {
        var random = SecureRandom()
        return PushTag(value: random.next())
    }
}

extension PushURL {
    /// After a change; nil keeps.
    func changed(
        description newDescription: Text?,
        expiresAt newExpiry: UnixTime?,
        revokedAt newRevocation: UnixTime?,
        metadata: Metadata
    ) -> PushURL {
        PushURL(
            id: id,
            integrationID: integrationID,
            description: newDescription ?? description,
            kid: kid,
            tag: tag,
            expiryDay: expiryDay,
            expiresAt: newExpiry ?? expiresAt,
            revokedAt: newRevocation ?? revokedAt,
            createdBy: createdBy,
            lastUsedAt: lastUsedAt,
            lastUsedAddress: lastUsedAddress,
            useCount: useCount,
            metadata: metadata
        )
    }
}
