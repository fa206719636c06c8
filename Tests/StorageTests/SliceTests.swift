import CoreMetrics
import Domain
import Logging
import Native
import Storage
import Testing

@Suite("Deliveries that are applied in slices")
struct SliceTests {
    /// An account with an integration whose alerts go to some channels, the first of which has a notifier.
    private struct Scene {
        let test: TestInstallation
        let account: AccountNumber
        let integration: IntegrationID
        let commit: GroupCommit

        init(_ test: TestInstallation, channels count: Int = 2) async throws {
            self.test = test
            account = try await test.account()
            var channels: [ChannelID] = []
            for number in 0..<count {
                channels.append(try await test.channel(Text("Channel \(number)"), in: account).id)
            }
            _ = try await test.webhook("People", of: channels[0], in: account)
            let shared = try await test.shared("Shared", defaults: [], in: account)
            integration = shared.id
            for start in stride(from: 0, to: count, by: 100) {
                let some = Array(channels[start..<min(start + 100, count)])
                _ = try await test.route(to: some, of: integration, in: account)
            }
            commit = Self.commit(test)
        }

        static func commit(_ test: TestInstallation) -> GroupCommit {
            GroupCommit(
                store: test.store,
                bounds: .patient,
                metrics: NOOPMetricsHandler.instance,
                logger: Logger(label: "test")
            ) { _ in }
        }

        /// A body of the test format, prepared as the door would.
        func push(_ lines: [String]) async throws -> PreparedPush {
            let snapshot = try await test.snapshot(of: account)
            guard let source = snapshot.integrations.values.first(where: { $0.id == integration }) else {
                throw TestInstallation.Missing()
            }
            let (body, format) = (Array(lines.joined(separator: "\n").utf8), TestFormat())
            let received = test.store.received(
                body,
                contentType: nil,
                as: format,
                integration: source,
                from: nil,
                refusal: nil
            )
            let (content, count) = test.store.prepared(
                received,
                integration: source,
                account: snapshot,
                vocabulary: format.severities
            )
            return PreparedPush(
                account: snapshot,
                integration: source,
                credential: source.credentials.first?.id,
                vocabulary: format.severities,
                receivedAt: test.now,
                contentType: nil,
                remoteAddress: nil,
                body: body,
                content: content,
                eventCount: count
            )
        }

        /// Applies all that waits; how many slices that took.
        func applyAll(through commit: GroupCommit? = nil) async throws -> Int {
            let pending = test.store.pendingDeliveries
            var slices = 0
            while var work = try await pending.oldest(of: account) {
                while case .more(let rest) = try await pending.apply(work, through: commit ?? self.commit) {
                    slices += 1
                    work = rest
                }
                slices += 1
            }
            return slices
        }

        func rows(_ table: String) async throws -> Int { Int(try await test.count(table, account)) }

        func openAlerts() async throws -> Int {
            Int(
                try await test.number(
                    "SELECT COUNT(*) FROM alerts WHERE account_id = $1 AND phase = 0",
                    account
                )
            )
        }
    }

    private static func firings(_ range: Range<Int>) -> [String] { range.map { "firing k\($0)" } }

    @Test("a push of thousands is acknowledged at once and applied to its end")
    func large() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push(Self.firings(0..<1_000))
            #expect(push.events.count < 1_000)
            let stored = try await scene.commit.store(push, arrival: .now)
            let first = try #require(stored.appliedTo)
            #expect(first > 0 && first < 1_000 && first % DeliverySlices.size == 0)
            let half = try await test.store.deliveries.find(stored.deliveryID, in: scene.account)
            #expect(half.delivery.eventCount == 1_000 && half.delivery.appliedTo == first)
            #expect(half.results.count == first)
            #expect(try await scene.applyAll() > 1)
            #expect(try await scene.openAlerts() == 2_000)
            #expect(try await scene.rows("notifications") == 1_000)
            let whole = try await test.store.deliveries.find(stored.deliveryID, in: scene.account)
            #expect(whole.delivery.appliedTo == nil)
            #expect(whole.results.map(\.alertKey.string) == (0..<1_000).map { "k\($0)" })
            #expect(whole.results.allSatisfy { $0.outcome.outcome == .opened })
            let some = try await test.store.deliveries.find(
                stored.deliveryID,
                in: scene.account,
                from: 505,
                limit: 20
            )
            #expect(some.results.map(\.alertKey.string) == (505..<525).map { "k\($0)" })
        }
    }

    @Test("the trace of an event that was applied in a slice is its own")
    func trace() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            _ = try await scene.commit.store(try await scene.push(Self.firings(0..<600)), arrival: .now)
            _ = try await scene.applyAll()
            var filter = EventStore.Filter()
            filter.alertKey = "k595"
            let page = PageRequest<EventKind>(limit: 2, before: nil)
            let events = try await test.store.events.list(page, filter: filter, in: scene.account).items
            let event = try #require(events.first)
            let traced = try await test.store.events.find(event.id, in: scene.account)
            let alerts = Set(event.outcome.channels.compactMap(\.alertID))
            #expect(alerts.count == 2)
            #expect(Set(traced.trace.compactMap(\.alertID)) == alerts)
        }
    }

    @Test("what comes meanwhile waits behind it: a recovery does not pass its firing")
    func order() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            _ = try await scene.commit.store(try await scene.push(Self.firings(0..<1_000)), arrival: .now)
            let recoveries = try await scene.push(["recovery k0", "recovery k999"])
            let stored = try await scene.commit.store(recoveries, arrival: .now)
            #expect(stored.appliedTo == 0)
            _ = try await scene.applyAll()
            #expect(try await scene.openAlerts() == 1_996)
            #expect(try await scene.rows("pending_deliveries") == 0)
            // From now on pushes are applied at once again.
            let last = try await scene.commit.store(try await scene.push(["recovery k1"]), arrival: .now)
            #expect(last.appliedTo == nil)
            #expect(try await scene.openAlerts() == 1_994)
        }
    }

    @Test("another process goes on where one ended, and no slice is applied twice")
    func restart() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            _ = try await scene.commit.store(try await scene.push(Self.firings(0..<1_000)), arrival: .now)
            let pending = test.store.pendingDeliveries
            let work = try #require(try await pending.oldest(of: scene.account))
            guard case .more = try await pending.apply(work, through: scene.commit) else {
                Issue.record("there is more")
                return
            }
            // The same slice once more, as a process would that did not hear of the first.
            guard case .moved = try await pending.apply(work, through: Scene.commit(test)) else {
                Issue.record("it was applied already")
                return
            }
            _ = try await scene.applyAll(through: Scene.commit(test))
            #expect(try await scene.openAlerts() == 2_000)
            let counts = "SELECT COUNT(*) FROM alerts WHERE account_id = $1 AND event_count <> 1"
            #expect(try await test.number(counts, scene.account) == 0)
        }
    }

    @Test("an event has at most 64 channels, the first in the order of routes, and its trace says so")
    func fanOut() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test, channels: 150)
            let stored = try await scene.commit.store(
                try await scene.push(Self.firings(0..<100)),
                arrival: .now
            )
            let first = try #require(stored.appliedTo)
            #expect(first == DeliverySlices.size)
            _ = try await scene.applyAll()
            #expect(try await scene.openAlerts() == 6_400)
            let results = try await test.store.deliveries.find(stored.deliveryID, in: scene.account).results
            let decision = try #require(results.last?.decision)
            #expect(decision.channels.count == 64 && decision.channelsOmitted == 86)
            #expect(results.last?.trace.contains { $0.detail.contains("86 more were left out") } == true)
        }
    }

    @Test("it is replayed in slices, and nothing of it takes effect twice")
    func replay() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let stored = try await scene.commit.store(
                try await scene.push(Self.firings(0..<1_000)),
                arrival: .now
            )
            await #expect(throws: StoreError.self) {
                try await test.store.deliveries.replay(
                    stored.deliveryID,
                    in: scene.account,
                    by: test.actor,
                    through: scene.commit
                )
            }
            _ = try await scene.applyAll()
            let again = try await test.store.deliveries.replay(
                stored.deliveryID,
                in: scene.account,
                by: test.actor,
                through: scene.commit
            )
            #expect(again.applied == 0)
            #expect(again.detail.results.count == 1_000)
            #expect(try await scene.openAlerts() == 2_000)
        }
    }

    @Test("a revision that moves while a push waits has it decided again, not by the writer")
    func movedRevision() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push(["firing late"])
            let other = try await test.channel("Other", in: scene.account).id
            _ = try await test.route(to: [other], of: scene.integration, in: scene.account)
            _ = try await scene.commit.store(push, arrival: .now)
            #expect(try await scene.openAlerts() == 3)
        }
    }

    @Test("what is left of it goes with the delivery")
    func retention() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            _ = try await scene.commit.store(try await scene.push(Self.firings(0..<600)), arrival: .now)
            _ = try await scene.applyAll()
            #expect(try await scene.rows("delivery_slices") > 30)
            test.advance(seconds: 31 * 86_400)
            let look = try await test.store.retention.look(
                after: .installation,
                limit: 10,
                at: test.store.now
            )
            var due = look.due
            while !due.isEmpty { due = try await test.store.retention.purge(due, limit: 50).rest }
            #expect(try await scene.rows("delivery_slices") == 0)
            #expect(try await scene.rows("deliveries") == 0)
        }
    }
}
