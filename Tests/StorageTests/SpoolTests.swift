import CoreMetrics
import Domain
import FoundationEssentials
import Logging
import SQL
import Storage
import TestDatabases
import Testing

/// What becomes of pushes while the database is away, and after.
@Suite("A spool", .needsPostgres, .within(minutes: 2))
struct SpoolTests {
    /// A node that has a spool, and whose database can be shut.
    private struct Node {
        let scene: NotificationScene
        let database: PostgresDatabase
        let spool: Spool
        let commit: GroupCommit
        let reachability = Reachability()
        let usage: UsageTracker

        var test: TestInstallation { scene.test }

        init(_ scene: NotificationScene, _ database: PostgresDatabase, path: String, limit: Int) throws {
            self.scene = scene
            self.database = database
            spool = try Spool(path: path, limit: limit)
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            usage = UsageTracker(database: scene.test.database, logger: logger)
            commit = GroupCommit(
                store: scene.test.store,
                spooling: SpoolLane(
                    spool,
                    store: scene.test.store,
                    usage: usage,
                    reachability: reachability,
                    logger: logger
                ),
                metrics: NOOPMetricsHandler.instance,
                logger: logger
            ) { _ in }
        }

        /// A push of a body that says the same as its events.
        func push(_ text: String, replaying replay: PreparedPush.Replay? = nil) async throws -> PreparedPush {
            let events: [DecodedEvent] =
                if case .events(let events) = try TestFormat().decode(Array(text.utf8), contentType: nil) {
                    events
                } else { [] }
            return try await FaultScene.Sent(
                mark: Text(text),
                source: .init(account: scene.account, integration: scene.integration),
                content: .events(events),
                body: Array(text.utf8),
                replay: replay
            ).push(test)
        }

        @discardableResult
        func store(_ text: String) async throws -> StoredPush {
            try await commit.store(try await push(text), arrival: .now)
        }

        // MARK: The database

        /// Nobody gets in any more, and who is in is out.
        func shut() async throws {
            try await database.administer(
                """
                ALTER DATABASE \(database.name) ALLOW_CONNECTIONS false;
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(database.name)'
                """
            )
        }

        /// As `NodeLink` does when the database is back.
        func open() async throws {
            try await database.administer("ALTER DATABASE \(database.name) ALLOW_CONNECTIONS true")
            let watch = NodeWatch(store: test.store)
            while (try? await watch.refresh()) == nil { try await Task.sleep(for: .milliseconds(20)) }
            reachability.note(isAway: false)
        }

        /// Until nothing waits.
        func drain() async throws {
            for _ in 0..<500 where spool.status.pushes > 0 {
                commit.applySpool()
                try await Task.sleep(for: .milliseconds(20))
                reachability.note(isAway: false)
            }
            #expect(spool.status.pushes == 0)
            #expect(spool.status.oldestAt == nil)
        }

        // MARK: What is there

        /// What each delivery was, in the order of identifiers.
        func deliveries() async throws -> [String] {
            let list = try await test.store.deliveries.list(
                PageRequest(limit: 200, before: nil),
                filter: .init(),
                in: scene.account
            )
            return list.items.reversed().map { $0.contentType?.string ?? "" }
        }

        /// `key open events` of each alert, sorted.
        func alerts() async throws -> [String] {
            let page = PageRequest<AlertKind>(limit: 200, before: nil)
            return try await test.store.alerts.list(page, filter: .init(), in: scene.account).items
                .map { "\($0.alert.alertKey) \($0.alert.isOpen ? "open" : "ended") \($0.alert.eventCount)" }
                .sorted()
        }
    }

    private func with(
        limit: Int = 1 << 20,
        faults: Faults? = nil,
        _ body: (Node, _ path: String) async throws -> Void
    ) async throws {
        let path = FileManager.default.temporaryDirectory.path + "/tocsin-spool-\(UUID()).db"
        defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
        try await TestInstallation.with(copyOf: nil, on: .postgres, faults: faults) { test in
            guard case .server(let database) = test.place else { return }
            let node = try Node(try await NotificationScene(test), database, path: path, limit: limit)
            try await body(node, path)
        }
    }

    @Test(
        "what is pushed while the database is away is acknowledged, and is there afterwards: all of it, once, in order"
    )
    func outage() async throws {
        try await with { node, _ in
            var sent = ["firing a"]
            try await node.store("firing a")
            try await node.shut()
            for round in 0..<40 {
                for text in ["firing k\(round)", "recovery k\(round)", "firing a"] {
                    try await node.store(text)
                    sent.append(text)
                }
            }
            #expect(node.spool.status.pushes == 120)
            #expect(node.commit.isDatabaseAway)
            try await node.open()
            // While something waits, what comes goes behind it.
            try await node.store("recovery a")
            sent.append("recovery a")
            #expect(node.spool.status.pushes == 121)
            try await node.drain()
            #expect(try await node.deliveries() == sent)
            let ended = (0..<40).map { "k\($0) ended 2" }
            #expect(try await node.alerts() == (["a ended 42"] + ended).sorted())
            #expect(try Ledger(of: node.test.place).findings.isEmpty)
            // And then pushes go straight to the database again.
            try await node.store("firing b")
            #expect(node.spool.status.taken == 121)
            #expect(node.spool.status.applied == 121)
        }
    }

    @Test("many at the same time while the database goes and comes: none is lost, none is there twice")
    func goesAndComes() async throws {
        try await with { node, _ in
            _ = try await node.test.snapshot(of: node.scene.account)
            let acknowledged = Lock<[String]>([])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<8 {
                    group.addTask {
                        for index in 0..<20 {
                            let text = "firing l\(lane) i\(index)"
                            if (try? await node.store(text)) != nil {
                                acknowledged.withLock { $0.append(text) }
                            }
                            try await Task.sleep(for: .milliseconds(15))
                        }
                    }
                }
                for _ in 0..<3 {
                    try await Task.sleep(for: .milliseconds(60))
                    try await node.shut()
                    try await Task.sleep(for: .milliseconds(60))
                    try await node.open()
                    node.commit.applySpool()
                }
                try await group.waitForAll()
            }
            try await node.drain()
            let stored = try await node.deliveries().sorted()
            #expect(acknowledged.withLock { $0.sorted() } == stored)
            #expect(stored.count == 160)
            #expect(try Ledger(of: node.test.place).findings.isEmpty)
        }
    }

    @Test(
        "a push whose commit got no answer is there once, whether it took effect or not",
        arguments: [.after, .before] as [Faults.Timing]
    )
    func inDoubt(timing: Faults.Timing) async throws {
        let faults = Faults()
        try await with(faults: faults) { node, _ in
            let first = try await node.push("firing a")
            faults.arm()
            _ = try await node.commit.store(first, arrival: .now)
            let calls = faults.disarm()
            let commit = try #require(calls.firstIndex { $0.call == .commit }) + 1
            let push = try await node.push("firing a")
            faults.arm(Faults.Fault(number: commit, kind: .inDoubt, timing: timing))
            let stored = try await node.commit.store(push, arrival: .now)
            faults.disarm()
            #expect(node.spool.status.pushes == 1)
            #expect(node.commit.isDatabaseAway)
            try await node.store("firing a")
            node.reachability.note(isAway: false)
            try await node.drain()
            #expect(try await node.deliveries().count == 3)
            #expect(try await node.alerts() == ["a open 3"])
            #expect(try Ledger(of: node.test.place).findings.isEmpty)
            let found = try await node.test.store.deliveries.find(stored.deliveryID, in: node.scene.account)
            #expect(found.results.count == 1)
        }
    }

    @Test("what waits is still there after a restart, and is applied by the next process")
    func restart() async throws {
        try await with { node, path in
            let scene = node.scene
            do {
                let other = try Node(scene, node.database, path: path + ".other", limit: 1 << 20)
                _ = try await other.push("firing a")
                try await other.shut()
                for index in 0..<5 { try await other.store("firing k\(index)") }
                #expect(other.spool.status.pushes == 5)
            }
            let next = try Node(scene, node.database, path: path + ".other", limit: 1 << 20)
            defer {
                for end in ["", "-wal", "-shm"] {
                    try? FileManager.default.removeItem(atPath: path + ".other" + end)
                }
            }
            let status = next.spool.status
            #expect(status.pushes == 5)
            #expect(status.bytes > 0)
            #expect(status.oldestAt != nil)
            #expect(status.setAside == 0)
            try await next.open()
            try await next.drain()
            #expect(try await next.deliveries() == (0..<5).map { "firing k\($0)" })
            #expect(next.spool.status.bytes == 0)
        }
    }

    @Test("what was applied by a process that died before it took it out of the spool is not applied again")
    func appliedBefore() async throws {
        try await with { node, path in
            _ = try await node.push("firing a")
            try await node.shut()
            for text in ["firing a", "recovery a", "firing b"] { try await node.store(text) }
            // As the file was when the process before died.
            let copy = path + ".copy"
            defer {
                for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: copy + end) }
            }
            for end in ["", "-wal"] {
                try FileManager.default.copyItem(atPath: path + end, toPath: copy + end)
            }
            try await node.open()
            try await node.drain()
            try await node.store("firing a")
            let next = try Node(node.scene, node.database, path: copy, limit: 1 << 20)
            #expect(next.spool.status.pushes == 3)
            try await next.drain()
            #expect(try await node.deliveries() == ["firing a", "recovery a", "firing b", "firing a"])
            #expect(try await node.alerts() == ["a ended 2", "a open 1", "b open 1"])
            #expect(try Ledger(of: node.test.place).findings.isEmpty)
        }
    }

    @Test("takes no more than it may, and takes again when there is room")
    func limit() async throws {
        try await with(limit: 2_500) { node, _ in
            _ = try await node.push("firing a")
            try await node.shut()
            var stored = 0
            await #expect(throws: PushFailure.queueFull) {
                for index in 0..<100 {
                    try await node.store("firing k\(index)")
                    stored += 1
                }
            }
            #expect((5...12).contains(stored))
            #expect(node.spool.status.bytes <= 2_500)
            try await node.open()
            try await node.drain()
            #expect(try await node.deliveries().count == stored)
            try await node.shut()
            try await node.store("firing again")
            #expect(node.spool.status.pushes == 1)
            try await node.open()
        }
    }

    @Test("what can't be applied is set aside and kept; the others are applied")
    func poison() async throws {
        let faults = Faults()
        try await with(faults: faults) { node, path in
            _ = try await node.push("firing a")
            try await node.shut()
            for text in ["firing a", "firing poison", "firing b"] { try await node.store(text) }
            try await node.open()
            faults.arm(poison: "poison")
            try await node.drain()
            faults.disarm()
            #expect(node.spool.status.setAside == 1)
            #expect(try await node.deliveries() == ["firing a", "firing b"])
            #expect(try await node.alerts() == ["a open 1", "b open 1"])
            #expect(try Spool(path: path, limit: 1).status.setAside == 1)
        }
    }

    @Test("a replay does not wait: it is refused while the database is away")
    func replay() async throws {
        try await with { node, _ in
            let stored = try await node.store("firing a")
            let replay = try await node.push(
                "firing a",
                replaying: .init(deliveryID: stored.deliveryID, earlier: stored.outcomes)
            )
            try await node.shut()
            await #expect(throws: PushFailure.storeUnavailable) {
                try await node.commit.store(replay, arrival: .now)
            }
            #expect(node.spool.status.pushes == 0)
            try await node.store("firing b")
            await #expect(throws: PushFailure.storeUnavailable) {
                try await node.commit.store(replay, arrival: .now)
            }
            #expect(node.spool.status.pushes == 1)
            try await node.open()
            try await node.drain()
            #expect(try await node.commit.store(replay, arrival: .now).applied == 0)
            #expect(try await node.deliveries() == ["firing a", "firing b"])
        }
    }

    @Test("a push whose URL was revoked meanwhile is refused and counted when it is applied")
    func revoked() async throws {
        try await with { node, _ in
            let push = try await node.push("firing a")
            node.reachability.note(isAway: true)
            _ = try await node.commit.store(push, arrival: .now)
            #expect(node.spool.status.pushes == 1)
            let credential = try #require(push.credential)
            try await node.test.store.pushURLs.revoke(
                credential,
                if: .none,
                of: node.scene.integration,
                in: node.scene.account,
                by: node.test.actor
            )
            node.reachability.note(isAway: false)
            try await node.drain()
            #expect(try await node.deliveries() == [])
            await node.usage.flush()
            #expect(try await node.test.count("refusals", node.scene.account) == 1)
        }
    }

    @Test(
        "a push whose owner could not be looked up finds it when the database is back, and a wrong one is dropped"
    )
    func unknownOwner() async throws {
        try await with { node, _ in
            let snapshot = try await node.test.snapshot(of: node.scene.account)
            let integration = try #require(snapshot.integrations.values.first)
            let credential = try #require(integration.credentials.first)
            node.reachability.note(isAway: true)
            for (account, text) in [(snapshot.number, "firing a"), (AccountNumber(4_711), "firing b")] {
                let token = node.test.store.pushTokenKeys.issue(
                    kid: credential.kid,
                    account: account,
                    integration: integration.number,
                    tag: credential.tag,
                    expiryDay: credential.expiryDay
                )
                let entry = Spool.Entry(
                    id: node.test.store.identifiers.next(),
                    token: try #require(PushToken(token)),
                    receivedAt: node.test.now,
                    contentType: Text(text),
                    remoteAddress: nil,
                    body: Array(text.utf8)
                )
                let stored = await withCheckedContinuation { caller in
                    node.commit.submit(entry, arrival: .now) { caller.resume(returning: $0) }
                }
                #expect(throws: Never.self) { try stored.get() }
            }
            node.reachability.note(isAway: false)
            try await node.drain()
            #expect(try await node.deliveries() == ["firing a"])
            #expect(try await node.alerts() == ["a open 1"])
        }
    }
}
