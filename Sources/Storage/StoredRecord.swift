import Domain
import SQL

/// What the record of changes and the kept answers of an account take up: counted to its stored bytes as bodies of pushes are.
///
/// - Rule: a transaction adds to the row that it holds anyway: one that changes configuration to `accounts.record_bytes`, one that changes what
///   pushes bring to `account_usage.stored_bytes`. Why: the sum is exact, and none waits for the other. Otherwise: a call that takes
///   long would hold up the pushes of its account, and with them those of its neighbours.
enum StoredRecord {
    /// What a row takes up besides its texts, with its places in indexes.
    static let rowBytes = 128

    static let addToConfiguration = SQLStatement(
        "UPDATE accounts SET record_bytes = record_bytes + $2 WHERE account_id = $1"
    )
    static let addToUsage = SQLStatement(
        "UPDATE account_usage SET stored_bytes = stored_bytes + $2 WHERE account_id = $1"
    )
    static let sum = SQLStatement(
        """
        SELECT a.stored_bytes_limit, a.record_bytes + COALESCE(u.stored_bytes, 0)
        FROM accounts a LEFT JOIN account_usage u ON u.account_id = a.account_id WHERE a.account_id = $1
        """
    )

    static let statements = [addToConfiguration, addToUsage, sum]

    /// Verbs of what ends something.
    private static let ends = ["delete", "revoke", "reset", "end"]

    /// Counts what `write` has added, as its last step. Throws `storageFull` when the account's own key would go beyond the limit: what only
    /// ends things is never stopped, nor is the operator.
    static func charge(_ write: Mutation, holding hold: Hold) throws {
        for (account, bytes) in write.effects.bytes.sorted(by: { $0.key < $1.key })
        where account != .installation && bytes != 0 {
            let statement = account == write.account && hold == .usage ? addToUsage : addToConfiguration
            try write.connection.run(statement, [.account(account), .integer(bytes)])
        }
        let added = write.effects.bytes[write.account] ?? 0
        guard added > 0, !write.effects.isUnlimited, write.actor.holder?.owner.role != nil, !isEnd(write)
        else { return }
        let found = try write.connection.row(sum, [.account(write.account)]) { row throws(SQLError) in
            (limit: row.integer(0), sum: row.integer(1))
        }
        guard let found, found.sum > found.limit else { return }
        throw StoreError.storageFull(found.limit)
    }

    private static func isEnd(_ write: Mutation) -> Bool {
        let entries = write.effects.entries
        return !entries.isEmpty
            && entries.allSatisfy { entry in ends.contains { entry.action.hasSuffix("." + $0) } }
    }
}
