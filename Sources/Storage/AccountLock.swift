import Domain
import SQL

/// What a transaction holds of an account until it ends, so that several nodes change it one after the other, as the one writer of an
/// embedded database does by itself. Nothing is locked there.
///
/// - Rule: whoever writes configuration holds the account's row; whoever writes what pushes bring (deliveries, events, alerts,
///   notifications, what they take up) holds its row of usage. Why: each sees what the one before did, and every rule that looks before it
///   writes holds. Otherwise: two open alerts of one key, counts that are short, two resources of one name.
/// - Rule: a transaction that holds several accounts takes them in the order of their numbers, and usage before configuration. Otherwise:
///   two wait for each other.
/// - Rule: identifiers made under the lock of usage come after all that were made under it before, on whatever node (`observe` and
///   `note`). Why: what is told of an alert is told in the order of identifiers. Otherwise: a clock that is behind makes "recovered" the
///   older of two.
package enum AccountLock {
    static let configurationRow = SQLStatement("SELECT 1 FROM accounts WHERE account_id = $1 FOR UPDATE")
    static let deploymentRow = SQLStatement(
        "SELECT $1::BIGINT FROM deployment WHERE singleton = 1 FOR UPDATE"
    )
    static let usageRow = SQLStatement("SELECT 1 FROM account_usage WHERE account_id = $1 FOR UPDATE")
    static let newest = SQLStatement("SELECT newest_at FROM account_usage WHERE account_id = $1")
    static let note = SQLStatement(
        "UPDATE account_usage SET newest_at = $2 WHERE account_id = $1 AND newest_at < $2"
    )

    static let statements = [configurationRow, usageRow, newest, note]
    static let platformStatements = [deploymentRow]

    /// Holds the account's configuration; for the installation's own keys, the installation.
    static func configuration(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) {
        guard connection.dialect == .postgres else { return }
        let row = account == .installation ? deploymentRow : configurationRow
        try connection.batch(row, [[.account(account)]])
    }

    /// Holds what pushes bring. Sent without waiting: the next statement that reads sees what the holder before left.
    static func usage(of account: AccountNumber, on connection: any SQLConnection) throws(SQLError) {
        guard connection.dialect == .postgres else { return }
        try connection.batch(usageRow, [[.account(account)]])
    }

    /// Runs `body`, which makes identifiers, while it holds what pushes bring.
    static func during<Result>(
        _ account: AccountNumber,
        _ identifiers: IdentifierSource,
        on connection: any SQLConnection,
        _ body: () throws -> Result
    ) throws -> Result {
        guard connection.dialect == .postgres else { return try body() }
        try usage(of: account, on: connection)
        let time = try connection.row(newest, [.account(account)]) { row throws(SQLError) in row.time(0) }
        if let time { identifiers.observe(time) }
        let result = try body()
        try connection.batch(note, [[.account(account), .time(identifiers.newestTime)]])
        return result
    }
}
