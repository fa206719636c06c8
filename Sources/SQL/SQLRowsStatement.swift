/// A statement that finds rows of a table for each of many keys.
///
/// - Embedded, it joins with a counted list, `VALUES ($n, $n+1, ...), ...`, for which there are forms of a few fixed counts, so that the
///   prepared ones stay few; longer lists are run in several parts.
/// - On a server it joins with arrays, one for each column, and the table is looked into once for each key. Why: a planner that believes that
///   an account has one row reads all of them instead, and compares each with each key. Otherwise: a push costs what the account holds.
package struct SQLRowsStatement: Sendable {
    /// The counts for which forms exist, descending.
    private static let counts = [256, 64, 16, 4, 1]

    private let leading: Int
    private let forms: [SQLStatement]
    private let serverForm: SQLStatement

    /// `SELECT columns FROM keys v, table WHERE condition`; `table` is a name and an alias. The columns of a key are `v.column1`, `v.column2` ..,
    /// of the SQL `types`; `leading` parameters come before them.
    package init(
        _ columns: String,
        from table: String,
        where condition: String,
        leading: Int,
        types: [String]
    ) {
        self.leading = leading
        forms = SQLRowsStatement.counts.map { count in
            let rows = (0..<count).map { row in
                let columns = types.indices.map { "$\(leading + row * types.count + $0 + 1)::\(types[$0])" }
                return "(" + columns.joined(separator: ", ") + ")"
            }
            let list = rows.joined(separator: ", ")
            return SQLStatement(
                "SELECT \(columns) FROM (VALUES \(list)) AS v CROSS JOIN \(table) WHERE \(condition)"
            )
        }
        let alias = table.split(separator: " ").last ?? ""
        let arrays = types.enumerated().map { "$\(leading + $0 + 1)::\($1)[]" }.joined(separator: ", ")
        let names = types.indices.map { "column\($0 + 1)" }.joined(separator: ", ")
        serverForm = SQLStatement(
            """
            SELECT \(columns) FROM unnest(\(arrays)) AS v(\(names))
            CROSS JOIN LATERAL (SELECT * FROM \(table) WHERE \(condition) OFFSET 0) AS \(alias)
            """
        )
    }

    /// The forms of the embedded engine with their texts, for the tests that look at their plans.
    package var statements: [SQLStatement] { forms }
    /// The form of a server.
    package var serverStatement: SQLStatement { serverForm }

    /// Calls `run` with a form and its parameters until all `keys` were in one.
    fileprivate func forEachPart(
        _ leadingValues: [SQLValue],
        keys: [[SQLValue]],
        on dialect: SQLDialect,
        _ run: (SQLStatement, [SQLValue]) throws(SQLError) -> Void
    ) throws(SQLError) {
        precondition(
            leadingValues.count == leading,
            "a rows statement got another number of leading parameters"
        )
        guard let first = keys.first else { return }
        if dialect == .postgres {
            let arrays = first.indices.map { column in SQLValue.array(keys.map { $0[column] }) }
            return try run(serverForm, leadingValues + arrays)
        }
        var rest = keys[...]
        for (count, form) in zip(SQLRowsStatement.counts, forms) {
            while rest.count >= count {
                try run(form, leadingValues + rest.prefix(count).flatMap { $0 })
                rest = rest.dropFirst(count)
            }
        }
    }
}

extension SQLConnection {
    /// The rows that are found for `keys`, decoded, in no order.
    package func rows<Row>(
        _ statement: SQLRowsStatement,
        _ leadingValues: [SQLValue],
        keys: [[SQLValue]],
        _ decode: (any SQLRow) throws(SQLError) -> Row
    ) throws(SQLError) -> [Row] {
        var found: [Row] = []
        try statement.forEachPart(leadingValues, keys: keys, on: dialect) { form, values throws(SQLError) in
            found += try rows(form, values, decode)
        }
        return found
    }
}
