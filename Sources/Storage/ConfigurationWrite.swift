import Domain
import Native
import SQL

/// A configuration change of one account inside its transaction: what the repositories write through.
struct ConfigurationWrite {
    let connection: any SQLConnection
    let account: AccountNumber
    let actor: Actor
    let now: UnixTime
    let identifiers: IdentifierSource

    static let raise = SQLStatement(
        """
        UPDATE accounts SET revision = revision + 1 WHERE account_id = $1 AND deleted_at IS NULL RETURNING revision
        """
    )
    static let audit = SQLStatement(
        """
        INSERT INTO audit (account_id, id, at, actor_id, actor_role, action, resource, request_id, detail)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """
    )

    /// Adds one to the account's revision and answers it. Throws `notFound` when the account was deleted
    /// meanwhile, so that nothing is written that its purge would miss.
    func raiseRevision() throws -> Revision {
        let revision = try connection.row(Self.raise, [.account(account)]) { row throws(SQLError) in
            Revision(row.integer(0))
        }
        guard let revision else { throw StoreError.notFound }
        try connection.announce(Announcement.configuration(account, revision).text)
        return revision
    }

    /// Records what was done to `resource`. `detail` writes the fields that changed; never a secret.
    ///
    /// `action` is the noun and the verb of the operation: `channel.create`.
    func audit(
        _ action: String,
        _ resource: String,
        detail: (inout JSONWriter) -> Void = { _ in }
    ) throws {
        try Self.audit(
            action,
            resource,
            account: account,
            actor: actor,
            at: now,
            id: identifiers.next(),
            on: connection,
            detail: detail
        )
    }

    /// The same, for changes that belong to no account's configuration.
    static func audit(
        _ action: String,
        _ resource: String,
        account: AccountNumber,
        actor: Actor,
        at now: UnixTime,
        id: AuditID,
        on connection: any SQLConnection,
        detail: (inout JSONWriter) -> Void = { _ in }
    ) throws {
        let text = JSONWriter.encode { writer in writer.object { detail(&$0) } }
        try connection.run(
            audit,
            [
                .account(account), .id(id), .time(now), .id(actor.key), .text(actor.role), .text(action),
                .text(resource),
                .text(actor.requestID), .text(text),
            ]
        )
    }
}

/// Runs `body` and turns a taken unique name into `StoreError.nameTaken`.
@discardableResult
func naming<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as SQLError where error.kind == .uniqueViolation {
        throw StoreError.nameTaken
    }
}
