import CSQLite

/// A prepared statement of one `SQLiteConnection`, which finalizes it.
final class SQLiteStatement: SQLRow {
    private let handle: OpaquePointer
    /// Kept alive: the connection finds the prepared form by its identity, which must not pass to another statement.
    private let statement: SQLStatement

    /// Prepares the text. `$n` becomes `?n`, because SQLite numbers `$n` by first appearance and not by n.
    init(_ statement: SQLStatement, database: OpaquePointer) throws(SQLError) {
        let text = Self.rewritten(statement.text)
        var handle: OpaquePointer?
        let code = text.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                sqlite3_prepare_v3(
                    database,
                    text.baseAddress,
                    Int32(text.count),
                    UInt32(SQLITE_PREPARE_PERSISTENT),
                    &handle,
                    nil
                )
            }
        }
        guard code == SQLITE_OK, let handle else { throw SQLError(code: code, database: database) }
        self.handle = handle
        self.statement = statement
    }

    func finalize() {
        sqlite3_finalize(handle)
    }

    /// Binds by copy: the values may go at once.
    func bind(_ values: ArraySlice<SQLValue>, database: OpaquePointer) throws(SQLError) {
        var index: Int32 = 0
        for value in values {
            index += 1
            let code = bind(value, at: index)
            guard code == SQLITE_OK else { throw SQLError(code: code, database: database) }
        }
    }

    private func bind(_ value: SQLValue, at index: Int32) -> Int32 {
        switch value {
        case .null:
            sqlite3_bind_null(handle, index)
        case .integer(let number):
            sqlite3_bind_int64(handle, index, number)
        case .text(let bytes):
            bytes.withUnsafeBytes { csqlite_bind_text_copy(handle, index, $0.baseAddress, UInt64($0.count)) }
        case .blob(let bytes):
            bytes.withUnsafeBytes { csqlite_bind_blob_copy(handle, index, $0.baseAddress, UInt64($0.count)) }
        case .uuid(let high, let low):
            withUnsafeBytes(of: (high.bigEndian, low.bigEndian)) {
                csqlite_bind_blob_copy(handle, index, $0.baseAddress, 16)
            }
        case .array: SQLITE_MISMATCH
        }
    }

    /// `SQLITE_ROW`, `SQLITE_DONE` or an error.
    func step() -> Int32 {
        sqlite3_step(handle)
    }

    /// Ready to be bound again. The error of the last step was seen there already.
    func reset() {
        sqlite3_reset(handle)
    }

    // MARK: Row

    func isNull(_ column: Int) -> Bool {
        sqlite3_column_type(handle, Int32(column)) == SQLITE_NULL
    }

    func integer(_ column: Int) -> Int64 {
        sqlite3_column_int64(handle, Int32(column))
    }

    func bytes(_ column: Int) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, Int32(column)) else { return [] }
        let count = Int(sqlite3_column_bytes(handle, Int32(column)))
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }

    /// `$1::BYTEA` becomes `?1`: SQLite has neither numbered `$` parameters nor such casts, and needs none. Nor does it lock rows: what
    /// begins with `FOR UPDATE` is the end of a statement or of a part in parentheses, and goes.
    private static func rewritten(_ text: String) -> [UInt8] {
        let locking = Array("FOR UPDATE".utf8)
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0
            if bytes[index] == UInt8(ascii: "$"), (0x30...0x39).contains(next) {
                result.append(UInt8(ascii: "?"))
                index += 1
            } else if bytes[index] == UInt8(ascii: ":"), next == UInt8(ascii: ":") {
                index += 2
                while index < bytes.count, (0x41...0x5A).contains(bytes[index]) { index += 1 }
            } else if bytes[index...].starts(with: locking) {
                while index < bytes.count, bytes[index] != UInt8(ascii: ")") { index += 1 }
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }
}
