import Domain
import Native
import SQL

/// The answer of a call that changes something, as it can be given again.
package struct RecordedAnswer: Sendable, Equatable {
    /// A 2xx.
    package let status: Int
    /// For `ETag`.
    package let version: Version?
    /// For `Location`.
    package let location: String?
    /// JSON; empty: none.
    package let body: [UInt8]
    /// Whether it was given before.
    package var isRepeated = false
    /// Whether its body was not kept, because it could be made again.
    package var isAbridged = false
    /// Whether its body can be made again, so that a long one need not be kept.
    var canBeMadeAgain = false

    package init(status: Int, version: Version?, location: String?, body: [UInt8]) {
        self.status = status
        self.version = version
        self.location = location
        self.body = body
    }
}

/// A management call that changes something.
package struct Call: Sendable {
    /// Who calls.
    package let actor: Actor
    /// Whether nothing is to be changed after all.
    package let isDryRun: Bool
    /// What makes it the same call when it comes again; nil: every call is a new one.
    package let claim: Idempotency.Claim?

    package init(actor: Actor, isDryRun: Bool = false, claim: Idempotency.Claim? = nil) {
        self.actor = actor
        self.isDryRun = isDryRun
        self.claim = claim
    }
}

/// Calls that take effect once, however often they come: their answers, kept for a day in the transaction of their effect.
///
/// - Rule: a call finds the answer, or takes effect and leaves one, in one transaction that holds the account. Why: two that come at once
///   run one after the other, on whatever nodes. Otherwise: both find nothing.
/// - Answers are sealed: some carry a secret. `RetentionStore.purgeAnswers` removes the old ones.
package enum Idempotency {
    /// What a key stands for.
    package struct Claim: Sendable {
        /// SHA-256 of who calls what with which key.
        let scope: [UInt8]
        /// SHA-256 of what is asked for.
        let fingerprint: [UInt8]

        /// - Parameters:
        ///   - key: the caller's, 1 to 255 bytes.
        ///   - caller: the API key's id.
        ///   - target: method and path.
        ///   - query: as it came.
        ///   - body: as it came.
        package init(key: String, caller: APIKeyID, target: String, query: [UInt8], body: [UInt8]) {
            // None of the parts holds a NUL.
            let parts = [caller.description, target, key].joined(separator: "\0")
            scope = Digest256.hash(of: Array(parts.utf8)).bytes
            var content = SHA256Hasher()
            content.update(query)
            content.update([0])
            content.update(body)
            fingerprint = content.finish().bytes
        }
    }

    /// For how long an answer is kept, in seconds.
    package static let keptFor: Int64 = 86_400
    /// Bytes of the longest body that is kept of an answer that can be made again.
    static let keptBytes = 256 << 10
    /// For how long a call outside of the store may be under way before it counts as lost, in seconds.
    static let underWayFor: Int64 = 60

    static let find = SQLStatement(
        """
        SELECT fingerprint, created_at, answer FROM idempotency_keys WHERE account_id = $1 AND scope = $2
        """
    )
    static let put = SQLStatement(
        """
        INSERT INTO idempotency_keys (account_id, scope, fingerprint, created_at, answer, bytes)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account_id, scope) DO UPDATE
            SET fingerprint = excluded.fingerprint, created_at = excluded.created_at, answer = excluded.answer,
                bytes = excluded.bytes
        """
    )
    static let bytes = SQLStatement("SELECT bytes FROM idempotency_keys WHERE account_id = $1 AND scope = $2")
    static let forget = SQLStatement("DELETE FROM idempotency_keys WHERE account_id = $1 AND scope = $2")

    static let statements = [find, put, bytes, forget]

    /// The answer that the same call got; nil: it is new. Throws `keyReused` when the key stands for another call, and `stillRunning`.
    static func answer(to claim: Claim, _ seal: AccountSeal, _ write: Mutation) throws -> RecordedAnswer? {
        try answer(to: claim, seal, of: write.account, at: write.now, on: write.connection)
    }

    /// The same.
    static func answer(
        to claim: Claim,
        _ seal: AccountSeal,
        of account: AccountNumber,
        at now: UnixTime,
        on connection: any SQLConnection
    ) throws -> RecordedAnswer? {
        let key: [SQLValue] = [.account(account), .blob(claim.scope)]
        let row = try connection.row(find, key) { row throws(SQLError) in
            (row.bytes(0), row.time(1), row.isNull(2) ? nil : row.bytes(2))
        }
        guard let (fingerprint, createdAt, sealed) = row,
            createdAt > now.adding(seconds: -keptFor)
        else { return nil }
        guard fingerprint == claim.fingerprint else { throw StoreError.keyReused }
        guard let sealed else {
            guard createdAt > now.adding(seconds: -underWayFor) else { return nil }
            throw StoreError.stillRunning
        }
        let opened = seal.open(sealed, context: context(claim)).flatMap { PackedJSON.read($0, decode) }
        guard var answer = opened else {
            throw StoreError.conflict(
                "The answer to this key can't be read any more: look whether the call took effect, and use a new key."
            )
        }
        answer.isRepeated = true
        return answer
    }

    /// Keeps the answer; nil: the call is under way.
    static func keep(
        _ answer: RecordedAnswer?,
        to claim: Claim,
        _ seal: AccountSeal,
        _ write: Mutation
    ) throws {
        let key: [SQLValue] = [.account(write.account), .blob(claim.scope)]
        let sealed = answer.map { seal.seal(encode(kept($0)), context: context(claim)) }
        let size = Int64(StoredRecord.rowBytes + (sealed?.count ?? 0))
        write.effects.bytes[write.account, default: 0] += size - (try self.size(key, write))
        let row: [SQLValue] = [
            .blob(claim.fingerprint), .time(write.now), sealed.map { .blob($0) } ?? .null, .integer(size),
        ]
        try write.connection.run(put, key + row)
    }

    /// What is kept of an answer.
    private static func kept(_ answer: RecordedAnswer) -> RecordedAnswer {
        guard answer.canBeMadeAgain, answer.body.count > keptBytes else { return answer }
        var head = RecordedAnswer(
            status: answer.status,
            version: answer.version,
            location: answer.location,
            body: []
        )
        head.isAbridged = true
        return head
    }

    /// Takes back that the call is under way.
    static func forget(_ claim: Claim, _ write: Mutation) throws {
        let key: [SQLValue] = [.account(write.account), .blob(claim.scope)]
        write.effects.bytes[write.account, default: 0] -= try size(key, write)
        try write.connection.run(forget, key)
    }

    /// What is kept under a key takes up so much.
    private static func size(_ key: [SQLValue], _ write: Mutation) throws -> Int64 {
        try write.connection.row(bytes, key) { row throws(SQLError) in row.integer(0) } ?? 0
    }

    private static func context(_ claim: Claim) -> [UInt8] {
        Array("tocsin/answer/v1".utf8) + claim.scope
    }

    private static func encode(_ answer: RecordedAnswer) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.object { object in
                object.field("status", answer.status)
                object.field("version", answer.version.map { "\($0.value)" })
                object.field("location", answer.location)
                object.field("body", utf8: answer.body)
                if answer.isAbridged { object.field("abridged", true) }
            }
        }
    }

    private static func decode(_ root: JSONValue) -> RecordedAnswer? {
        guard let status = root.member("status")?.int64Value, let body = root.text("body") else {
            return nil
        }
        var answer = RecordedAnswer(
            status: Int(status),
            version: root.text("version").flatMap { Int64($0.string) }.map { Version($0) },
            location: root.text("location")?.string,
            body: body.bytes
        )
        answer.isAbridged = root.member("abridged")?.boolValue ?? false
        return answer
    }
}

extension Store {
    /// Runs `body` as `change` does and keeps its answer with its effect; a call that comes again gets the answer and has no effect.
    ///
    /// - Throws: `keyReused` when the caller's key stands for another call; what `body` throws.
    package func perform(
        _ call: Call,
        on account: AccountNumber,
        holding hold: Hold = .configuration,
        _ body: @escaping @Sendable (Mutation) throws -> RecordedAnswer
    ) async throws -> RecordedAnswer {
        let seal = AccountSeal(pushTokenKeys, account)
        return try await change(account, by: call.actor, holding: hold, isDryRun: call.isDryRun) { write in
            guard let claim = call.claim, !call.isDryRun else { return try body(write) }
            if let earlier = try Idempotency.answer(to: claim, seal, write) { return earlier }
            let answer = try body(write)
            try Idempotency.keep(answer, to: claim, seal, write)
            return answer
        }
    }

    /// The answer that the same call got; nil: it seems to be new, which is for `perform` to say.
    func earlierAnswer(to call: Call, on account: AccountNumber) async throws -> RecordedAnswer? {
        guard let claim = call.claim, !call.isDryRun else { return nil }
        let (seal, now) = (AccountSeal(pushTokenKeys, account), identifiers.now)
        return try await database.read(.of(account)) { connection in
            try Idempotency.answer(to: claim, seal, of: account, at: now, on: connection)
        }
    }

    /// The same for a call whose effect is not, or not only, in the store: it is marked as under way before it begins.
    ///
    /// - Throws: `stillRunning` while the same call is under way; `keyReused`; what `body` throws.
    package func performOutside(
        _ call: Call,
        on account: AccountNumber,
        _ body: () async throws -> RecordedAnswer
    ) async throws -> RecordedAnswer {
        guard let claim = call.claim, !call.isDryRun else { return try await body() }
        let seal = AccountSeal(pushTokenKeys, account)
        let earlier = try await change(account, by: call.actor) { write in
            let earlier = try Idempotency.answer(to: claim, seal, write)
            if earlier == nil { try Idempotency.keep(nil, to: claim, seal, write) }
            return earlier
        }
        if let earlier { return earlier }
        do {
            let answer = try await body()
            try await change(account, by: call.actor) { write in
                // What is done is done.
                write.effects.isUnlimited = true
                try Idempotency.keep(answer, to: claim, seal, write)
            }
            return answer
        } catch {
            try await change(account, by: call.actor) { try Idempotency.forget(claim, $0) }
            throw error
        }
    }
}
