/// A parameter of a statement.
package enum SQLValue: Sendable, Equatable {
    case null
    case integer(Int64)
    /// Valid UTF-8 without NUL.
    case text([UInt8])
    case blob([UInt8])

    /// The text of a `String`.
    package static func text(_ string: String) -> SQLValue { .text(Array(string.utf8)) }
}

/// One registered statement: a constant text with `$1`, `$2` ... for its parameters.
///
/// A class, so that a connection finds the prepared form by identity and not by hashing the text.
package final class SQLStatement: Sendable {
    /// The text, the same for every engine.
    package let text: String

    package init(_ text: String) {
        self.text = text
    }
}

/// A statement over a counted list of rows: `?ROWS?` in its text stands for `($n, $n+1, ...), ...`.
///
/// Made for a few fixed counts, so that the prepared forms stay few. The last row is repeated to fill a count up.
package struct SQLRowsStatement: Sendable {
    /// The counts for which forms exist, ascending.
    package static let counts = [1, 4, 16, 64, 256]

    /// Parameters before those of the rows.
    package let leading: Int
    /// Parameters of one row.
    package let width: Int
    private let forms: [SQLStatement]

    /// `casts` gives the SQL type of each column, needed by engines that can't infer the type of a parameter in a list.
    package init(_ text: String, leading: Int, casts: [String]) {
        self.leading = leading
        width = casts.count
        let parts = text.split(separator: "?ROWS?", maxSplits: 1, omittingEmptySubsequences: false)
        precondition(parts.count == 2, "the text of a rows statement has one ?ROWS?")
        forms = SQLRowsStatement.counts.map { count in
            let rows = (0..<count).map { row in
                let columns = casts.indices.map { "CAST($\(leading + row * casts.count + $0 + 1) AS \(casts[$0]))" }
                return "(" + columns.joined(separator: ", ") + ")"
            }
            return SQLStatement(parts[0] + rows.joined(separator: ", ") + parts[1])
        }
    }

    /// The forms with their texts, for the tests that look at their plans.
    package var statements: [SQLStatement] { forms }

    /// The smallest form for `rows`, and all its parameters. `rows` has 1 to 256 rows of `width` values.
    package func bind(_ leadingValues: [SQLValue], rows: ArraySlice<[SQLValue]>) -> (SQLStatement, [SQLValue]) {
        let index = SQLRowsStatement.counts.firstIndex { $0 >= rows.count } ?? forms.count - 1
        var values = leadingValues
        values.reserveCapacity(leading + SQLRowsStatement.counts[index] * width)
        for row in rows { values += row }
        if let last = rows.last {
            for _ in rows.count..<SQLRowsStatement.counts[index] { values += last }
        }
        return (forms[index], values)
    }

    /// Most rows of one form.
    package static let maximum = 256
}
