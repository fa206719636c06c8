#if PostgreSQL

/// A statement as one session has prepared it.
final class PostgresStatement {
    let name: String
    let types: [PostgresType]
    /// Kept alive: the connection finds the prepared form by its identity, which must not pass to another statement.
    let statement: SQLStatement
    /// The form that takes a whole batch, once it was asked for.
    var batch: Batch = .unknown

    enum Batch {
        case unknown
        /// There is none: its batches are run row by row.
        case none
        case prepared(String)
    }

    init(_ statement: SQLStatement, name: String, parameterTypes: [UInt32]) throws(SQLError) {
        self.statement = statement
        self.name = name
        types = parameterTypes.compactMap { PostgresType(rawValue: $0) }
        guard types.count == parameterTypes.count else {
            throw SQLError(.other, code: 0, message: "a parameter has a type that no value has")
        }
    }

    /// The text that does for all rows at once, given as one array for each parameter, what the statement does for one; nil: there is none.
    ///
    ///     INSERT INTO t (a, b) VALUES ($1, $2)      INSERT INTO t (a, b) SELECT v.c1, v.c2 FROM unnest($1::int8[], $2::text[]) AS v(c1, c2)
    ///     UPDATE t SET b = $2 WHERE a = $1          UPDATE t SET b = v.c2 FROM unnest($1::int8[], $2::text[]) AS v(c1, c2) WHERE a = v.c1
    var batchText: String? {
        let arrays = types.enumerated().map { "$\($0 + 1)::\($1.name)[]" }.joined(separator: ", ")
        let columns = types.indices.map { "c\($0 + 1)" }
        let source = "unnest(\(arrays)) AS v(\(columns.joined(separator: ", ")))"
        let text = statement.text
        if text.hasPrefix("INSERT INTO "), let (head, tail) = Self.split(text, at: "VALUES (") {
            let parameters = types.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
            guard tail == parameters + ")" else { return nil }
            return "\(head)SELECT \(columns.map { "v." + $0 }.joined(separator: ", ")) FROM \(source)"
        }
        guard statement.isRowwise, let (head, tail) = Self.split(text, at: "WHERE ") else { return nil }
        return "\(Self.columns(in: head)) FROM \(source) WHERE \(Self.columns(in: tail))"
    }

    private static func split(_ text: String, at word: String) -> (String, String)? {
        let parts = text.split(separator: word, maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// `$7` becomes `v.c7`.
    private static func columns(in text: String) -> String {
        text.replacing("$", with: "v.c")
    }
}
#endif
