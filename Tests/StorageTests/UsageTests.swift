import CoreMetrics
import Domain
import Logging
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Usage")
struct UsageTests {
    private static let day: Int64 = 86_400

    /// An account with one dedicated integration, and pushes to it.
    private struct Scene {
        let test: TestInstallation
        let source: FaultScene.Source
        let commit: GroupCommit
        let tracker: UsageTracker

        var account: AccountNumber { source.account }

        init(_ test: TestInstallation, keeping retention: Retention = .standard) async throws {
            self.test = test
            let account = try await test.account(keeping: retention)
            let channel = try await test.channel("First", in: account).id
            let integration = try await test.dedicated("Source", to: channel, in: account).id
            source = FaultScene.Source(account: account, integration: integration)
            commit = FaultScene.commit(test, patience: .seconds(30)).0
            tracker = UsageTracker(database: test.database, logger: Logger(label: "test"))
        }

        /// Pushes so many events at the present time in a body of so many bytes.
        @discardableResult
        func push(_ events: Int, bytes: Int) async throws -> StoredPush {
            try await commit.store(try await prepared(events, bytes: bytes), arrival: .now)
        }

        func prepared(
            _ events: Int,
            bytes: Int,
            replaying replay: PreparedPush.Replay? = nil
        ) async throws -> PreparedPush {
            let decoded = (0..<events).map { DecodedEvent.firing(Text("k\($0)")) }
            return try await FaultScene.Sent(
                mark: "text/plain",
                source: source,
                content: events == 0 ? .quarantined : .events(decoded),
                body: .noise(bytes),
                replay: replay
            ).push(test)
        }

        func refuse(_ reason: RefusalReason, _ count: Int = 1) {
            for _ in 0..<count {
                tracker.refused(reason, integration: source.integration, account: account, at: test.now)
            }
        }

        /// `day: pushes bytes events, reason count, ..` of each day from today on, the day counted from today.
        func usage(since: Int64 = 0, days: Int64 = 1_000, from first: UTCDay) async throws -> [String] {
            let start = first.adding(days: since)
            return try await test.store.usage.list(start..<start.adding(days: days), in: account).map {
                usage in
                let counts = ["\(usage.pushes) \(usage.bytes) \(usage.events)"]
                let refusals = usage.refusals.map { "\($0.reason.name) \($0.count)" }
                return "\(usage.day.number - first.number): " + (counts + refusals).joined(separator: ", ")
            }
        }
    }

    @Test("pushes, bytes and events are counted on the day on which they came, whatever became of them")
    func pushes() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let today = UTCDay(of: test.now)
            try await scene.push(2, bytes: 100)
            try await scene.push(0, bytes: 10)
            test.advance(seconds: 2 * Self.day)
            try await scene.push(1, bytes: 7)
            #expect(try await scene.usage(from: today) == ["0: 2 110 2", "2: 1 7 1"])
            #expect(try await scene.usage(since: 1, days: 1, from: today) == [])
            #expect(try await scene.usage(since: 2, days: 1, from: today) == ["2: 1 7 1"])
            #expect(try await scene.usage(since: 0, days: 2, from: today) == ["0: 2 110 2"])
        }
    }

    @Test("one batch that came over midnight counts for both days; the account of another not at all")
    func batch() async throws {
        try await TestInstallation.with { test in
            let (scene, other) = (try await Scene(test), try await Scene(test))
            let today = UTCDay(of: test.now)
            var pushes: [PreparedPush] = []
            for count in 1...3 { pushes.append(try await scene.prepared(count, bytes: 10)) }
            test.advance(seconds: Self.day)
            for count in 4...5 { pushes.append(try await scene.prepared(count, bytes: 100)) }
            let results = await scene.commit.storeTogether(pushes, in: test.database)
            #expect(results.allSatisfy { (try? $0.get()) != nil })
            #expect(try await scene.usage(from: today) == ["0: 3 30 6", "1: 2 200 9"])
            #expect(try await other.usage(from: today) == [])
        }
    }

    @Test("neither a replay nor a push that is not stored counts")
    func neither() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let today = UTCDay(of: test.now)
            let stored = try await scene.push(0, bytes: 10)
            let replay = PreparedPush.Replay(deliveryID: stored.deliveryID, earlier: [])
            let again = try await scene.prepared(2, bytes: 10, replaying: replay)
            #expect(try await scene.commit.store(again, arrival: .now).applied == 2)
            let patch = AccountStore.Patch(
                name: nil,
                externalID: .keep,
                labels: nil,
                status: nil,
                storedBytesLimit: 0
            )
            _ = try await test.store.accounts.update(scene.account, patch, if: .none, by: test.actor)
            await #expect(throws: PushFailure.storedBytesLimit) { try await scene.push(1, bytes: 10) }
            #expect(try await scene.usage(from: today) == ["0: 1 10 0"])
        }
    }

    @Test("refusals are added up by day and reason, also those that could not be written before")
    func refusals() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let today = UTCDay(of: test.now)
            scene.refuse(.revoked, 2)
            await scene.tracker.flush()
            scene.refuse(.revoked, 3)
            scene.refuse(.pinnedLabel)
            test.advance(seconds: Self.day)
            scene.refuse(.expired)
            await scene.tracker.flush()
            try await scene.push(1, bytes: 5)
            #expect(
                try await scene.usage(from: today) == [
                    "0: 0 0 0, revoked 5, pinned_label 1", "1: 1 5 1, expired 1",
                ]
            )
        }
    }

    @Test("usage goes with the audit's days, whole days at a time")
    func retention() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(
                test,
                keeping: Retention(bodyDays: 1, eventDays: 1, alertDays: 1, auditDays: 30)
            )
            let today = UTCDay(of: test.now)
            for _ in 0..<2 {
                try await scene.push(1, bytes: 5)
                for reason in RefusalReason.allCases { scene.refuse(reason) }
                await scene.tracker.flush()
                test.advance(seconds: Self.day)
            }
            func purge() async throws {
                var due = try await test.store.retention.look(
                    after: .installation,
                    limit: 10,
                    at: test.store.now
                ).due
                while !due.isEmpty { due = try await test.store.retention.purge(due, limit: 10).rest }
            }
            test.advance(seconds: 28 * Self.day)
            try await purge()
            #expect(try await scene.usage(from: today).count == 2)
            test.advance(seconds: Self.day)
            try await purge()
            #expect(try await scene.usage(from: today).map { $0.prefix(2) } == ["1:"])
            test.advance(seconds: Self.day)
            try await purge()
            #expect(try await test.count("usage_days", scene.account) == 0)
            #expect(try await test.count("usage_refusals", scene.account) == 0)
        }
    }

    @Test("usage of a deleted account goes with it, and what is told later is dropped")
    func deleted() async throws {
        try await TestInstallation.with { test in
            let (scene, other) = (try await Scene(test), try await Scene(test))
            let today = UTCDay(of: test.now)
            for scene in [scene, other] {
                try await scene.push(1, bytes: 5)
                scene.refuse(.revoked)
                await scene.tracker.flush()
            }
            try await test.store.accounts.delete(scene.account, if: .none, by: test.actor)
            while try await !test.store.deletions.purge(limit: 100).isIdle {}
            scene.refuse(.accountSuspended)
            await scene.tracker.flush()
            #expect(try await test.count("usage_days", scene.account) == 0)
            #expect(try await test.count("usage_refusals", scene.account) == 0)
            #expect(try await other.usage(from: today) == ["0: 1 5 1, revoked 1"])
        }
    }
}
