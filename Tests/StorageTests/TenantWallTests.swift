import SQL
import Storage
import TestDatabases
import Testing

/// Row-level security, table by table as the catalogue has them: a table with accounts' rows that somebody adds without a wall fails here.
@Suite("The walls between tenants", .needsPostgres, .within(minutes: 2))
struct TenantWallTests {
    /// Tables with the number of an account that have no wall, each with its reason.
    private static let open: Set = [
        // Who the tenants are is the platform's: it is looked up before it is known whose a call is, and holds no data of a tenant's.
        "accounts"
    ]

    private static let tables = SQLStatement(
        """
        SELECT c.relname::TEXT, c.relrowsecurity, c.relforcerowsecurity
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.attname = 'account_id'
        ORDER BY c.relname
        """
    )

    private struct Table {
        let name: String
        let isWalled: Bool
    }

    private static func tables(_ connection: any SQLConnection) throws -> [Table] {
        try connection.rows(tables, []) { row throws(SQLError) in
            Table(
                name: String(decoding: row.bytes(0), as: UTF8.self),
                isWalled: row.integer(1) == 1 && row.integer(2) == 1
            )
        }
    }

    @Test("stand around every table that holds accounts' rows, for the owner of the tables, too")
    func stand() async throws {
        try await PostgresDatabase.with { database in
            let connection = try database.administrator()
            let doubt = SQLStatement(
                "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
            )
            let passesBy = try connection.row(doubt, []) { row throws(SQLError) in row.integer(0) }
            #expect(
                passesBy == 0,
                "the role of TOCSIN_TEST_POSTGRES passes by every wall: give one that does not"
            )
            let tables = try Self.tables(connection)
            #expect(tables.filter { !$0.isWalled }.map(\.name) == Self.open.sorted())
            let walled = Schema.tenantTables + ["account_deletions", "account_deletion_counts"]
            #expect(Set(tables.filter(\.isWalled).map(\.name)) == Set(walled))
        }
    }

    @Test("show a session the rows of its account, and let it write no others")
    func hold() async throws {
        try await PostgresDatabase.with { database in
            let administrator = try database.administrator()
            let tables = try Self.tables(administrator).map(\.name).filter { !Self.open.contains($0) }
            try Self.fill(tables, administrator)
            let connection = try database.connection(for: .writer)
            for table in tables { try Self.check(table, connection) }
        }
    }

    /// Puts one row of each of two accounts into every table, made up of the types of its columns; what they refer to is not there.
    private static func fill(_ tables: [String], _ connection: any SQLConnection) throws {
        let references = SQLStatement(
            """
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname) FROM pg_constraint WHERE contype = 'f'
            """
        )
        try connection.execute(script: try texts(references, connection).joined())
        for table in tables {
            for account in 1...2 { try connection.execute(script: try row(of: account, table, connection)) }
        }
    }

    /// The statement that adds a row of `account`.
    private static func row(
        of account: Int,
        _ table: String,
        _ connection: any SQLConnection
    ) throws -> String {
        let values = SQLStatement(
            """
            SELECT CASE WHEN attname = 'account_id' THEN '\(account)'
                WHEN atttypid IN ('bigint'::regtype, 'smallint'::regtype, 'integer'::regtype) THEN '1'
                WHEN atttypid = 'text'::regtype THEN '''of \(account)''' ELSE '''\\x0\(account)'''  END
            FROM pg_attribute
            WHERE attrelid = '\(table)'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
            """
        )
        return "INSERT INTO \(table) VALUES (\(try texts(values, connection).joined(separator: ", ")));"
    }

    private static func texts(
        _ statement: SQLStatement,
        _ connection: any SQLConnection
    ) throws -> [String] {
        try connection.rows(statement, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
    }

    private static func check(_ table: String, _ connection: any SQLConnection) throws {
        let accounts = SQLStatement("SELECT account_id FROM \(table) ORDER BY account_id")
        let take = SQLStatement("UPDATE \(table) SET account_id = 1 WHERE account_id <> 1")
        let give = SQLStatement("UPDATE \(table) SET account_id = 2")
        let delete = SQLStatement("DELETE FROM \(table) WHERE account_id <> 1")
        let seen =
            [
                (.nobody, []), (.account(1), [1]), (.account(2), [2]), (.account(3), []),
                (.platform, [1, 2]),
            ] as [(SQLScope, [Int64])]
        for (scope, wanted) in seen {
            connection.enter(scope)
            let found = try connection.rows(accounts, []) { row throws(SQLError) in row.integer(0) }
            #expect(found == wanted, "\(table), \(scope)")
        }
        connection.enter(.account(1))
        #expect(try connection.run(take, []) == 0, "\(table): a foreign row was taken")
        #expect(try connection.run(delete, []) == 0, "\(table): a foreign row was deleted")
        let refused = "row-level security"
        #expect(throws: SQLError.self, "\(table): a row was given away") { try connection.run(give, []) }
        for scope in [.account(1), .account(3), .nobody] as [SQLScope] {
            connection.enter(scope)
            let insert = try row(of: 2, table, connection)
            do {
                try connection.execute(script: insert)
                Issue.record("\(table): \(scope) wrote a row of account 2")
            } catch {
                #expect(error.message.contains(refused), "\(table), \(scope): \(error.message)")
            }
        }
        connection.enter(.platform)
        #expect(try connection.rows(accounts, []) { row throws(SQLError) in row.integer(0) } == [1, 2])
    }
}
