import CoreMetrics
import Domain
import Logging
import SQL
import Storage
import TestDatabases
import Testing
import Workers

@Suite("Retention")
struct RetentionTests {
    private static let day: Int64 = 86_400

    /// An account with one dedicated integration, and pushes to it.
    private struct Scene {
        let test: TestInstallation
        let account: AccountNumber
        let commit: GroupCommit

        init(_ test: TestInstallation, keeping retention: Retention = .standard) async throws {
            self.test = test
            account = try await test.account(keeping: retention)
            let channel = try await test.channel("First", in: account).id
            _ = try await test.dedicated("Source", to: channel, in: account)
            commit = GroupCommit(
                store: test.store,
                bounds: .patient,
                metrics: NOOPMetricsHandler.instance,
                logger: Logger(label: "test")
            ) { _ in }
        }

        /// Pushes one event at the present time.
        @discardableResult
        func push(_ key: Text, isRecovery: Bool = false) async throws -> DeliveryID {
            let snapshot = try #require(try await test.store.snapshots.snapshot(of: account, now: test.now))
            let source = try #require(snapshot.integrations.values.first)
            let vocabulary = TestFormat().severities
            let event = DecodedEvent(
                alertKey: key,
                title: "Disk full",
                description: "",
                labels: Labels(),
                annotations: Labels(),
                isRecovery: isRecovery,
                startsAt: nil,
                endsAt: nil,
                severityCandidates: []
            )
            let prepared = PreparedEvent(
                event,
                integration: source,
                account: snapshot,
                vocabulary: vocabulary,
                known: KnownContents()
            )
            let push = PreparedPush(
                account: snapshot,
                integration: source,
                credential: source.credentials.first?.id,
                vocabulary: vocabulary,
                receivedAt: test.now,
                contentType: nil,
                remoteAddress: nil,
                body: Array("{\"key\":\"".utf8) + key.bytes + Array("\"}".utf8),
                content: .events([prepared])
            )
            return try await commit.store(push, arrival: .now).deliveryID
        }

        /// Leaves a row in the audit.
        func rename(_ name: Name) async throws {
            let patch = AccountStore.Patch(
                name: name,
                externalID: .keep,
                labels: nil,
                status: nil,
                storedBytesLimit: nil
            )
            _ = try await test.store.accounts.update(account, patch, if: .none, by: test.actor)
        }

        func alertKeys() async throws -> [Text] {
            let page = PageRequest<AlertKind>(limit: 200, before: nil)
            let alerts = try await test.store.alerts.list(page, filter: .init(), in: account).items
            return alerts.map(\.alert.alertKey).sorted { $0.string < $1.string }
        }

        func rows(_ table: String) async throws -> Int64 { try await test.count(table, account) }

        /// Deliveries that still have a body.
        func bodies() async throws -> Int64 {
            try await test.number(
                "SELECT COUNT(*) FROM deliveries WHERE account_id = $1 AND body IS NOT NULL",
                account
            )
        }

        /// What the account shows, and what it really keeps.
        func storedBytes() async throws -> [Int64] {
            let sum = "SELECT COALESCE(SUM(LENGTH(body)), 0) FROM deliveries WHERE account_id = $1"
            var kept = try await test.number(sum, account)
            for table in ["audit", "idempotency_keys"] {
                let sum = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM \(table) WHERE account_id = $1"
                kept += try await test.number(sum, account)
            }
            return [try await test.store.accounts.find(account).storedBytes, kept]
        }
    }

    /// Purges all that is due, `limit` rows at a time; how many rows went in each batch.
    @discardableResult
    private func purge(_ test: TestInstallation, limit: Int = 100) async throws -> [Int] {
        var batches: [Int] = []
        var next: AccountNumber? = .installation
        while let account = next {
            let look = try await test.store.retention.look(after: account, limit: 2, at: test.store.now)
            var due = look.due
            while !due.isEmpty {
                let batch = try await test.store.retention.purge(due, limit: limit)
                due = batch.rest
                batches.append(batch.counts.values.reduce(0, +))
            }
            next = look.next
        }
        return batches
    }

    @Test(
        "goes after its days to the millisecond, and no earlier",
        arguments: [
            ("bodies", 7, 2), ("events", 30, 2), ("deliveries", 30, 2), ("alerts", 90, 1), ("audit", 400, 1),
        ] as [(String, Int64, Int64)]
    )
    func boundary(what: String, days: Int64, rows: Int64) async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            // What is older makes sure that the account has a turn.
            for key in ["older", "a"] as [Text] {
                test.advance(seconds: 1)
                try await scene.push(key)
                try await scene.push(key, isRecovery: true)
                try await scene.rename(Name(trusted: key))
            }
            let count = { what == "bodies" ? try await scene.bodies() : try await scene.rows(what) }
            test.advance(seconds: days * Self.day)
            try await purge(test)
            #expect(try await count() == rows)
            // On a server each write makes its identifiers after those of the one before, also of the same millisecond.
            test.advance(milliseconds: TestEngine.general == .postgres ? 10 : 1)
            try await purge(test)
            #expect(try await count() == 0)
        }
    }

    @Test("a purged body is shown as none, can't be replayed and no longer counts; its delivery stays")
    func bodies() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            test.advance(seconds: 1)
            let old = try await scene.push("old")
            test.advance(seconds: 5 * Self.day)
            let new = try await scene.push("new")
            test.advance(seconds: 3 * Self.day)
            #expect(try await purge(test) == [1])
            #expect(try await test.store.deliveries.find(old, in: scene.account).body == nil)
            #expect(try await test.store.deliveries.find(old, in: scene.account).results.count == 1)
            #expect(try await test.store.deliveries.find(new, in: scene.account).body != nil)
            let bytes = try await scene.storedBytes()
            #expect(bytes[0] == bytes[1])
            #expect(bytes[1] > 0)
            await #expect(throws: StoreError.bodyPurged) {
                try await test.store.deliveries.replay(
                    old,
                    in: scene.account,
                    by: test.actor,
                    through: scene.commit
                )
            }
            #expect(try await purge(test) == [])
        }
    }

    @Test("open alerts stay for ever; ended ones go by when they ended, not by when they opened")
    func alerts() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            test.advance(seconds: 1)
            for key in ["early", "late", "open"] as [Text] { try await scene.push(key) }
            try await scene.push("early", isRecovery: true)
            test.advance(seconds: 50 * Self.day)
            try await scene.push("late", isRecovery: true)
            test.advance(seconds: 41 * Self.day)
            try await purge(test)
            #expect(try await scene.alertKeys() == ["late", "open"])
            test.advance(seconds: 1_000 * Self.day)
            try await purge(test)
            #expect(try await scene.alertKeys() == ["open"])
            try await scene.push("early")
            #expect(try await scene.alertKeys() == ["early", "open"])
        }
    }

    @Test("an alert that was purged, or whose events were, goes on as the next event says")
    func reopens() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            try await scene.push("a")
            test.advance(seconds: 31 * Self.day)
            try await purge(test)
            #expect(try await scene.rows("events") == 0)
            try await scene.push("a", isRecovery: true)
            let page = PageRequest<AlertKind>(limit: 10, before: nil)
            let alerts = try await test.store.alerts.list(page, filter: .init(), in: scene.account).items
            #expect(alerts.map(\.alert.eventCount) == [2])
            #expect(alerts.map(\.alert.isOpen) == [false])
        }
    }

    @Test("each account by its own days; nothing of another one is touched")
    func accountsApart() async throws {
        try await TestInstallation.with { test in
            let long = Retention(bodyDays: 100, eventDays: 100, alertDays: 100, auditDays: 1_000)
            let (short, other) = (try await Scene(test), try await Scene(test, keeping: long))
            test.advance(seconds: 1)
            for scene in [short, other] {
                try await scene.push("a")
                try await scene.push("a", isRecovery: true)
            }
            let audit = try await other.rows("audit")
            test.advance(seconds: 99 * Self.day)
            try await purge(test)
            for table in ["deliveries", "events", "alerts"] {
                #expect(try await short.rows(table) == 0, "\(table)")
            }
            #expect(try await other.rows("deliveries") == 2)
            #expect(try await other.bodies() == 2)
            #expect(try await other.rows("events") == 2)
            #expect(try await other.rows("alerts") == 1)
            #expect(try await other.rows("audit") == audit)
            let (shown, kept) = (try await short.storedBytes()[0], try await short.storedBytes()[1])
            #expect(shown == kept)
        }
    }

    @Test("bodies that are due together with their deliveries are given back, too")
    func bodiesOfDeliveries() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            for index in 0..<20 { try await scene.push(Text("k\(index)")) }
            test.advance(seconds: 8 * Self.day)
            try await purge(test, limit: 7)
            for index in 0..<20 { try await scene.push(Text("k\(index)")) }
            test.advance(seconds: 31 * Self.day)
            #expect(try await scene.storedBytes()[0] > 0)
            try await purge(test, limit: 7)
            #expect(try await scene.rows("deliveries") == 0)
            #expect(try await scene.bodies() == 0)
            let bytes = try await scene.storedBytes()
            #expect(bytes[0] == bytes[1])
        }
    }

    @Test("no batch touches more rows than it may, and accounts take turns")
    func batches() async throws {
        try await TestInstallation.with { test in
            let scenes = [try await Scene(test), try await Scene(test), try await Scene(test)]
            for scene in scenes {
                for index in 0..<23 { try await scene.push(Text("k\(index)")) }
            }
            test.advance(seconds: 31 * Self.day)
            let look = try await test.store.retention.look(
                after: .installation,
                limit: 10,
                at: test.store.now
            )
            #expect(look.next == nil)
            let kinds: [RetentionStore.Kind] = [.events, .deliveries, .bodies]
            #expect(look.due.map(\.kinds) == [kinds, kinds, kinds])
            let first = try await test.store.retention.purge(look.due, limit: 10)
            #expect(first.counts == [.events: 10])
            let turned = [1, 2, 0].map { look.due[$0].account }
            #expect(first.rest.map(\.account) == turned)
            let batches = try await purge(test, limit: 10)
            #expect(batches.allSatisfy { $0 <= 10 })
            // The bodies went with their deliveries.
            #expect(batches.reduce(0, +) == 128)
            #expect(try await purge(test) == [])
        }
    }

    @Test("the record of the installation stays; that of a deleted account is left to its deletion")
    func audit() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            try await test.store.accounts.delete(scene.account, if: .none, by: test.actor)
            let before = (
                own: try await scene.rows("audit"),
                installation: try await test.count("audit", .installation)
            )
            test.advance(seconds: 500 * Self.day)
            #expect(try await purge(test) == [])
            #expect(try await scene.rows("audit") == before.own)
            #expect(try await test.count("audit", .installation) == before.installation)
            #expect(before.own > 0)
            #expect(before.installation > 0)
        }
    }

    @Test("answers to idempotency keys go after a day, also of who calls no more")
    func answers() async throws {
        try await TestInstallation.with { test in
            let accounts = [try await test.account(), try await test.account(), .installation]
            let caller: APIKeyID = test.store.identifiers.next()
            func call(_ key: String, on account: AccountNumber) async throws {
                let claim = Idempotency.Claim(
                    key: key,
                    caller: caller,
                    target: "POST /x",
                    query: [],
                    body: []
                )
                _ = try await test.store.perform(Call(actor: test.actor, claim: claim), on: account) { _ in
                    RecordedAnswer(status: 201, version: nil, location: nil, body: Array("{}".utf8))
                }
            }
            for account in accounts {
                for number in 0..<3 { try await call("old \(number)", on: account) }
            }
            test.advance(seconds: Self.day - 60)
            try await call("young", on: accounts[0])
            #expect(try await test.store.retention.purgeAnswers(limit: 100, at: test.now).count == 0)
            test.advance(seconds: 120)
            #expect(try await test.store.retention.purgeAnswers(limit: 2, at: test.now).count == 2)
            _ = await purger(test, known: test.store.now).sweep()
            var left: [Int64] = []
            for account in accounts { left.append(try await test.count("idempotency_keys", account)) }
            #expect(left == [1, 0, 0])
        }
    }

    @Test("the background sweep takes away all that is due, of more accounts than one look sees")
    func sweeps() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            for index in 0..<50 { try await scene.push(Text("k\(index)")) }
            for _ in 0..<210 { _ = try await test.account() }
            let last = try await Scene(test)
            try await last.push("k")
            test.advance(seconds: 31 * Self.day)
            #expect(await purger(test, known: test.store.now).sweep())
            #expect(try await scene.rows("deliveries") == 0)
            #expect(try await last.rows("events") == 0)
            #expect(try await scene.rows("alerts") == 50)
        }
    }

    @Test("what a jump of the clock makes due stays, and goes once it is due by the time that surely was")
    func jump() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            try await scene.push("k")
            let known = test.store.now
            test.advance(seconds: 400 * Self.day)
            #expect(await purger(test, known: known).sweep())
            #expect(try await scene.rows("deliveries") == 1)
            #expect(try await scene.storedBytes().allSatisfy { $0 > 0 })
            #expect(await purger(test, known: known.adding(seconds: 31 * Self.day)).sweep())
            #expect(try await scene.rows("deliveries") == 0)
        }
    }

    private func purger(_ test: TestInstallation, known: UnixTime) -> RetentionPurger {
        RetentionPurger(
            store: test.store,
            known: known,
            owner: [1],
            metrics: NOOPMetricsHandler.instance,
            logger: Logger(label: "test")
        )
    }

    @Test("accounts of an older database get the standard days, and their bodies are found")
    func migrates() async throws {
        switch TestEngine.general {
        case .sqlite: try migrates(SQLiteConnection(path: TestDatabase.path(), purpose: .writer))
        case .postgres: try await PostgresDatabase.with(.empty) { try migrates($0.administrator()) }
        }
    }

    private func migrates(_ connection: any SQLConnection) throws {
        try Migrator.migrate(connection, [Schema.migrations[0]], now: 0)
        let account = SQLStatement(
            "INSERT INTO accounts VALUES (7, $1, 'Old', 'active', 1, 10, NULL, NULL, '{}', 1, 0, 0)"
        )
        try connection.run(account, [.blob([0])])
        try connection.execute(script: "INSERT INTO account_usage VALUES (7, 0)")
        try Migrator.migrate(connection, Schema.migrations, now: 0)
        let days = SQLStatement("SELECT body_days, event_days, alert_days, audit_days FROM accounts")
        let found = try connection.row(days, []) { row throws(SQLError) in (0..<4).map { row.integer($0) } }
        #expect(found == [7, 30, 90, 400])
        let mark = SQLStatement("SELECT bodies_purged_to IS NULL FROM account_usage")
        #expect(try connection.row(mark, []) { row throws(SQLError) in row.integer(0) } == 1)
    }
}
