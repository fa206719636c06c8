import CoreMetrics
import Domain
import Logging
import SQL
import Storage
import TestDatabases
import Testing
import Workers

/// Two nodes on one database.
@Suite("Two nodes", .needsPostgres, .within(minutes: 2))
struct NodesTests {
    /// Runs `body` with two nodes, the clock of the second `ahead` milliseconds, an account and a channel with a source.
    private func with(
        ahead: Int64 = 0,
        _ body: (NotificationScene, NotificationScene) async throws -> Void
    ) async throws {
        try await TestInstallation.with(on: .postgres) { first in
            try await first.withAnotherNode(ahead: ahead) { second in
                let scene = try await NotificationScene(first)
                try await body(scene, NotificationScene(scene, on: second))
            }
        }
    }

    private static func logger() -> Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    // MARK: Pushes

    @Test("the same alert from both at the same time is one alert, and every event is counted once")
    func oneAlert() async throws {
        try await with { first, second in
            for round in 0..<25 {
                let key = Text("k\(round)")
                let fired = try await Self.push(.firing(key), 6, first, second)
                #expect(fired.count { $0 == .opened } == 1)
                #expect(fired.count { $0 == .duplicate } == 11)
                let changed = try await Self.push(.firing(key, title: "Disk failed"), 2, first, second)
                #expect(changed.count { $0 == .updated } == 1)
                if round % 2 == 0 {
                    let ended = try await Self.push(.recovery(key), 3, first, second)
                    #expect(ended.count { $0 == .recovered } == 1)
                }
            }
            let page = PageRequest<AlertKind>(limit: 200, before: nil)
            let alerts = try await second.test.store.alerts.list(page, filter: .init(), in: first.account)
                .items.map(\.alert)
            #expect(alerts.count == 25)
            #expect(alerts.count(where: \.isOpen) == 12)
            #expect(try Ledger(of: first.test.place).findings.isEmpty)
        }
    }

    /// So many pushes on each node, all at the same time.
    private static func push(
        _ event: DecodedEvent,
        _ count: Int,
        _ nodes: NotificationScene...
    ) async throws -> [Outcome] {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            for node in nodes {
                for _ in 0..<count {
                    group.addTask { try #require(try await node.store([event]).outcomes.first?.outcome) }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test("batches over the same accounts, in whatever order they came, do not wait for each other for ever")
    func manyAccounts() async throws {
        try await TestInstallation.with(on: .postgres) { first in
            try await first.withAnotherNode { second in
                let scenes = [
                    try await NotificationScene(first), try await NotificationScene(first),
                    try await NotificationScene(first),
                ]
                let others = scenes.map { NotificationScene($0, on: second) }
                for round in 0..<20 {
                    async let left = Self.together(scenes, round)
                    async let right = Self.together(others.reversed(), round)
                    #expect(try await left + right == 24)
                }
                for scene in scenes {
                    #expect(try await first.count("deliveries", scene.account) == 20 * 8)
                    #expect(try await first.count("alerts", scene.account) == 20)
                }
                #expect(try Ledger(of: first.place).findings.isEmpty)
            }
        }
    }

    /// Four pushes to each, in one batch; how many were stored.
    private static func together(_ scenes: [NotificationScene], _ round: Int) async throws -> Int {
        var pushes: [PreparedPush] = []
        for _ in 0..<4 {
            for scene in scenes { pushes.append(try await scene.prepared([.firing(Text("k\(round)"))])) }
        }
        return await scenes[0].commit.storeTogether(pushes, in: scenes[0].test.database).count {
            if case .success = $0 { true } else { false }
        }
    }

    @Test(
        "identifiers increase over both, although their clocks differ by five seconds",
        arguments: [5_000, -5_000]
    )
    func identifiers(ahead: Int64) async throws {
        try await with(ahead: ahead) { first, second in
            _ = try await first.test.webhook(
                "People",
                of: first.channel,
                in: first.account,
                stormLimit: 1_000
            )
            var keys: [Text] = []
            for round in 0..<15 {
                for (name, node) in [("a", first), ("b", second), ("c", first)] {
                    let key = Text("\(name)\(round)")
                    try await node.push(.firing(key))
                    keys.append(key)
                }
                try await second.push(.recovery(Text("a\(round)")))
                keys.append(Text("a\(round)"))
                first.test.advance(milliseconds: 3)
                second.test.advance(milliseconds: 3)
            }
            let page = try await first.test.store.events.list(
                PageRequest(limit: 200, before: nil),
                filter: .init(),
                in: first.account
            )
            #expect(page.items.reversed().map(\.alertKey) == keys)
            let told = try await first.notifications().compactMap { $0.change }
            #expect(told.map(\.alertKey) == keys)
        }
    }

    // MARK: Configuration

    @Test("of many resources of one name made on both at the same time one is made")
    func names() async throws {
        try await with { first, second in
            for round in 0..<20 {
                let made = await withTaskGroup(of: Bool.self) { group in
                    for node in [first, second, first, second] {
                        group.addTask {
                            let name = Text("C\(round)")
                            return (try? await node.test.channel(name, in: first.account)) != nil
                        }
                    }
                    return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                }
                #expect(made == 1)
            }
            #expect(try await first.test.count("channels", first.account) == 21)
            let number = "SELECT revision FROM accounts WHERE account_id = $1"
            let revision = try await first.test.number(number, first.account)
            #expect(try await second.test.snapshot(of: first.account).revision == Revision(revision))
        }
    }

    @Test("routes that both append at the same time have places of their own")
    func routes() async throws {
        try await with { first, second in
            let (account, channel) = (first.account, first.channel)
            let shared = try await first.test.shared("S", defaults: [channel], in: account).id
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<30 {
                    let node = index % 2 == 0 ? first : second
                    group.addTask { _ = try await node.test.route(to: [channel], of: shared, in: account) }
                }
                try await group.waitForAll()
            }
            let list = try await second.test.routes(of: shared, in: account)
            #expect(list.items.count == 30)
            let places = "SELECT COUNT(DISTINCT position) FROM routes WHERE account_id = $1"
            #expect(try await first.test.number(places, account) == 30)
        }
    }

    @Test(
        "what is written on one is known on the other: by its announcement, by looking, and by the writer of pushes"
    )
    func configuration() async throws {
        try await with { first, second in
            #if PostgreSQL
            guard case .server(let database) = first.test.place else { return }
            let listener = PostgresListener(url: database.url)
            #expect(try await listener.next(within: 10).isNew)
            let watch = NodeWatch(store: second.test.store)
            let before = try await second.test.snapshot(of: first.account).revision
            _ = try await first.test.channel("Second", in: first.account)
            #expect(second.test.store.snapshots.cached(first.account)?.revision == before)
            let news = try await listener.next(within: 5_000).texts
            for text in news { await watch.hear(text) }
            let after = try #require(second.test.store.snapshots.cached(first.account)).revision
            #expect(after > before)
            _ = try await first.test.channel("Third", in: first.account)
            try await watch.refresh()
            #expect(try #require(second.test.store.snapshots.cached(first.account)).revision > after)
            try await listener.close()
            #endif
            let push = try await second.prepared([.firing("a")])
            let urls = try await first.test.snapshot(of: first.account).integrations.values.first?.credentials
            try await first.test.store.pushURLs.revoke(
                try #require(urls?.first).id,
                if: .none,
                of: first.integration,
                in: first.account,
                by: first.test.actor
            )
            await #expect(throws: PushFailure.noLongerAdmitted) {
                try await second.commit.store(push, arrival: .now)
            }
        }
    }

    // MARK: Telling

    private static func dispatcher(
        _ node: NotificationScene,
        _ owner: UInt8,
        _ receiver: ScriptedReceiver
    ) -> Dispatcher {
        Dispatcher(
            store: node.test.store,
            owner: [owner],
            isAlone: false,
            metrics: NOOPMetricsHandler.instance,
            logger: logger()
        ) { _, message, _ in await receiver.take(message) }
    }

    @Test("two dispatchers tell everything once, whichever node it came to")
    func tellsOnce() async throws {
        try await with { first, second in
            for name in ["A", "B", "C", "D"] as [Text] {
                _ = try await first.test.webhook(
                    name,
                    of: first.channel,
                    in: first.account,
                    stormLimit: 1_000
                )
            }
            let receiver = ScriptedReceiver()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.dispatcher(first, 1, receiver).run() }
                group.addTask { try await Self.dispatcher(second, 2, receiver).run() }
                for round in 0..<10 {
                    for (index, node) in [first, second].enumerated() {
                        try await node.push(.firing(Text("\(index) \(round)")))
                    }
                }
                try await first.until {
                    first.test.advance(seconds: 1)
                    second.test.advance(seconds: 1)
                    let record = try await first.record()
                    return record.count == 80 && record.allSatisfy { $0 == "opened sent" }
                }
                group.cancelAll()
            }
            #expect(receiver.ids.count == 80)
            #expect(Set(receiver.ids).count == 80)
        }
    }

    @Test("what a node that died was at is taken over when its lease ends, not before")
    func takesOver() async throws {
        try await with { first, second in
            let made = try await first.test.webhook("People", of: first.channel, in: first.account)
            let key = OutboxSignal.Key(account: first.account, notifier: made.notifier.id)
            let end = first.test.now.adding(seconds: 30)
            let held = try await first.test.store.outbox.lease(
                [key],
                owner: [9],
                now: first.test.now,
                until: end
            )
            #expect(held == [key])
            try await first.push(.firing("a"))
            let receiver = ScriptedReceiver()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Self.dispatcher(second, 2, receiver).run() }
                for _ in 0..<14 {
                    second.test.advance(seconds: 2)
                    try await Task.sleep(for: .milliseconds(50))
                }
                #expect(receiver.ids.isEmpty)
                try await second.until {
                    second.test.advance(seconds: 2)
                    return try await second.record() == ["opened sent"]
                }
                group.cancelAll()
            }
            #expect(receiver.ids.count == 1)
        }
    }

    @Test(
        "what only one node does at a time is done by one, until it is dead for long enough",
        arguments: WorkerLease.Name.allCases
    )
    func workerLease(name: WorkerLease.Name) async throws {
        try await with { first, second in
            let leases = zip([first, second], [1, 2] as [UInt8]).map {
                WorkerLease(name, store: $0.test.store, owner: [$1])
            }
            for _ in 0..<20 {
                let holders = try await withThrowingTaskGroup(of: Int?.self) { group in
                    for index in [0, 1, 0, 1] {
                        group.addTask { try await leases[index].hold() ? index : nil }
                    }
                    return try await group.reduce(into: Set<Int>()) { if let index = $1 { $0.insert(index) } }
                }
                #expect(holders.count == 1)
                let holder = try #require(holders.first)
                #expect(try await leases[holder].hold())
                #expect(try await !leases[1 - holder].hold())
                for node in [first, second] { node.test.advance(seconds: 29) }
                #expect(try await !leases[1 - holder].hold())
                for node in [first, second] { node.test.advance(seconds: 2) }
                #expect(try await leases[1 - holder].hold())
                #expect(try await !leases[holder].hold())
                for node in [first, second] { node.test.advance(seconds: 31) }
            }
        }
    }

    @Test("digests made while another node adds to the queue tell everything, each thing once")
    func digests() async throws {
        try await with { first, second in
            let made = try await first.test.webhook(
                "People",
                of: first.channel,
                in: first.account,
                stormLimit: 1_000
            )
            let key = OutboxSignal.Key(account: first.account, notifier: made.notifier.id)
            let outbox = first.test.store.outbox
            var digests: [NotificationID] = []
            let isDone = Lock(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for round in 0..<60 {
                        let keys = [Text("a\(round)"), Text("b\(round)"), Text("c\(round)")]
                        try await second.push(keys.map { .firing($0) })
                    }
                    isDone.withLock { $0 = true }
                }
                var isLast = false
                while !isLast {
                    isLast = isDone.withLock { $0 }
                    let made = try await outbox.makeDigest(
                        key,
                        of: first.channel,
                        replacing: nil,
                        at: first.test.now
                    )
                    if let made { digests.append(made) }
                }
                try await group.waitForAll()
            }
            #expect(digests.count > 1)
            var alerts = 0
            for id in digests {
                let found = try await outbox.message(id, in: first.account)
                guard case .digest(let digest) = try #require(found).message.message else {
                    Issue.record("no digest")
                    continue
                }
                alerts += digest.alerts
            }
            #expect(alerts == 180)
            let state =
                "SELECT COUNT(*) FROM notifications WHERE account_id = $1 AND state = 3 AND by_id IS NOT NULL"
            #expect(try await first.test.number(state, first.account) == 180)
        }
    }
}
