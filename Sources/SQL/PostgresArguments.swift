#if PostgreSQL

/// The types that parameters have here, by their numbers in PostgreSQL's catalogue.
enum PostgresType: UInt32 {
    case bool = 16
    case bytea = 17
    case int8 = 20
    case int2 = 21
    case int4 = 23
    case text = 25
    case byteaArray = 1001
    case int2Array = 1005
    case int4Array = 1007
    case textArray = 1009
    case int8Array = 1016

    /// As SQL spells it.
    var name: String {
        switch self {
        case .bool: "bool"
        case .bytea: "bytea"
        case .int8: "int8"
        case .int2: "int2"
        case .int4: "int4"
        case .text: "text"
        case .byteaArray: "bytea[]"
        case .int2Array: "int2[]"
        case .int4Array: "int4[]"
        case .textArray: "text[]"
        case .int8Array: "int8[]"
        }
    }

    /// What an array holds; nil for what is none.
    var element: PostgresType? {
        switch self {
        case .byteaArray: .bytea
        case .int2Array: .int2
        case .int4Array: .int4
        case .textArray: .text
        case .int8Array: .int8
        case .bool, .bytea, .int8, .int2, .int4, .text: nil
        }
    }
}

/// The parameters of one execution in PostgreSQL's binary form: big-endian integers, bytes as they are.
struct PostgresArguments {
    private var bytes: [UInt8] = []
    /// Where each begins; nil: NULL.
    private var starts: [Int?] = []
    private var lengths: [Int32] = []

    /// Of all values.
    var byteCount: Int { bytes.count }

    /// One value for each of `types`.
    init(_ values: ArraySlice<SQLValue>, _ types: [PostgresType]) throws(SQLError) {
        guard values.count == types.count else { throw Self.mismatch("\(values.count) for \(types.count)") }
        starts.reserveCapacity(types.count)
        lengths.reserveCapacity(types.count)
        for (value, type) in zip(values, types) {
            let start = bytes.count
            let isNull = try !Self.append(value, type, to: &bytes)
            starts.append(isNull ? nil : start)
            lengths.append(Int32(bytes.count - start))
        }
    }

    /// An array for each column of `rows`, of its type.
    init(columnsOf rows: SQLRows, _ range: Range<Int>, _ types: [PostgresType]) throws(SQLError) {
        guard rows.columns == types.count else { throw Self.mismatch("\(rows.columns) for \(types.count)") }
        for (column, type) in types.enumerated() {
            let start = bytes.count
            starts.append(start)
            let places = range.lazy.map { $0 * rows.columns + column }
            try Self.append(places.map { rows.values[$0] }, of: type, to: &bytes)
            lengths.append(Int32(bytes.count - start))
        }
    }

    /// Calls `body` with what libpq wants; the pointers live that long.
    func withPointers<Result>(
        _ body: (
            Int32, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
        ) -> Result
    ) -> Result {
        let formats = [Int32](repeating: 1, count: starts.count)
        // One byte more: an array without any has no address, but an empty value must have one, since NULL is said by its absence.
        return (bytes + [0]).withUnsafeBytes { bytes in
            let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values = starts.map { start -> UnsafePointer<CChar>? in
                guard let start, let base else { return nil }
                return base + start
            }
            return body(Int32(starts.count), values, lengths, formats)
        }
    }

    /// Appends the value without its length; false: it is NULL.
    private static func append(
        _ value: SQLValue,
        _ type: PostgresType,
        to bytes: inout [UInt8]
    ) throws(SQLError) -> Bool {
        switch (value, type) {
        case (.null, _): return false
        case (.integer(let number), .int8): append(UInt64(bitPattern: number), to: &bytes)
        case (.integer(let number), .int4): append(UInt32(bitPattern: Int32(clamping: number)), to: &bytes)
        case (.integer(let number), .int2): append(UInt16(bitPattern: Int16(clamping: number)), to: &bytes)
        case (.integer(let number), .bool): bytes.append(number == 0 ? 0 : 1)
        case (.text(let text), .text): bytes += text
        case (.blob(let blob), .bytea): bytes += blob
        case (.uuid(let high, let low), .bytea):
            append(high, to: &bytes)
            append(low, to: &bytes)
        case (.array(let elements), _):
            guard let element = type.element else { throw mismatch("a list for \(type.name)") }
            try append(elements, of: element, to: &bytes)
        default: throw mismatch("a value of another kind for \(type.name)")
        }
        return true
    }

    /// An array: dimensions (1), whether it holds NULLs, type of the elements, their count, number of the first (1); then for each element its
    /// length, -1 for NULL, and its bytes. Source: `array_recv` of PostgreSQL.
    private static func append(
        _ elements: [SQLValue],
        of type: PostgresType,
        to bytes: inout [UInt8]
    ) throws(SQLError) {
        let start = bytes.count
        for head in [1, 0, type.rawValue, UInt32(elements.count), 1] { append(head, to: &bytes) }
        var hasNull = false
        for element in elements {
            let place = bytes.count
            append(UInt32.max, to: &bytes)
            if try append(element, type, to: &bytes) {
                overwrite(place, with: UInt32(bytes.count - place - 4), in: &bytes)
            } else {
                hasNull = true
            }
        }
        if hasNull { overwrite(start + 4, with: 1, in: &bytes) }
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.bigEndian) { bytes += $0 }
    }

    private static func overwrite(_ place: Int, with number: UInt32, in bytes: inout [UInt8]) {
        for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: number >> (24 - 8 * index)) }
    }

    private static func mismatch(_ what: String) -> SQLError {
        SQLError(.other, code: 0, message: "the parameters do not fit the statement: \(what)")
    }
}
#endif
