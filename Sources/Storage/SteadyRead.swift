import Domain
import SQL

/// Several statements that see one state of an account's configuration, without a transaction on a reading
/// connection.
enum SteadyRead {
    static let revision = SQLStatement(
        "SELECT revision FROM accounts WHERE account_id = $1 AND deleted_at IS NULL"
    )
    static let statements = [revision]
    /// Each try costs a few milliseconds, and a configuration that changes in all of them is being changed by
    /// a loop.
    private static let tries = 50

    /// Runs `body`, again while the configuration changes under it. nil when there is no such account.
    static func of<Result>(
        _ account: AccountNumber,
        on connection: any SQLConnection,
        _ body: () throws -> Result?
    ) throws -> Result? {
        for _ in 0..<tries {
            guard let before = try revision(of: account, on: connection) else { return nil }
            let result = try body()
            if try revision(of: account, on: connection) == before { return result }
        }
        throw SQLError(.busy, code: 0, message: "the configuration of an account did not stand still")
    }

    /// nil when there is no such account.
    static func revision(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Revision? {
        try connection.row(revision, [.account(account)]) { row throws(SQLError) in Revision(row.integer(0)) }
    }
}
