import Domain
import SQL

/// The limits of accounts: where they are kept, and where they are reached.
extension AccountLimits {
    /// In the order of `Kind`.
    static let columns = """
        calls_per_second, call_burst, pushes_per_second, push_burst, channel_limit, integration_limit, route_limit,
        pattern_limit, pattern_bytes_limit, program_size_limit, unindexed_limit, condition_bytes_limit
        """
    static let find = SQLStatement("SELECT \(columns) FROM accounts WHERE account_id = $1")
    static let write = SQLStatement(
        """
        UPDATE accounts SET calls_per_second = $2, call_burst = $3, pushes_per_second = $4, push_burst = $5,
            channel_limit = $6, integration_limit = $7, route_limit = $8, pattern_limit = $9, pattern_bytes_limit = $10,
            program_size_limit = $11, unindexed_limit = $12, condition_bytes_limit = $13
        WHERE account_id = $1
        """
    )
    static let countChannels = SQLStatement("SELECT COUNT(*) FROM channels WHERE account_id = $1")
    static let countIntegrations = SQLStatement("SELECT COUNT(*) FROM integrations WHERE account_id = $1")

    /// All statements, for the plan test.
    static let statements = [find, write, countChannels, countIntegrations]

    /// Of the account that `write` changes. Throws `notFound`.
    static func of(_ write: Mutation) throws -> AccountLimits {
        try of(write.account, on: write.connection)
    }

    /// Of an account. Throws `notFound`.
    static func of(_ account: AccountNumber, on connection: any SQLConnection) throws -> AccountLimits {
        let row = try connection.row(find, [.account(account)]) { row throws(SQLError) in
            row.limits(0)
        }
        guard let row else { throw StoreError.notFound }
        return row
    }

    /// Keeps them. Throws `invalid` when they don't go together.
    func save(_ write: Mutation) throws {
        guard errors.isEmpty else { throw StoreError.invalid(ValidationErrors(errors)) }
        try write.connection.run(
            Self.write,
            [.account(write.account)] + Kind.allCases.map { .int(self[$0]) }
        )
    }

    /// Throws `limitReached` when the account has as many as it may. `counted` is how many there are.
    static func checkRoom(for kind: Kind, having counted: Int, _ write: Mutation) throws {
        try of(write).checkRoom(for: kind, having: counted)
    }

    /// The same.
    func checkRoom(for kind: Kind, having counted: Int) throws {
        guard counted < self[kind] else { throw StoreError.limitReached(kind, self[kind]) }
    }

    /// The same, counting them.
    static func checkRoom(for kind: Kind, counting statement: SQLStatement, _ write: Mutation) throws {
        let count = try write.connection.row(statement, [.account(write.account)]) { row throws(SQLError) in
            row.int(0)
        }
        try checkRoom(for: kind, having: count ?? 0, write)
    }

    /// Throws `invalid` when an integration can't have this share.
    static func check(_ rate: RateLimit, _ write: Mutation) throws {
        try of(write).check(rate, at: "")
    }

    /// The same; `pointer` says where the integration is in the body.
    func check(_ rate: RateLimit, at pointer: String) throws {
        let ceiling = pushes
        var errors = ValidationErrors()
        if rate.pushesPerSecond > ceiling.pushesPerSecond {
            let detail = "must be at most \(ceiling.pushesPerSecond), the account's limit"
            errors.add(pointer + "/rate_limit/pushes_per_second", detail)
        }
        if rate.burst > ceiling.burst {
            errors.add(pointer + "/rate_limit/burst", "must be at most \(ceiling.burst), the account's limit")
        }
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
    }
}

extension SQLRow {
    /// The columns of an account's limits, from `column` on.
    func limits(_ column: Int) -> AccountLimits {
        AccountLimits { int(column + $0.rawValue) }
    }
}
