/// One connection to a database: the seam between the repository and the engines.
///
/// Synchronous and not Sendable: a connection lives on one thread of `Database`. All statements run on all engines.
package protocol SQLConnection: AnyObject {
    /// Which engine it is.
    var dialect: SQLDialect { get }

    /// Says whose rows the statements that follow may touch. An engine with row-level security hides all others.
    func enter(_ scope: SQLScope)

    /// Runs a statement; answers how many rows it changed.
    @discardableResult
    func run(_ statement: SQLStatement, _ values: [SQLValue]) throws(SQLError) -> Int

    /// Runs a statement once for each row of values, in order.
    ///
    /// An engine behind a network may run it later; what fails then is thrown by the next call, at the latest by `flush` or `commit`.
    func batch(_ statement: SQLStatement, _ rows: SQLRows) throws(SQLError)

    /// Calls `body` for each row of the result, in order, until it answers false.
    func forEachRow(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        _ body: (any SQLRow) throws(SQLError) -> Bool
    ) throws(SQLError)

    /// Returns when all that was asked for is done. Throws what failed of it.
    func flush() throws(SQLError)

    /// Says `text` to all that listen on the database, once the transaction is committed; nothing where there is nobody else.
    func announce(_ text: String) throws(SQLError)

    /// Runs text that may hold several statements and takes no parameters: migrations.
    func execute(script: String) throws(SQLError)

    /// Begins a transaction that may write.
    func begin(_ durability: SQLDurability) throws(SQLError)
    /// Ends the transaction; when it returns, what was written survives what its durability says.
    func commit() throws(SQLError)
    /// Takes the transaction back. Never fails: a connection that can't is broken and says so at its next use.
    func rollback()
    /// Begins a savepoint inside the transaction.
    func beginSavepoint() throws(SQLError)
    /// Ends the savepoint, keeping its changes or taking them back.
    func endSavepoint(keep: Bool) throws(SQLError)

    /// From now on all calls together may wait for a server so long; nil: each for as long as it may. What takes longer is `unavailable`, and
    /// what was on its way is undone by the server, or `inDoubt`.
    func allow(_ time: Duration?)

    /// Housekeeping between transactions, never inside one.
    func maintain() throws(SQLError)
}

/// What a committed transaction survives.
package enum SQLDurability: Sendable {
    /// A power cut from the moment on at which the commit returns.
    case synced
    /// The end of the process; a power cut only once a later transaction is synced, which takes this one along. For what nobody was told
    /// of, and what is done again where it was lost: its commit does not wait for the disk, nor let others wait.
    case later
}

/// An engine.
package enum SQLDialect: Sendable {
    case sqlite
    case postgres
}

/// Whose rows a call touches.
package enum SQLScope: Sendable, Hashable {
    /// Those of one account, by its number.
    case account(Int64)
    /// No rows of any account.
    case nobody
    /// Those of all: look-ups from which the account becomes known, and sweepers.
    case platform
}

/// The present row of a result. Columns count from 0. Valid only inside the call that handed it out.
package protocol SQLRow: AnyObject {
    func isNull(_ column: Int) -> Bool
    /// 0 for NULL.
    func integer(_ column: Int) -> Int64
    /// The bytes of a text or a blob; empty for NULL.
    func bytes(_ column: Int) -> [UInt8]
}

extension SQLConnection {
    /// Runs a statement once for each row of values, in order.
    package func batch(_ statement: SQLStatement, _ rows: [[SQLValue]]) throws(SQLError) {
        try batch(statement, SQLRows(rows))
    }

    /// All rows of the result, decoded in order.
    package func rows<Row>(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        _ decode: (any SQLRow) throws(SQLError) -> Row
    ) throws(SQLError) -> [Row] {
        var result: [Row] = []
        try forEachRow(statement, values) { row throws(SQLError) in
            result.append(try decode(row))
            return true
        }
        return result
    }

    /// The first row of the result, decoded; nil when there is none.
    package func row<Row>(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        _ decode: (any SQLRow) throws(SQLError) -> Row
    ) throws(SQLError) -> Row? {
        var result: Row?
        try forEachRow(statement, values) { row throws(SQLError) in
            result = try decode(row)
            return false
        }
        return result
    }

    /// Begins a transaction that may write and is synced.
    package func begin() throws(SQLError) { try begin(.synced) }

    /// Runs `body` in a transaction: committed when it returns, taken back when it throws.
    package func transaction<Result>(
        _ durability: SQLDurability = .synced,
        _ body: () throws -> Result
    ) throws -> Result {
        do {
            // In here, so that one that fails after it took effect leaves nothing open.
            try begin(durability)
            let result = try body()
            try commit()
            return result
        } catch {
            rollback()
            throw error
        }
    }
}
