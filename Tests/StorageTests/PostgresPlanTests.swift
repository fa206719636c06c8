import SQL
import Storage
import TestDatabases
import Testing

/// The plans of the server, made as a node's session makes them: for any parameters, and without a walk over a whole table where there is
/// another way.
@Suite("Statements on PostgreSQL", .needsPostgres, .within(minutes: 2))
struct PostgresPlanTests {
    /// The forms that run on a server.
    private static func forms(_ statements: [SQLStatement]) -> [SQLStatement] {
        statements.filter { !isEmbedded($0) }
    }

    private static func isEmbedded(_ statement: SQLStatement) -> Bool {
        statement.text.contains("FROM (VALUES (")
    }

    @Test("those over many keys have a form for a server, five for the embedded engine")
    func formsOfManyKeys() {
        let embedded = (StatementRegistry.tenant + StatementRegistry.platform).filter(Self.isEmbedded)
        #expect(embedded.count == 5 * StatementRegistry.server.count)
    }

    @Test("a walk over a table is seen in a plan")
    func readsPlans() {
        let plan = """
            Nested Loop  (cost=0.15..2.34 rows=1 width=8)
              ->  Seq Scan on alerts a  (cost=0.00..1.01 rows=1 width=8)
                    Filter: (account_id = $1)
              ->  Index Scan using events_pkey on events e  (cost=0.15..8.17 rows=1 width=8)
                    Index Cond: ((account_id = $1) AND (id = a.id))
              ->  Bitmap Heap Scan on routes  (cost=0.15..8.17 rows=1 width=8)
                    Recheck Cond: (account_id = $1)
                    ->  Bitmap Index Scan on routes_in_order  (cost=0.15..8.17 rows=1 width=8)
                          Index Cond: (account_id = $1)
            """
        let scans = Self.scans(in: plan.split(separator: "\n").map(String.init))
        #expect(scans.map(\.table) == ["alerts", "events", "routes"])
        #expect(scans.map(\.isWhole) == [true, false, false])
        #expect(scans.map { $0.conditions.contains("account_id = ") } == [false, true, true])
    }

    /// The plan of a statement, line by line.
    private static func plan(
        _ statement: SQLStatement,
        _ number: Int,
        _ connection: any SQLConnection
    ) throws -> [String] {
        try connection.execute(script: "PREPARE plan\(number) AS \(statement.text)")
        let count = SQLStatement(
            "SELECT COALESCE(array_length(parameter_types, 1), 0)::BIGINT FROM pg_prepared_statements WHERE name = 'plan\(number)'"
        )
        let parameters = try connection.row(count, []) { row throws(SQLError) in row.integer(0) } ?? 0
        let nulls = parameters == 0 ? "" : "(\((0..<parameters).map { _ in "NULL" }.joined(separator: ", ")))"
        let explain = SQLStatement("EXPLAIN EXECUTE plan\(number)\(nulls)")
        return try connection.rows(explain, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
    }

    /// A scan of a plan: the table, and the conditions by which its index is entered.
    struct Scan: Equatable {
        let table: String
        let isWhole: Bool
        var conditions = ""
    }

    /// The scans of tables in a plan.
    static func scans(in plan: [String]) -> [Scan] {
        var scans: [Scan] = []
        for line in plan {
            let words = line.split(separator: " ").map(String.init)
            // It belongs to the scan of the heap above it.
            if line.contains("Bitmap Index Scan") { continue }
            if line.contains("Scan"), let place = words.firstIndex(of: "on"), place + 1 < words.count {
                scans.append(Scan(table: words[place + 1], isWhole: line.contains("Seq Scan")))
            } else if line.contains("Index Cond:"), let last = scans.indices.last {
                scans[last].conditions += line
            }
        }
        return scans
    }

    @Test("every statement can be prepared")
    func prepare() async throws {
        try await PostgresDatabase.with { database in
            let connection = try database.connection(for: .writer)
            connection.enter(.platform)
            for (number, statement) in Self.forms(
                StatementRegistry.tenant + StatementRegistry.server + StatementRegistry.platform
            )
            .enumerated() {
                do throws(SQLError) {
                    try connection.execute(script: "PREPARE s\(number) AS \(statement.text)")
                } catch {
                    Issue.record("\(error.message)\nin \(statement.text)")
                }
            }
        }
    }

    /// Whether a tenant statement may touch a table without entering an index by the account.
    private static func isAllowed(_ scan: Scan) -> Bool {
        !Schema.tenantTables.contains(scan.table)
    }

    @Test("every statement of a tenant enters each tenant table by an index, with the account")
    func namesTheAccount() async throws {
        try await PostgresDatabase.with { database in
            let connection = try database.connection(for: .writer)
            connection.enter(.account(1))
            var count = 0
            for (number, statement) in Self.forms(StatementRegistry.tenant + StatementRegistry.server)
                .enumerated()
            {
                let plan = try Self.plan(statement, number, connection)
                for scan in Self.scans(in: plan) where !Self.isAllowed(scan) {
                    count += 1
                    #expect(
                        !scan.isWhole && scan.conditions.contains("account_id = "),
                        "\(scan)\n\(plan.joined(separator: "\n"))\nin \(statement.text)"
                    )
                }
            }
            #expect(count > 100)
        }
    }

    /// Statements of the platform that walk over a tenant table, each with its reason.
    private static let walks: Set = [
        // Of all accounts, at the start of a process that is alone on its store: never on a server's database.
        "UPDATE notifier_states SET lease_owner = NULL WHERE lease_owner IS NOT NULL"
    ]

    @Test("no statement of the platform walks over a whole tenant table, but for a few")
    func platform() async throws {
        try await PostgresDatabase.with { database in
            let connection = try database.connection(for: .writer)
            connection.enter(.platform)
            for (number, statement) in Self.forms(StatementRegistry.platform).enumerated()
            where !Self.walks.contains(statement.text) {
                let plan = try Self.plan(statement, number, connection)
                for scan in Self.scans(in: plan) where !Self.isAllowed(scan) {
                    #expect(!scan.isWhole, "\(plan.joined(separator: "\n"))\nin \(statement.text)")
                }
            }
        }
    }
}
