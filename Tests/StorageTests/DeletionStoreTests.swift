import Domain
import Logging
import Storage
import TestDatabases
import Testing

@Suite("Deletion of accounts", .within(minutes: 2))
struct DeletionStoreTests {
    @Test("covers every table of accounts, each once")
    func tables() {
        let tables = DeletionStore.tables.map { "\($0)" }
        #expect(tables.sorted() == Schema.tenantTables.sorted())
    }

    @Test(
        "counts what it removes, says when nothing is left, and leaves neighbours alone",
        arguments: [1, 3, 1_000]
    )
    func counts(limit: Int) async throws {
        try await TestInstallation.with { test in
            let (account, neighbour) = (try await filled(test), try await filled(test))
            let before = try await rows(of: account, test)
            let others = try await rows(of: neighbour, test)
            let held = try await test.store.accounts.find(account).storedBytes
            let deletion = try await test.store.accounts.delete(account, if: .none, by: test.actor)
            #expect(deletion.status == .running && deletion.storedBytes == held && held > 0)
            #expect(deletion.requestedBy == test.actor.key)
            #expect(deletion.removed.allSatisfy { $0.count == 0 })

            var (removed, finished) = (0, [AccountID]())
            while true {
                let batch = try await test.store.deletions.purge(limit: limit)
                if batch.isIdle { break }
                removed += batch.removed
                if let account = batch.finished { finished.append(account) }
                let now = try await test.store.deletions.find(deletion.account)
                #expect(Int(now.removed.reduce(0) { $0 + $1.count }) == removed)
                #expect((now.finishedAt != nil) == (batch.finished != nil))
            }
            #expect(finished == [deletion.account])
            let end = try await test.store.deletions.find(deletion.account)
            #expect(end.status == .finished && end.requestedAt == deletion.requestedAt)
            // What was recorded when it was deleted is the account's, too.
            let expected = before.merging(["audit": 1]) { $0 + $1 }.filter { $0.value > 0 }
            let told = end.removed.map { ("\($0.table)", Int($0.count)) }.filter { $0.1 > 0 }
            #expect(Dictionary(uniqueKeysWithValues: told) == expected)
            #expect(try await rows(of: account, test).values.allSatisfy { $0 == 0 })
            #expect(try await rows(of: neighbour, test) == others)
            try await recorded(end, test)
        }
    }

    /// The installation's own record has the proof, too.
    private func recorded(_ deletion: Deletion, _ test: TestInstallation) async throws {
        let request = PageRequest<AuditKind>(limit: 1, before: nil)
        var filter = AuditStore.Filter()
        filter.action = "account.purge"
        let entry = try #require(
            try await test.store.audit.list(request, filter: filter, in: .installation).items.first
        )
        #expect(entry.resource == deletion.account.description && entry.actorRole == "system")
        let events = try #require(deletion.removed.first { "\($0.table)" == "events" })
        #expect(events.count > 0 && entry.detail.string.contains("\"events\":\(events.count)"))
    }

    /// An account with history and configuration.
    private func filled(_ test: TestInstallation) async throws -> AccountNumber {
        let scene = try await FaultScene(in: test)
        while try await !test.store.deletions.purge(limit: 1_000).isIdle {}
        let (commit, _) = FaultScene.commit(test, patience: .seconds(30))
        for sent in scene.everything {
            _ = try? await commit.store(try await sent.push(test), arrival: .now)
        }
        let account = scene.many.account
        _ = try await test.key("K", in: account)
        let tracker = UsageTracker(database: test.database, logger: Logger(label: "test"))
        tracker.refused(.revoked, integration: scene.many.integration, account: account, at: test.now)
        await tracker.flush()
        let keys = try await test.store.outbox.queues().filter { $0.account == account }
        let owner = Array("node".utf8)
        let end = test.now.adding(seconds: 60)
        _ = try await test.store.outbox.lease(keys, owner: owner, now: test.now, until: end)
        return account
    }

    private func rows(of account: AccountNumber, _ test: TestInstallation) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in Schema.tenantTables { counts[table] = Int(try await test.count(table, account)) }
        return counts
    }

    @Test("several are finished one after the other, and listed by status")
    func lists() async throws {
        try await TestInstallation.with { test in
            var accounts: [AccountID] = []
            for _ in 0..<3 {
                let number = try await test.account()
                accounts.append(
                    try await test.store.accounts.delete(number, if: .none, by: test.actor).account
                )
            }
            let kept = try await test.account()
            let keptID = try await test.store.accounts.find(kept).id
            await #expect(throws: StoreError.notFound) { try await test.store.deletions.find(keptID) }
            var finished: AccountID?
            while finished == nil { finished = try await test.store.deletions.purge(limit: 50).finished }
            func listed(_ status: Deletion.Status?, _ limit: Int = 10) async throws -> [AccountID] {
                let request = PageRequest<AccountKind>(limit: limit, before: nil)
                return try await test.store.deletions.list(request, status: status).items.map(\.account)
            }
            #expect(try await listed(nil) == accounts.sorted().reversed())
            #expect(try await listed(nil, 2) == Array(accounts.sorted().reversed().prefix(2)))
            #expect(try await listed(.finished) == [finished])
            #expect(try await listed(.running).count == 2)
            while try await !test.store.deletions.purge(limit: 50).isIdle {}
            #expect(try await listed(.running).isEmpty)
        }
    }

    @Test("what workers write late, of an account that is gone, is not kept")
    func late() async throws {
        try await TestInstallation.with { test in
            let account = try await filled(test)
            let keys = try await test.store.outbox.queues().filter { $0.account == account }
            #expect(!keys.isEmpty)
            try await test.store.accounts.delete(account, if: .none, by: test.actor)
            while try await !test.store.deletions.purge(limit: 100).isIdle {}
            let owner = Array("late".utf8)
            let end = test.now.adding(seconds: 60)
            #expect(try await test.store.outbox.lease(keys, owner: owner, now: test.now, until: end).isEmpty)
            var work = Outbox.Work(try #require(keys.first))
            for result in [SendResult.sent, .failed(.timeout)] {
                work.attempts = [
                    Outbox.Attempt(
                        id: test.store.identifiers.next(),
                        result: result,
                        attempts: 1,
                        at: test.now,
                        nextAt: nil,
                        log: nil
                    )
                ]
                try await test.store.outbox.write([work])
            }
            #expect(try await rows(of: account, test).values.allSatisfy { $0 == 0 })
        }
    }
}
