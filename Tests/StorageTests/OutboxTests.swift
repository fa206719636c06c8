import Domain
import SQL
import Storage
import Testing

@Suite("The outbox")
struct OutboxTests {
    @Test("each change of an alert is put into it, in the transaction of the alert, repeats are not")
    func changes() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            _ = try await test.webhook("People", of: scene.channel, in: scene.account)
            try await scene.push(.firing("a"))
            try await scene.push(.firing("a"))
            try await scene.push(.firing("a", title: "Disk failed"))
            try await scene.push(.recovery("a"), .recovery("b"))
            #expect(try await scene.record() == ["opened waiting", "updated waiting", "recovered waiting"])
            let last = try #require(try await scene.notifications().last)
            #expect(last.title == "Disk failed")
            #expect(last.change?.status == "Ok")
            #expect(last.change?.eventCount == 4)
        }
    }

    @Test("an alert that a caller closes is told, with its texts")
    func closed() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            _ = try await test.webhook("People", of: scene.channel, in: scene.account, changes: [.closed])
            try await scene.push(.firing("a"))
            let alerts = try await test.store.alerts.list(
                PageRequest(limit: 1, before: nil),
                filter: .init(),
                in: scene.account
            )
            let alert = try #require(alerts.items.first).alert.id
            let key = try await test.key("K", in: scene.account).key.id
            let actor = Actor(key: key, role: "admin", requestID: "r")
            _ = try await test.store.alerts.close(alert, in: scene.account, by: actor)
            #expect(try await scene.record() == ["closed waiting"])
            let id = try #require(try await scene.notifications().first).id
            let message = try #require(try await test.store.outbox.message(id, in: scene.account)).message
                .message
            guard case .alert(let news) = message else {
                Issue.record("a digest")
                return
            }
            #expect(news.description == "Disk full")
            #expect(news.change == .closed)
            #expect(news.endedAt != nil)
        }
    }

    @Test("why a notifier was not told is kept with the event")
    func explains() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            let store = test.store.notifications
            try await scene.push(.firing("a"))
            let before = try await store.explain(scene.newestEvent(), in: scene.account)
            #expect(before.map(\.verdict) == [.noNotifier])
            let critical = [[ConditionSource(key: "severity", operator: "in", values: ["Critical"])]]
            _ = try await test.webhook("All", of: scene.channel, in: scene.account)
            _ = try await test.webhook("Critical", of: scene.channel, in: scene.account, conditions: critical)
            _ = try await test.webhook("Over", of: scene.channel, in: scene.account, changes: [.recovered])
            try await scene.push(.firing("b"))
            let told = try await store.explain(scene.newestEvent(), in: scene.account)
            #expect(told.map(\.verdict) == [.told, .conditionsNotMet, .changeNotWanted])
            #expect(told.first?.notification?.state == .waiting)
            try await scene.push(.recovery("never seen"))
            let ignored = try await store.explain(scene.newestEvent(), in: scene.account)
            #expect(ignored.map(\.verdict) == [.noChannel])
            await #expect(throws: StoreError.notFound) {
                _ = try await store.explain(scene.newestEvent(), in: test.account())
            }
        }
    }

    @Test("a notifier that was made while a push waited hears of it")
    func newConfiguration() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            let sent = FaultScene.Sent(
                mark: "late",
                source: .init(account: scene.account, integration: scene.integration),
                content: .events([.firing("a")])
            )
            let push = try await sent.push(test)
            _ = try await test.webhook("People", of: scene.channel, in: scene.account)
            _ = try await scene.commit.store(push, arrival: .now)
            #expect(try await scene.record() == ["opened waiting"])
        }
    }

    @Test("another account sees none of it, and can't replay it")
    func isolation() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            let other = try await test.account()
            _ = try await test.webhook("People", of: scene.channel, in: scene.account)
            try await scene.push(.firing("a"))
            let id = try #require(try await scene.notifications().first).id
            let store = test.store.notifications
            let page = try await store.list(PageRequest(limit: 9, before: nil), filter: .init(), in: other)
            #expect(page.items.isEmpty)
            await #expect(throws: StoreError.notFound) { _ = try await store.find(id, in: other) }
            await #expect(throws: StoreError.notFound) {
                _ = try await store.replay(id, in: other, by: test.actor)
            }
            #expect(try await test.store.outbox.message(id, in: other) == nil)
        }
    }

    @Test("what still waits can't be replayed")
    func replayWaiting() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            _ = try await test.webhook("People", of: scene.channel, in: scene.account)
            try await scene.push(.firing("a"))
            let id = try #require(try await scene.notifications().first).id
            await #expect(throws: StoreError.self) {
                _ = try await test.store.notifications.replay(id, in: scene.account, by: test.actor)
            }
        }
    }

    @Test("a queue's lease is one worker's until it ends")
    func leases() async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            let notifier = try await test.webhook("People", of: scene.channel, in: scene.account).notifier.id
            let key = OutboxSignal.Key(account: scene.account, notifier: notifier)
            let (outbox, now) = (test.store.outbox, test.now)
            let end = now.adding(seconds: 60)
            #expect(try await outbox.lease([key], owner: [1], now: now, until: end) == [key])
            #expect(try await outbox.lease([key], owner: [2], now: now, until: end) == [])
            #expect(try await outbox.lease([key], owner: [1], now: now, until: end) == [key])
            let later = end.adding(milliseconds: 1)
            #expect(try await outbox.lease([key], owner: [2], now: later, until: later) == [key])
            try await outbox.forgetLeases()
            #expect(try await outbox.lease([key], owner: [3], now: now, until: end) == [key])
        }
    }
}
