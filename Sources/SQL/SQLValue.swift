/// A parameter of a statement.
package enum SQLValue: Sendable, Equatable {
    case null
    case integer(Int64)
    /// Valid UTF-8 without NUL.
    case text([UInt8])
    case blob([UInt8])
    /// A blob of 16 bytes, big-endian, held inline: an id.
    case uuid(high: UInt64, low: UInt64)

    /// The text of a `String`.
    package static func text(_ string: String) -> SQLValue { .text(Array(string.utf8)) }
}

/// One registered statement: a constant text with `$1`, `$2` ... for its parameters.
///
/// A class, so that a connection finds the prepared form by identity and not by hashing the text.
package final class SQLStatement: Sendable {
    /// The text, the same for every engine.
    package let text: String
    /// An UPDATE whose batches never name a row of the table twice, so that an engine may run a batch of it as one statement.
    package let isRowwise: Bool

    package init(_ text: String, isRowwise: Bool = false) {
        self.text = text
        self.isRowwise = isRowwise
    }
}

/// Parameters for running one statement several times: the values of all rows in one list.
package struct SQLRows: Sendable {
    /// Parameters of the statement: values of a row.
    package let columns: Int
    package private(set) var values: [SQLValue] = []

    package init(columns: Int) {
        self.columns = columns
    }

    /// Rows of equal length, at least one value each.
    package init(_ rows: [[SQLValue]]) {
        columns = rows.first?.count ?? 1
        values = rows.flatMap { $0 }
    }

    package var count: Int { values.count / columns }
    package var isEmpty: Bool { values.isEmpty }

    /// Appends a value; the row is complete after as many as there are columns.
    package mutating func append(_ value: SQLValue) {
        values.append(value)
    }
}

/// A statement over a counted list of rows: `?ROWS?` in its text stands for `($n, $n+1, ...), ...`.
///
/// Made for a few fixed counts, so that the prepared forms stay few; longer lists are run in several parts.
package struct SQLRowsStatement: Sendable {
    /// The counts for which forms exist, descending.
    private static let counts = [256, 64, 16, 4, 1]

    private let leading: Int
    private let forms: [SQLStatement]

    /// `leading` parameters come before those of the rows; `types` are the SQL types of a row's columns, which some engines can't
    /// infer for a parameter in a list. They are written `$n::TYPE`; the driver of an engine that needs none drops them.
    package init(_ text: String, leading: Int, types: [String]) {
        self.leading = leading
        let parts = text.split(separator: "?ROWS?", maxSplits: 1, omittingEmptySubsequences: false)
        precondition(parts.count == 2, "the text of a rows statement has one ?ROWS?")
        forms = SQLRowsStatement.counts.map { count in
            let rows = (0..<count).map { row in
                let columns = types.indices.map { "$\(leading + row * types.count + $0 + 1)::\(types[$0])" }
                return "(" + columns.joined(separator: ", ") + ")"
            }
            return SQLStatement(parts[0] + rows.joined(separator: ", ") + parts[1])
        }
    }

    /// The forms with their texts, for the tests that look at their plans.
    package var statements: [SQLStatement] { forms }

    /// Calls `run` with a form and its parameters until all `rows` were in one.
    package func forEachPart(
        _ leadingValues: [SQLValue],
        rows: [[SQLValue]],
        _ run: (SQLStatement, [SQLValue]) throws(SQLError) -> Void
    ) throws(SQLError) {
        precondition(
            leadingValues.count == leading,
            "a rows statement got another number of leading parameters"
        )
        var rest = rows[...]
        for (count, form) in zip(SQLRowsStatement.counts, forms) {
            while rest.count >= count {
                try run(form, leadingValues + rest.prefix(count).flatMap { $0 })
                rest = rest.dropFirst(count)
            }
        }
    }
}
