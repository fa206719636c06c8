#if PostgreSQL
import SQL
import Storage
import TestDatabases
import Testing

/// What only a server does: sessions that are lost, waits that end, transactions that are in each other's way.
@Suite("A connection to PostgreSQL", .needsPostgres, .within(minutes: 2))
struct PostgresConnectionTests {
    private func withTables(_ body: (PostgresDatabase) async throws -> Void) async throws {
        try await PostgresDatabase.with(.empty) { database in
            try database.administrator().execute(script: tables)
            try await body(database)
        }
    }

    private static let session = SQLStatement("SELECT pg_backend_pid()")
    private static let others = SQLStatement(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    private static let endOthers = SQLStatement(
        """
        SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """
    )

    private static func session(_ connection: any SQLConnection) throws(SQLError) -> Int64? {
        try connection.row(session, []) { row throws(SQLError) in row.integer(0) }
    }

    /// Ends all sessions on the database, and waits until they are gone.
    private static func endSessions(_ database: PostgresDatabase) throws {
        let administrator = try database.administrator()
        while try administrator.row(endOthers, [], { row throws(SQLError) in row.integer(0) }) ?? 0 > 0 {}
    }

    // MARK: Lost sessions

    @Test("a session that was ended is made again for a read")
    func readsAgain() async throws {
        try await withTables { database in
            let store = try database.open()
            var sessions: Set<Int64?> = []
            for _ in 0..<4 {
                sessions.insert(try await store.read(.platform) { try Self.session($0) })
                try Self.endSessions(database)
            }
            #expect(sessions.count == 4)
            try await store.close()
        }
    }

    private static let endOwn = SQLStatement("SELECT pg_terminate_backend(pg_backend_pid())")

    @Test(
        "a transaction whose session was ended before its commit is run again, whole, unless that took long"
    )
    func transactsAgain() async throws {
        try await withTables { database in
            let store = try database.open()
            // All writers connect first: that takes its time where much is going on.
            for _ in 0..<2 { _ = try await store.write(.platform) { try Self.session($0) } }
            let tries = Lock<Int64>(0)
            let lose: @Sendable (any SQLConnection, Duration) throws -> Void = { connection, pause in
                let number = tries.withLock { tries in
                    tries += 1
                    return tries
                }
                try connection.batch(Things.insert, [Things.row(number), Things.row(number + 10)])
                _ = try Things.ids(connection)
                let end = ContinuousClock.now.advanced(by: pause)
                while ContinuousClock.now < end {}
                if number != 2 { try connection.run(Self.endOwn, []) }
                try connection.run(Things.insert, Things.row(number + 20))
            }
            try await store.transaction(.platform) { try lose($0, .zero) }
            #expect(try await store.read(.platform) { try Things.ids($0) } == [2, 12, 22])
            await #expect(throws: SQLError.self) {
                try await store.transaction(.platform) { try lose($0, SQLError.soon) }
            }
            #expect(tries.withLock { $0 } == 3)
            #expect(try await store.read(.platform) { try Things.ids($0) } == [2, 12, 22])
            try await store.close()
        }
    }

    @Test("what is lost before the commit took no effect; what is lost at the commit is in doubt")
    func inDoubt() async throws {
        try await withTables { database in
            let connection = try database.connection(for: .pushes)
            try connection.begin()
            try connection.run(Things.insert, Things.row(1))
            try Self.endSessions(database)
            #expect(kind { try connection.run(Things.insert, Things.row(2)) } == .unavailable)
            #expect(kind { try connection.run(Things.insert, Things.row(2)) } == .unavailable)
            #expect(kind { try connection.commit() } == .unavailable)
            connection.rollback()
            #expect(try Things.ids(connection) == [])
            try connection.begin()
            try connection.run(Things.insert, Things.row(1))
            try Self.endSessions(database)
            #expect(kind { try connection.commit() } == .inDoubt)
            connection.rollback()
            #expect(try Things.ids(connection) == [])
        }
    }

    @Test("a server that is not there is said so at once, and is asked again after a pause")
    func unreachable() async throws {
        let connection = PostgresConnection(url: "postgres://nobody@127.0.0.1:1/none", purpose: .reader)
        let start = ContinuousClock.now
        for _ in 0..<1_000 { #expect(kind { _ = try Self.session(connection) } == .unavailable) }
        #expect(start.duration(to: .now) < .seconds(30))
    }

    @Test("a database that was closed to all is back as soon as it is opened")
    func closedDatabase() async throws {
        try await withTables { database in
            let connection = try database.connection(for: .reader)
            _ = try Self.session(connection)
            try await database.administer("ALTER DATABASE \(database.name) ALLOW_CONNECTIONS false")
            try await database.administer(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(database.name)'
                """
            )
            #expect(kind { _ = try Self.session(connection) } == .unavailable)
            #expect(kind { _ = try Self.session(connection) } == .unavailable)
            try await database.administer("ALTER DATABASE \(database.name) ALLOW_CONNECTIONS true")
            try await Task.sleep(for: .milliseconds(150))
            #expect(try Self.session(connection) != nil)
        }
    }

    // MARK: Limits

    // These wait for seconds: not on a thread that tests share.

    @Test("a read that takes too long ends as busy, and the next one works")
    func statementLimit() async throws {
        try await withTables { database in
            let store = try database.open()
            let start = ContinuousClock.now
            let sleep = SQLStatement("SELECT pg_sleep(90)")
            let found = try await store.read(.platform) { connection in
                kind { try connection.forEachRow(sleep, []) { _ throws(SQLError) in true } }
            }
            #expect(found == .busy)
            #expect(start.duration(to: .now) < .seconds(45))
            #expect(try await store.read(.platform) { try Self.session($0) } != nil)
            let written = try await store.read(.platform) { connection in
                kind { try connection.run(Things.insert, Things.row(1)) }
            }
            #expect(written != nil)
            try await store.close()
        }
    }

    @Test("a lock that is held too long ends as busy")
    func lockLimit() async throws {
        try await withTables { database in
            let first = try database.connection(for: .writer)
            let store = try database.open()
            try first.run(Things.insert, Things.row(1, 1))
            try first.begin()
            try first.run(Things.set, [.integer(1), .integer(2)])
            let found = try await store.write(.platform) { connection in
                kind {
                    try connection.transaction {
                        try connection.batch(Things.set, [[.integer(1), .integer(3)]])
                    }
                }
            }
            #expect(found == .busy)
            try first.commit()
            #expect(try await store.read(.platform) { try Things.numbers($0) } == [2])
            try await store.close()
        }
    }

    @Test(
        "a transaction that the server gave up because nothing came is lost like its session, and can be run again"
    )
    func idleLimit() async throws {
        try await withTables { database in
            let connection = try database.connection(for: .writer)
            try connection.begin()
            try connection.run(Things.insert, Things.row(1))
            try connection.execute(script: "SET idle_in_transaction_session_timeout = 100")
            let administrator = try database.administrator()
            while try administrator.row(Self.others, [], { row throws(SQLError) in row.integer(0) }) != 0 {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(kind { try connection.run(Things.insert, Things.row(2)) } == .unavailable)
            connection.rollback()
            #expect(try Things.ids(connection) == [])
        }
    }

    @Test("what is allowed less time than it takes is unavailable, and the next call works")
    func allowedTime() async throws {
        try await withTables { database in
            let connection = try database.connection(for: .writer)
            _ = try Self.session(connection)
            let start = ContinuousClock.now
            connection.allow(.milliseconds(200))
            let sleep = SQLStatement("SELECT pg_sleep(90)")
            #expect(
                kind { try connection.forEachRow(sleep, []) { _ throws(SQLError) in true } } == .unavailable
            )
            #expect(kind { _ = try Self.session(connection) } == .unavailable)
            #expect(start.duration(to: .now) < .seconds(45))
            connection.allow(nil)
            try await Task.sleep(for: .milliseconds(150))
            #expect(try Self.session(connection) != nil)
        }
    }

    @Test("the time that passes behind a large batch before the next call is not the statement's")
    func pauseBehindBatch() async throws {
        try await withTables { database in
            let connection = try database.connection(for: .writer)
            try connection.execute(script: "SET statement_timeout = 2000")
            let words = SQLValue.text(String(repeating: "w", count: 100))
            for size in [1_000, 77, 300] {
                try connection.run(Things.delete, [.integer(0)])
                try connection.begin()
                let rows = (1...Int64(size)).map { [.integer($0), .null, .null, words, .null] as [SQLValue] }
                try connection.batch(Things.insert, rows)
                for id in 1...200 {
                    try connection.batch(Things.setEach, [[.integer(Int64(id)), .integer(1), words]])
                }
                try await Task.sleep(for: .seconds(3))
                try connection.commit()
                #expect(try Things.ids(connection).count == size)
            }
        }
    }

    @Test("a batch larger than what the network holds at once is sent while its answers are read")
    func largeBatch() async throws {
        try await withTables { database in
            let connection = try database.connection(for: .writer)
            let bytes = SQLValue.blob([UInt8](repeating: 7, count: 20_000))
            let add = SQLStatement(
                """
                INSERT INTO things (id, bytes) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes
                RETURNING bytes
                """
            )
            try connection.transaction {
                try connection.batch(add, (0..<1_000).map { [.integer($0 % 10), bytes] })
            }
            #expect(try Things.ids(connection) == Array(0..<10))
        }
    }

    // MARK: Transactions in each other's way

    @Test(
        "two transactions that wait for each other: one is told of the conflict, and both succeed when run again"
    )
    func deadlock() async throws {
        try await withTables { database in
            let stores = [try database.open(), try database.open()]
            try await stores[0].transaction(.platform) {
                try $0.batch(Things.insert, [Things.row(1, 0), Things.row(2, 0)])
            }
            let (arrived, tries) = (Lock(0), Lock(0))
            let add = SQLStatement("UPDATE things SET number = number + 1 WHERE id = $1")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (store, ids) in zip(stores, [[1, 2], [2, 1]] as [[Int64]]) {
                    group.addTask {
                        try await store.transaction(.platform) { connection in
                            tries.withLock { $0 += 1 }
                            try connection.run(add, [.integer(ids[0])])
                            arrived.withLock { $0 += 1 }
                            while arrived.withLock({ $0 < 2 }) {}
                            try connection.run(add, [.integer(ids[1])])
                        }
                    }
                }
                try await group.waitForAll()
            }
            // The one that was told may meet the other once more.
            #expect((3...6).contains(tries.withLock { $0 }))
            #expect(try await stores[1].read(.platform) { try Things.numbers($0) } == [2, 2])
            for store in stores { try await store.close() }
        }
    }

    // MARK: Scope

    /// A table that shows its rows as the schema's do.
    private static let walled = """
        CREATE TABLE walled (account_id BIGINT NOT NULL, words TEXT NOT NULL UNIQUE);
        INSERT INTO walled VALUES (1, 'a'), (2, 'b'), (2, 'c');
        ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
        ALTER TABLE walled FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON walled USING (current_setting('tocsin.account', true) IN ('platform', account_id::TEXT));
        """
    private static let words = SQLStatement("SELECT words FROM walled ORDER BY words")
    private static let insert = SQLStatement("INSERT INTO walled (account_id, words) VALUES ($1, $2)")

    private static func words(_ connection: any SQLConnection) throws(SQLError) -> String {
        try connection.rows(words, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }.joined()
    }

    private func withWall(_ body: (any SQLConnection) throws -> Void) async throws {
        try await PostgresDatabase.with(.empty) { database in
            try database.administrator().execute(script: Self.walled)
            try body(try database.connection(for: .writer))
        }
    }

    @Test("sees the rows of its scope, from the next statement on")
    func scope() async throws {
        try await withWall { connection in
            #expect(try Self.words(connection) == "")
            for (scope, words) in [
                (.account(1), "a"), (.account(2), "bc"), (.platform, "abc"), (.nobody, ""), (.account(3), ""),
            ] as [(SQLScope, String)] {
                connection.enter(scope)
                #expect(try Self.words(connection) == words)
            }
            connection.enter(.account(1))
            try connection.transaction {
                try connection.batch(Self.insert, [[.integer(1), .text("d")]])
                connection.enter(.account(2))
                try connection.batch(Self.insert, [[.integer(2), .text("e")]])
            }
            #expect(try Self.words(connection) == "bce")
            #expect(kind { try connection.run(Self.insert, [.integer(1), .text("f")]) } == .other)
        }
    }

    @Test(
        "a statement that failed, a transaction or a savepoint that was taken back do not change whose rows are seen"
    )
    func scopeAfterFailure() async throws {
        try await withWall { connection in
            connection.enter(.account(1))
            #expect(try Self.words(connection) == "a")
            connection.enter(.account(2))
            #expect(kind { try connection.run(Self.insert, [.integer(2), .text("b")]) } == .uniqueViolation)
            #expect(try Self.words(connection) == "bc")
            connection.enter(.account(1))
            #expect(
                kind { try connection.batch(Self.insert, [[.integer(1), .text("a")]]) } == .uniqueViolation
            )
            #expect(try Self.words(connection) == "a")
            let found = kind {
                try connection.transaction {
                    connection.enter(.account(2))
                    try connection.run(Self.insert, [.integer(2), .text("b")])
                }
            }
            #expect(found == .uniqueViolation)
            #expect(try Self.words(connection) == "bc")
            connection.enter(.account(1))
            try connection.transaction {
                try connection.beginSavepoint()
                connection.enter(.account(2))
                #expect(try Self.words(connection) == "bc")
                try connection.endSavepoint(keep: false)
                #expect(try Self.words(connection) == "bc")
                connection.enter(.account(1))
                #expect(try Self.words(connection) == "a")
            }
        }
    }

    // MARK: Announcements

    @Test("what is announced is heard after the commit, and not when it is taken back")
    func announcements() async throws {
        try await withTables { database in
            let listener = PostgresListener(url: database.url)
            #expect(try await listener.next(within: 10).isNew)
            let connection = try database.connection(for: .writer)
            _ = kind {
                try connection.transaction {
                    try connection.announce("taken back")
                    try connection.run(Things.insert, [])
                }
            }
            try connection.transaction {
                try connection.announce("one")
                try connection.announce("two")
            }
            var heard: [String] = []
            while heard.count < 2 { heard += try await listener.next(within: 1_000).texts }
            #expect(heard == ["one", "two"])
            try Self.endSessions(database)
            // That it is over may be found out one call later.
            while (try? await listener.next(within: 1_000)) != nil {}
            #expect(try await listener.next(within: 10).isNew)
            try await listener.close()
        }
    }
}
#endif
