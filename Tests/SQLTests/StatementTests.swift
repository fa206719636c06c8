import SQL
import TestDatabases
import Testing

/// The one behaviour of all engines.
@Suite("A connection", .within(minutes: 2))
struct StatementTests {
    private static let engines = TestEngine.available

    @Test("only a transaction that may be synced later asks for no sync", arguments: engines)
    func durability(engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            let question = SQLStatement(
                engine == .sqlite ? "PRAGMA synchronous" : "SELECT current_setting('synchronous_commit')"
            )
            func answer(_ row: any SQLRow) -> String {
                engine == .sqlite ? "\(row.integer(0))" : String(decoding: row.bytes(0), as: UTF8.self)
            }
            let (full, less) = engine == .sqlite ? ("2", "1") : ("on", "off")
            let durabilities: [(SQLDurability, String)] = [
                (.synced, full), (.later, less), (.later, less), (.synced, full), (.later, less),
                (.synced, full),
            ]
            for (place, (durability, expected)) in durabilities.enumerated() {
                let found = try connection.transaction(durability) {
                    try connection.run(Things.insert, Things.row(Int64(place)))
                    return try connection.row(question, []) { row throws(SQLError) in answer(row) }
                }
                #expect(found == expected)
                // A statement outside of any transaction is synced, whatever was before it.
                let outside = try connection.row(question, []) { row throws(SQLError) in answer(row) }
                #expect(outside == full)
            }
            #expect(throws: SQLError.self) {
                try connection.transaction(.later) { try connection.run(Things.insert, Things.row(0)) }
            }
            let after = try connection.row(question, []) { row throws(SQLError) in answer(row) }
            #expect(after == full)
            #expect(try Things.ids(connection).count == durabilities.count)
        }
    }

    @Test("is tried on PostgreSQL, too", .needsPostgres)
    func isComplete() {
        #expect(Self.engines == TestEngine.allCases)
    }

    struct Stored: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let number: SQLValue
        let code: SQLValue
        let words: SQLValue
        let bytes: SQLValue
    }

    static let values = [
        Stored(testDescription: "nothing", number: .null, code: .null, words: .null, bytes: .null),
        Stored(
            testDescription: "the least",
            number: .integer(.min),
            code: .integer(-32_768),
            words: .text([]),
            bytes: .blob([])
        ),
        Stored(
            testDescription: "the most",
            number: .integer(.max),
            code: .integer(32_767),
            words: .text(String(repeating: "长", count: 100_000)),
            bytes: .blob((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        ),
        Stored(
            testDescription: "UTF-8 and quotes",
            number: .integer(-1),
            code: .integer(0),
            words: .text("a\n'\"\\ $1 ? é e\u{301} 告警 🚨"),
            bytes: .blob([0, 0xFF, 0x27, 0x5C])
        ),
        Stored(
            testDescription: "an id",
            number: .integer(1 << 40),
            code: .integer(-1),
            words: .text("x"),
            bytes: .uuid(high: 0x0102_0304_0506_0708, low: 0xFFFE_FDFC_FBFA_F9F8)
        ),
    ]

    @Test("gives back what it was given, one by one and in batches", arguments: engines, values)
    func roundTrip(_ engine: TestEngine, _ stored: Stored) async throws {
        try await withConnection(engine) { connection in
            let values = [stored.number, stored.code, stored.words, stored.bytes]
            try connection.run(Things.insert, [.integer(1)] + values)
            try check(connection, 1, values)
            try connection.run(Things.delete, [.integer(0)])
            try connection.batch(Things.insert, [[.integer(2)] + values, Things.row(3)])
            try check(connection, 2, values)
        }
    }

    private func check(_ connection: any SQLConnection, _ id: Int64, _ values: [SQLValue]) throws {
        let found: [SQLValue]? = try connection.row(Things.one, [.integer(id)]) { row throws(SQLError) in
            [
                row.isNull(1) ? .null : .integer(row.integer(1)),
                row.isNull(2) ? .null : .integer(row.integer(2)),
                row.isNull(3) ? .null : .text(row.bytes(3)), row.isNull(4) ? .null : .blob(row.bytes(4)),
            ]
        }
        guard case .uuid(let high, let low) = values[3] else {
            #expect(found == values)
            return
        }
        let bytes = [high, low].flatMap { number in
            (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
        }
        #expect(found == values.dropLast() + [.blob(bytes)])
    }

    @Test("says how many rows a statement changed", arguments: engines)
    func counts(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            #expect(try connection.run(Things.insert, Things.row(1)) == 1)
            try connection.batch(Things.insert, (2...9).map { Things.row($0) })
            #expect(try connection.run(Things.above, [.integer(4)]) == 5)
            #expect(try connection.run(Things.set, [.integer(77), .integer(1)]) == 0)
            #expect(try connection.run(Things.delete, [.integer(6)]) == 3)
            #expect(try connection.run(Things.insertOrAdd, Things.row(1, 5)) == 1)
        }
    }

    @Test(
        "writes a batch whole and in order, of any length",
        arguments: engines,
        [0, 1, 2, 1_024, 1_025, 3_000]
    )
    func batches(_ engine: TestEngine, _ count: Int64) async throws {
        try await withConnection(engine) { connection in
            let rows = (0..<count).map { id -> [SQLValue] in
                [
                    .integer(id), id % 3 == 0 ? .null : .integer(id * 2), .integer(id % 100),
                    id % 7 == 0 ? .null : .text("w\(id)"), id % 2 == 0 ? .blob([UInt8(id % 256)]) : .null,
                ]
            }
            try connection.transaction { try connection.batch(Things.insert, rows) }
            let found = try connection.rows(Things.all, []) { row throws(SQLError) -> [SQLValue] in
                [
                    .integer(row.integer(0)), row.isNull(1) ? .null : .integer(row.integer(1)),
                    .integer(row.integer(2)), row.isNull(3) ? .null : .text(row.bytes(3)),
                    row.isNull(4) ? .null : .blob(row.bytes(4)),
                ]
            }
            #expect(found == rows)
            try connection.batch(
                Things.setEach,
                (0..<count).map { [.integer($0), .integer(-$0), $0 % 2 == 0 ? .null : .text("n\($0)")] }
            )
            #expect(try Things.numbers(connection) == (0..<count).map { -$0 })
        }
    }

    @Test("a batch that meets a row twice sees what it wrote before", arguments: engines)
    func batchInOrder(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.batch(Things.insertOrAdd, [1, 2, 1, 1].map { Things.row($0, 10) })
            #expect(try Things.numbers(connection) == [30, 10])
            try connection.batch(Things.set, [[.integer(1), .integer(5)], [.integer(1), .integer(6)]])
            #expect(try Things.numbers(connection) == [6, 10])
        }
    }

    static let joined = SQLRowsStatement(
        "v.column1, t.number, v.column2",
        from: "things t",
        where: "t.id = v.column1 AND t.id <> $1",
        leading: 1,
        types: ["BIGINT", "TEXT"]
    )

    @Test(
        "finds rows for any number of keys",
        arguments: engines,
        [0, 1, 3, 4, 5, 63, 64, 255, 256, 257, 700]
    )
    func rowsStatements(_ engine: TestEngine, _ count: Int64) async throws {
        try await withConnection(engine) { connection in
            try connection.batch(Things.insert, (0..<700).map { Things.row($0, $0 * 3) })
            let keys = (0..<count).map { [SQLValue.integer($0), $0 % 2 == 0 ? .text("w\($0)") : .null] }
            let found = try connection.rows(Self.joined, [.integer(2)], keys: keys) {
                row throws(SQLError) -> [Int64] in
                let length = row.isNull(2) ? -1 : row.bytes(2).count
                return [row.integer(0), row.integer(1), Int64(length)]
            }
            let wanted = (0..<count).filter { $0 != 2 }.map { id -> [Int64] in
                let length = id % 2 == 0 ? "w\(id)".utf8.count : -1
                return [id, id * 3, Int64(length)]
            }
            #expect(found.sorted { $0[0] < $1[0] } == wanted)
        }
    }

    @Test("hands out rows until told to stop, and can be used inside", arguments: engines)
    func stops(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.batch(Things.insert, (1...10).map { Things.row($0) })
            var seen: [Int64] = []
            try connection.forEachRow(Things.ids, []) { row throws(SQLError) in
                seen.append(row.integer(0))
                try connection.run(Things.set, [.integer(row.integer(0)), .integer(1)])
                return seen.count < 3
            }
            #expect(seen == [1, 2, 3])
            #expect(try Things.numbers(connection).reduce(0, +) == 3)
        }
    }

    // MARK: Transactions

    private struct Stop: Error {}

    @Test("a transaction is kept whole or not at all", arguments: engines)
    func transactions(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.transaction {
                try connection.batch(Things.insert, [Things.row(1), Things.row(2)])
                try connection.run(Things.insert, Things.row(3))
            }
            #expect(throws: Stop.self) {
                try connection.transaction {
                    try connection.batch(Things.insert, [Things.row(4), Things.row(5)])
                    throw Stop()
                }
            }
            #expect(try Things.ids(connection) == [1, 2, 3])
        }
    }

    @Test("a savepoint is kept or taken back, again and again", arguments: engines)
    func savepoints(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.transaction {
                try connection.run(Things.insert, Things.row(1))
                for id in Int64(2)...7 {
                    try connection.beginSavepoint()
                    try connection.batch(Things.insert, [Things.row(id), Things.row(id + 100)])
                    try connection.endSavepoint(keep: id % 2 == 0)
                }
            }
            #expect(try Things.ids(connection) == [1, 2, 4, 6, 102, 104, 106])
        }
    }

    @Test("what fails under a savepoint fails alone", arguments: engines)
    func failsAlone(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.transaction {
                for id in [1, 1, 2, 2, 3] as [Int64] {
                    try connection.beginSavepoint()
                    do throws(SQLError) {
                        try connection.batch(Things.insert, [Things.row(id), Things.row(id + 10)])
                        try connection.flush()
                    } catch {
                        #expect(error.kind == .uniqueViolation)
                        try connection.endSavepoint(keep: false)
                        continue
                    }
                    try connection.endSavepoint(keep: true)
                }
            }
            #expect(try Things.ids(connection) == [1, 2, 3, 11, 12, 13])
        }
    }

    // MARK: Errors

    @Test("says what kind of error it was, and works on", arguments: engines)
    func kinds(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.run(Things.insert, [.integer(1), .integer(5), .integer(6), .null, .null])
            try connection.run(Things.part, [.integer(1), .integer(1)])
            #expect(kind { try connection.run(Things.insert, Things.row(1)) } == .uniqueViolation)
            let taken: [SQLValue] = [.integer(2), .integer(5), .integer(6), .null, .null]
            #expect(kind { try connection.run(Things.insert, taken) } == .uniqueViolation)
            #expect(
                kind { try connection.run(Things.part, [.integer(2), .integer(9)]) } == .foreignKeyViolation
            )
            #expect(kind { try connection.run(Things.delete, [.integer(0)]) } == .foreignKeyViolation)
            #expect(kind { try connection.execute(script: "SELECT nonsense FROM nowhere") } == .other)
            let wrong = SQLStatement("SELECT nonsense FROM nowhere")
            #expect(kind { try connection.run(wrong, []) } == .other)
            #expect(try Things.ids(connection) == [1])
        }
    }

    /// How a call may find out that a batch before it failed.
    enum Discovery: CaseIterable, Sendable {
        case batch
        case read
        case run
        case flush
        case commit
        case savepoint
    }

    @Test(
        "a batch that fails is found out at the latest by the next call that waits; then all is taken back",
        arguments: engines,
        Discovery.allCases
    )
    func deferredError(_ engine: TestEngine, _ discovery: Discovery) async throws {
        try await withConnection(engine) { connection in
            try connection.run(Things.insert, Things.row(1, 1))
            let found = kind {
                try connection.transaction {
                    try connection.batch(Things.insert, [Things.row(2), Things.row(1)])
                    switch discovery {
                    case .batch: try connection.batch(Things.insert, [Things.row(3)])
                    case .read: _ = try Things.ids(connection)
                    case .run: try connection.run(Things.set, [.integer(1), .integer(9)])
                    case .flush: try connection.flush()
                    case .commit: break
                    case .savepoint:
                        try connection.beginSavepoint()
                        try connection.endSavepoint(keep: true)
                    }
                }
            }
            #expect(found == .uniqueViolation)
            #expect(try Things.ids(connection) == [1])
            #expect(try Things.numbers(connection) == [1])
            try connection.transaction {
                try connection.batch(Things.insert, [Things.row(2), Things.row(3)])
            }
            #expect(try Things.ids(connection) == [1, 2, 3])
        }
    }

    @Test("parameters that do not fit are refused, and leave nothing behind", arguments: engines)
    func misfits(_ engine: TestEngine) async throws {
        guard engine == .postgres else { return }
        try await withConnection(engine) { connection in
            #expect(kind { try connection.run(Things.one, [.text("x")]) } == .other)
            #expect(kind { try connection.run(Things.one, []) } == .other)
            #expect(
                kind {
                    try connection.transaction {
                        try connection.batch(
                            Things.insert,
                            [Things.row(1), [.text("x"), .null, .null, .null, .null]]
                        )
                    }
                } == .other
            )
            let ids = try Things.ids(connection)
            #expect(ids == [])
        }
    }

    @Test("a script runs whole, outside and inside a transaction", arguments: engines)
    func scripts(_ engine: TestEngine) async throws {
        try await withConnection(engine) { connection in
            try connection.execute(
                script: "INSERT INTO things (id) VALUES (1); INSERT INTO things (id) VALUES (2);"
            )
            #expect(throws: Stop.self) {
                try connection.transaction {
                    try connection.batch(Things.insert, [Things.row(3)])
                    try connection.execute(script: "INSERT INTO things (id) VALUES (4);")
                    throw Stop()
                }
            }
            #expect(try Things.ids(connection) == [1, 2])
        }
    }
}
