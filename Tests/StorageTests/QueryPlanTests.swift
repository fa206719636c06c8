import Domain
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Statements")
struct QueryPlanTests {
    @Test(
        "every statement on a tenant table is bounded by an account, as the engine plans it",
        .needsSQLite("EXPLAIN QUERY PLAN is SQLite's; PostgresPlanTests looks at the server's plans")
    )
    func namesTheAccount() throws {
        let connection = try TestDatabase.connection()
        for statement in StatementRegistry.tenant {
            let plan = try connection.rows(SQLStatement("EXPLAIN QUERY PLAN " + statement.text), []) {
                row throws(SQLError) in
                String(decoding: row.bytes(3), as: UTF8.self)
            }
            for line in plan
            where Schema.tenantTables.contains(where: { line.mentions($0, in: statement.text) }) {
                #expect(line.contains("account_id=?"), "\(line)\nin \(statement.text)")
            }
        }
    }

    @Test(
        "a look for what is no longer kept passes over the deliveries whose bodies are gone",
        .needsSQLite("EXPLAIN QUERY PLAN is SQLite's")
    )
    func seeksBodies() throws {
        let connection = try TestDatabase.connection()
        let look = try #require(
            StatementRegistry.tenant.first { $0.text.contains("COALESCE(u.bodies_purged_to") }
        )
        let plan = try connection.rows(SQLStatement("EXPLAIN QUERY PLAN " + look.text), []) {
            row throws(SQLError) in
            String(decoding: row.bytes(3), as: UTF8.self)
        }
        #expect(
            plan.contains { $0.contains("SEARCH b") && $0.contains("(account_id=? AND id>?)") },
            "\(plan)"
        )
    }

    @Test("platform look-ups are few and known")
    func platformIsNamed() {
        #expect(StatementRegistry.platform.count { $0.text.contains("public_id") } == 1)
        #expect(StatementRegistry.tenant.count > 80)
    }
}

extension String {
    /// Whether a line of a plan is about `table`, directly or under an alias that `text` gives it.
    fileprivate func mentions(_ table: String, in text: String) -> Bool {
        let words = split(whereSeparator: { $0 == " " || $0 == "(" }).map(String.init)
        guard let first = words.first, first == "SEARCH" || first == "SCAN", words.count > 1 else {
            return false
        }
        if words[1] == table { return true }
        return text.contains("\(table) \(words[1])\n") || text.contains("\(table) \(words[1]) ")
    }
}
