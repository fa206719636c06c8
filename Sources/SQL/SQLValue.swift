/// A parameter of a statement.
package enum SQLValue: Sendable, Equatable {
    case null
    case integer(Int64)
    /// Valid UTF-8 without NUL.
    case text([UInt8])
    case blob([UInt8])
    /// A blob of 16 bytes, big-endian, held inline: an id.
    case uuid(high: UInt64, low: UInt64)
    /// Values of one type, for a server alone.
    case array([SQLValue])

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

    /// Appends a row of as many values as there are columns.
    package mutating func append(_ row: [SQLValue]) {
        values += row
    }

    /// Appends a value; the row is complete after as many as there are columns.
    package mutating func append(_ value: SQLValue) {
        values.append(value)
    }
}
