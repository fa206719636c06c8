import Domain
import Native
import SQL

/// What a management call changes, inside its one transaction: what the repositories write through.
///
/// Several changes in one transaction are one mutation: all of them happen or none.
package struct Mutation {
    let connection: any SQLConnection
    /// Whose rows are changed.
    package let account: AccountNumber
    let actor: Actor
    /// The time of all that it changes.
    package let now: UnixTime
    let identifiers: IdentifierSource
    let effects: Effects

    /// What is to be done once the transaction has ended well.
    final class Effects {
        /// The revision of each account whose configuration it changed.
        var revisions: [AccountNumber: Revision] = [:]
        /// Who is to be told something.
        var told: Set<OutboxSignal.Key> = []
        /// What was recorded in the account of each, in order.
        var entries: [AuditEntry] = []
        /// By how much what the record of changes and kept answers take up has grown, of each account.
        var bytes: [AccountNumber: Int64] = [:]
        /// Whether the account's limit of stored bytes does not stop it.
        var isUnlimited = false
        /// Why it is done, in the words of who does it.
        var note: Text?
        /// Of each account whose conditions it wrote.
        var meters: [AccountNumber: (before: ConditionCost, meter: ConditionMeter)] = [:]
    }

    static let raise = SQLStatement(
        """
        UPDATE accounts SET revision = revision + 1 WHERE account_id = $1 AND deleted_at IS NULL RETURNING revision
        """
    )
    static let audit = SQLStatement(
        """
        INSERT INTO audit (
            account_id, id, at, actor_id, actor_role, action, resource, request_id, detail, address, revision, state_before,
            state_after, note, bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """
    )

    /// The same transaction, going on in another account, which the caller has seen to be one that may be changed by it.
    package func on(_ other: AccountNumber) -> Mutation {
        Mutation(
            connection: connection,
            account: other,
            actor: actor,
            now: now,
            identifiers: identifiers,
            effects: effects
        )
    }

    /// Why all that follows is done.
    package func explain(_ note: Text?) {
        effects.note = note
    }

    /// The account's revision after this mutation. Raised when it is asked for first, and once; throws `notFound` when the account was
    /// deleted meanwhile, so that nothing is written that its purge would miss.
    @discardableResult
    func revision() throws -> Revision {
        if let raised = effects.revisions[account] { return raised }
        let raised = try connection.row(Self.raise, [.account(account)]) { row throws(SQLError) in
            Revision(row.integer(0))
        }
        guard let raised else { throw StoreError.notFound }
        try connection.announce(Announcement.configuration(account, raised).text)
        effects.revisions[account] = raised
        return raised
    }

    /// Records a change of the account's configuration, which raises its revision: what `resource` was and what it is now; nil: it was
    /// not, or is no more. Never with a secret.
    ///
    /// `action` is the noun and the verb of the operation: `channel.create`. `resource` is the id, or the name of what has none.
    func record(
        _ action: String,
        _ resource: String,
        before: JSONState? = nil,
        after: JSONState? = nil,
        detail: (inout JSONWriter) -> Void = { _ in }
    ) throws {
        try write(action, resource, revision: try revision(), before, after, detail)
    }

    /// Records what changes no configuration.
    func note(
        _ action: String,
        _ resource: String,
        before: JSONState? = nil,
        after: JSONState? = nil,
        detail: (inout JSONWriter) -> Void = { _ in }
    ) throws {
        try write(action, resource, revision: nil, before, after, detail)
    }

    /// One of several changes that are recorded together.
    struct Change: Sendable {
        let action: String
        let resource: String
        let before: JSONState?
        let after: JSONState?
    }

    /// Records many changes of the configuration, in their order, as `record` does each.
    func record(_ changes: [Change]) throws {
        guard !changes.isEmpty else { return }
        var prepared = PreparedChange(author, making: try revision())
        for change in changes { prepared.record(change) }
        try write(prepared)
    }

    /// Writes what was prepared. Throws `PreparedChange.Outdated` when the configuration is no longer the one that it was prepared for.
    func write(_ change: PreparedChange) throws {
        guard !change.entries.isEmpty else { return }
        guard try revision() == change.revision else { throw PreparedChange.Outdated() }
        try add(change.meter)
        try change.write(on: connection)
        effects.entries += change.entries
        effects.bytes[account, default: 0] += change.bytes
    }

    /// Who does all this, and when.
    var author: Author {
        Author(account: account, actor: actor, now: now, identifiers: identifiers, note: effects.note)
    }

    private func write(
        _ action: String,
        _ resource: String,
        revision: Revision?,
        _ before: JSONState?,
        _ after: JSONState?,
        _ detail: (inout JSONWriter) -> Void
    ) throws {
        let entry = author.entry(action, resource, revision: revision, before, after, detail)
        effects.entries.append(entry)
        effects.bytes[account, default: 0] += entry.bytes
        try connection.run(Self.audit, entry.row(of: account))
    }
}

/// Who changes an account, when and why.
struct Author: Sendable {
    let account: AccountNumber
    let actor: Actor
    let now: UnixTime
    let identifiers: IdentifierSource
    let note: Text?

    /// A new entry of the record of changes.
    func entry(
        _ action: String,
        _ resource: String,
        revision: Revision?,
        _ before: JSONState?,
        _ after: JSONState?,
        _ detail: (inout JSONWriter) -> Void = { _ in }
    ) -> AuditEntry {
        AuditEntry(
            id: identifiers.next(),
            at: now,
            actorID: actor.key,
            actorRole: actor.role,
            address: actor.address,
            action: action,
            resource: resource,
            requestID: actor.requestID,
            revision: revision,
            before: before?.text,
            after: after?.text,
            detail: Text(trusted: JSONWriter.encode { writer in writer.object { detail(&$0) } }),
            note: note
        )
    }
}

extension AuditEntry {
    /// The values of `Mutation.audit`.
    func row(of account: AccountNumber) -> [SQLValue] {
        [
            .account(account), .id(id), .time(at), .id(actorID), .text(actorRole), .text(action),
            .text(resource),
            .text(requestID), .text(detail), .text(address), revision.map { .integer($0.value) } ?? .null,
            .text(before), .text(after), .text(note), .integer(bytes),
        ]
    }

    /// What it takes up, about.
    var bytes: Int64 {
        let texts = [address, before, after, detail, note].reduce(0) { $0 + ($1?.bytes.count ?? 0) }
        let words = [actorRole, action, resource, requestID].reduce(0) { $0 + $1.utf8.count }
        return Int64(StoredRecord.rowBytes + texts + words)
    }
}

/// What a resource is, as JSON with the field names of openapi.yaml, for the record of changes. Without secrets, and without what moves by
/// itself.
struct JSONState: Sendable {
    /// One object.
    let text: Text

    /// The object that `write` fills.
    init(_ write: (inout JSONWriter) -> Void) {
        text = Text(trusted: JSONWriter.encode { writer in writer.object { write(&$0) } })
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

/// What a transaction holds while it changes an account (`AccountLock`).
package enum Hold: Sendable {
    /// Its configuration.
    case configuration
    /// What pushes bring.
    case usage
}

extension Store {
    /// Runs `body` in one transaction on `account`, which must be there, and makes pushes see its changes of configuration before it
    /// returns. `account` may be `AccountNumber.installation`: the operator's own.
    ///
    /// A dry run goes the same way to its end and is then undone.
    package func change<Result: Sendable>(
        _ account: AccountNumber,
        by actor: Actor,
        holding hold: Hold = .configuration,
        isDryRun: Bool = false,
        _ body: @escaping @Sendable (Mutation) throws -> Result
    ) async throws -> Result {
        let identifiers = identifiers
        do {
            let (result, revisions, told) = try await transaction(on: account, holding: hold) { connection in
                if account != .installation { _ = try AccountStore.find(account, on: connection) }
                let mutation = Mutation(
                    connection: connection,
                    account: account,
                    actor: actor,
                    now: identifiers.now,
                    identifiers: identifiers,
                    effects: Mutation.Effects()
                )
                let result = try body(mutation)
                try mutation.checkMeters()
                try StoredRecord.charge(mutation, holding: hold)
                if isDryRun { throw Undone(result: result) }
                return (result, mutation.effects.revisions, mutation.effects.told)
            }
            for (number, revision) in revisions { await renew(number, to: revision) }
            if !told.isEmpty { outboxSignal.raise(told) }
            return result
        } catch let undone as Undone<Result> {
            return undone.result
        }
    }

    /// The account's configuration has moved on. On a shared database the new one is loaded at once where the old one was in use, so that
    /// pushes are judged by it also when the database goes away now.
    func renew(_ account: AccountNumber, to revision: Revision) async {
        guard snapshots.advance(account, to: revision), isShared else { return }
        _ = try? await snapshots.snapshot(of: account, now: now)
    }

    /// Runs `body` in a transaction that holds the account. An error of the database may come from a commit that took effect all the same:
    /// then pushes see what the store holds, whatever that is.
    private func transaction<Result: Sendable>(
        on account: AccountNumber,
        holding hold: Hold,
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        let identifiers = identifiers
        do {
            return try await database.transaction(.of(account)) { connection in
                switch hold {
                case .configuration:
                    try AccountLock.configuration(of: account, on: connection)
                    return try body(connection)
                case .usage:
                    return try AccountLock.during(account, identifiers, on: connection) {
                        try body(connection)
                    }
                }
            }
        } catch let error as SQLError {
            snapshots.doubt(account)
            throw error
        }
    }
}

/// Ends a transaction whose effects are not wanted.
private struct Undone<Result: Sendable>: Error {
    let result: Result
}
