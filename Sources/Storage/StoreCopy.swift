import Domain
import Native
import SQL

/// Copies all that one database holds into another, empty one, and proves it.
///
/// Tables go in the order in which they were made, so that what is referred to is there first; rows in the order of their keys. Both sides are
/// then read again in that order, and counts and checksums compared.
package enum StoreCopy {
    /// What one table came to.
    package struct TableReport: Sendable {
        package let name: String
        package let rows: Int
        /// SHA-256 over all rows in the order of their keys.
        package let digest: Digest256
    }

    /// Why a copy is no good: nothing of it may be kept.
    package struct Difference: Error, CustomStringConvertible {
        package let description: String
    }

    private enum Kind: Sendable {
        case integer, text, bytes
    }

    private struct Table {
        let name: String
        let columns: [(name: String, kind: Kind)]
        /// Places of the key's columns.
        let key: [Int]
        let first: SQLStatement
        let next: SQLStatement
        let insert: SQLStatement

        init(_ name: String, _ columns: [(name: String, kind: Kind)], key: [Int]) {
            self.name = name
            self.columns = columns
            self.key = key
            let names = columns.map(\.name).joined(separator: ", ")
            let keys = key.map { columns[$0].name }.joined(separator: ", ")
            let places = key.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
            first = SQLStatement(
                "SELECT \(names) FROM \(name) ORDER BY \(keys) LIMIT \(StoreCopy.portion)"
            )
            next = SQLStatement(
                "SELECT \(names) FROM \(name) WHERE (\(keys)) > (\(places)) ORDER BY \(keys) LIMIT \(StoreCopy.portion)"
            )
            let values = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
            insert = SQLStatement("INSERT INTO \(name) (\(names)) VALUES (\(values))")
        }
    }

    /// Rows that are read and written together, or fewer once they have so many bytes.
    private static let portion = 500
    private static let portionBytes = 8 << 20
    private static let tables = SQLStatement(
        """
        SELECT name FROM sqlite_master
        WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations' ORDER BY rowid
        """
    )

    /// Copies from an embedded database at the newest schema into `target`, which has the same and holds nothing, inside the transaction that
    /// is open there. Throws `Difference` when what is there then is not the same.
    package static func copy(
        from source: any SQLConnection,
        to target: any SQLConnection
    ) throws -> [TableReport] {
        let names = try source.rows(tables, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
        return try names.map { name in
            let table = try table(name, on: source)
            let original = try scan(table, on: source) { try target.batch(table.insert, $0) }
            let copy = try scan(table, on: target) { _ in }
            guard original.rows == copy.rows, original.digest == copy.digest else {
                throw Difference(
                    description:
                        "\(name): \(original.rows) rows were read and \(copy.rows) are there, or they differ"
                )
            }
            return copy
        }
    }

    private static func table(_ name: String, on source: any SQLConnection) throws -> Table {
        let statement = SQLStatement("SELECT name, type, pk FROM pragma_table_info('\(name)') ORDER BY cid")
        let columns = try source.rows(statement, []) { row throws(SQLError) in
            (
                name: String(decoding: row.bytes(0), as: UTF8.self),
                type: String(decoding: row.bytes(1), as: UTF8.self), place: Int(row.integer(2))
            )
        }
        let key = columns.indices.filter { columns[$0].place > 0 }.sorted {
            columns[$0].place < columns[$1].place
        }
        return Table(name, columns.map { ($0.name, kind(ofType: $0.type)) }, key: key)
    }

    private static func kind(ofType type: String) -> Kind {
        switch type {
        case "TEXT": .text
        case "BYTEA": .bytes
        default: .integer
        }
    }

    /// Reads a whole table in the order of its key, a portion at a time.
    private static func scan(
        _ table: Table,
        on connection: any SQLConnection,
        _ take: (SQLRows) throws -> Void
    ) throws -> TableReport {
        var hasher = SHA256Hasher()
        var count = 0
        var last: [SQLValue]?
        while true {
            var rows = SQLRows(columns: table.columns.count)
            var bytes = 0
            let (statement, values) = last.map { (table.next, $0) } ?? (table.first, [])
            try connection.forEachRow(statement, values) { row throws(SQLError) in
                for (index, column) in table.columns.enumerated() {
                    let value = value(row, index, column.kind)
                    bytes += value.size
                    rows.append(value)
                }
                return bytes < portionBytes
            }
            guard !rows.isEmpty else { break }
            for value in rows.values { hasher.update(value) }
            count += rows.count
            let end = rows.values.suffix(table.columns.count)
            last = table.key.map { end[end.startIndex + $0] }
            try take(rows)
            guard rows.count == portion || bytes >= portionBytes else { break }
        }
        return TableReport(name: table.name, rows: count, digest: hasher.finish())
    }

    private static func value(_ row: any SQLRow, _ column: Int, _ kind: Kind) -> SQLValue {
        if row.isNull(column) { return .null }
        return switch kind {
        case .integer: .integer(row.integer(column))
        case .text: .text(row.bytes(column))
        case .bytes: .blob(row.bytes(column))
        }
    }
}

extension SQLValue {
    fileprivate var size: Int {
        switch self {
        case .text(let bytes), .blob(let bytes): bytes.count
        case .null, .integer, .uuid, .array: 16
        }
    }
}

extension SHA256Hasher {
    /// A value with its kind and length, so that no two rows look alike.
    fileprivate mutating func update(_ value: SQLValue) {
        var bytes: [UInt8] = []
        switch value {
        case .null: bytes.append(0)
        case .integer(let number):
            bytes.append(1)
            bytes.appendBigEndian(UInt64(bitPattern: number), count: 8)
        case .text(let text), .blob(let text):
            bytes.append(2)
            bytes.appendBigEndian(UInt64(text.count), count: 8)
            bytes += text
        case .uuid(let high, let low):
            bytes.append(2)
            bytes.appendBigEndian(16, count: 8)
            bytes.appendBigEndian(high, count: 8)
            bytes.appendBigEndian(low, count: 8)
        case .array: preconditionFailure("no column holds a list")
        }
        update(bytes)
    }
}
