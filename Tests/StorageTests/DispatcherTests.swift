import Domain
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Telling people", .within(minutes: 2))
struct DispatcherTests {
    private func with(
        stormLimit: Int = 20,
        _ body: (NotificationScene, ScriptedReceiver, NotifierID) async throws -> Void
    ) async throws {
        try await TestInstallation.with { test in
            let scene = try await NotificationScene(test)
            let notifier = try await test.webhook(
                "People",
                of: scene.channel,
                in: scene.account,
                stormLimit: stormLimit
            )
            try await body(scene, ScriptedReceiver(), notifier.notifier.id)
        }
    }

    @Test("what changes is told, in order, and recorded")
    func tells() async throws {
        try await with { scene, receiver, _ in
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until { try await scene.record() == ["opened sent"] }
                try await scene.push(.recovery("a"))
                try await scene.until { try await scene.record() == ["opened sent", "recovered sent"] }
            }
            #expect(receiver.changes == ["a opened", "a recovered"])
            let sent = try await scene.notifications()
            #expect(sent.map(\.attempts) == [1, 1])
            #expect(AttemptLog.last(sent[0].log)?.statusCode == 200)
        }
    }

    @Test("what was not told when a process ended is told by the next one, only the latest of each alert")
    func restart() async throws {
        try await with { scene, receiver, _ in
            try await scene.push(.firing("a"), .firing("b"))
            try await scene.push(.recovery("a"))
            try await scene.dispatching(to: receiver) {
                try await scene.until { receiver.changes.count == 2 }
                try await scene.until { try await !scene.record().contains { $0.hasSuffix("waiting") } }
            }
            #expect(receiver.changes.sorted() == ["a recovered", "b opened"])
            let record = try await scene.notifications()
            #expect(record.map(\.state) == [.superseded, .sent, .sent])
            #expect(record[0].by == record[2].id)
            #expect(receiver.received.first { $0.id == record[2].id }?.supersedes == [record[0].id])
        }
    }

    @Test("what fails is tried again with the same id, later; its attempts are kept")
    func retries() async throws {
        try await with { scene, receiver, _ in
            receiver.answer(.failed(.status))
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until { try await scene.notifications().first?.attempts == 1 }
                receiver.answer(.sent)
                scene.test.advance(seconds: 7)
                try await scene.until { try await scene.record() == ["opened sent"] }
            }
            #expect(receiver.ids.count == 2)
            #expect(Set(receiver.ids).count == 1)
            #expect(try await scene.notifications().first?.attempts == 2)
        }
    }

    @Test(
        "nobody reads firing after recovered: while a firing waits to be tried again its recovery takes its place"
    )
    func supersedes() async throws {
        try await with { scene, receiver, _ in
            receiver.answer(.failed(.timeout))
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until { try await scene.notifications().first?.attempts == 1 }
                receiver.answer(.sent)
                try await scene.push(.recovery("a"))
                try await scene.until { try await scene.record() == ["opened superseded", "recovered sent"] }
                scene.test.advance(seconds: 3_600)
                try await Task.sleep(for: .milliseconds(500))
            }
            #expect(receiver.changes == ["a opened", "a recovered"])
        }
    }

    @Test("a message names all that it is told in the place of, over several looks")
    func namesAll() async throws {
        try await with { scene, receiver, _ in
            receiver.answer(.failed(.timeout))
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until { try await scene.notifications().first?.attempts == 1 }
                try await scene.push(.firing("a", title: "Disk failed"))
                try await scene.until { try await scene.notifications().last?.attempts == 1 }
                receiver.answer(.sent)
                try await scene.push(.recovery("a"))
                try await scene.until { try await scene.notifications().last?.state == .sent }
            }
            let record = try await scene.notifications().map(\.id)
            #expect(receiver.received.map(\.supersedes) == [[], [record[0]], [record[0], record[1]]])
        }
    }

    @Test("after eleven attempts it is dead, and can be replayed")
    func dies() async throws {
        try await with { scene, receiver, notifier in
            receiver.answer(.failed(.refused))
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                for attempts in 1...11 {
                    try await scene.until {
                        scene.test.advance(seconds: attempts < 6 ? 30 : 900)
                        try await Task.sleep(for: .milliseconds(20))
                        return try await scene.notifications().first.map { $0.attempts >= attempts } ?? false
                    }
                }
                try await scene.until { try await scene.record() == ["opened dead"] }
                #expect(receiver.ids.count == 11)
                receiver.answer(.sent)
                let store = scene.test.store.notifications
                let count = try await store.replayDead(
                    of: notifier,
                    since: nil,
                    until: nil,
                    limit: 10,
                    in: scene.account,
                    by: scene.test.actor
                )
                #expect(count == 1)
                try await scene.until {
                    scene.test.advance(seconds: 10)
                    return try await scene.record() == ["opened sent"]
                }
            }
            #expect(Set(receiver.ids).count == 1)
        }
    }

    @Test("a receiver that is gone disables its notifier; what waits is dead and what comes says so")
    func gone() async throws {
        try await with { scene, receiver, notifier in
            receiver.answer(.failed(.gone))
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until {
                    let found = try await scene.test.store.notifiers.find(
                        notifier,
                        of: scene.channel,
                        in: scene.account
                    )
                    return found.notifier.status == .disabled && found.notifier.disabledReason == .gone
                }
                try await scene.push(.firing("b"))
            }
            #expect(try await scene.record() == ["opened dead"])
            let why = try await scene.test.store.notifications.explain(scene.newestEvent(), in: scene.account)
            #expect(why.map(\.verdict) == [.notifierDisabled])
            #expect(receiver.ids.count == 1)
        }
    }

    @Test("what waits for a notifier that was deleted is given up")
    func deleted() async throws {
        try await with { scene, receiver, notifier in
            try await scene.push(.firing("a"))
            try await scene.test.store.notifiers.delete(
                notifier,
                if: .none,
                of: scene.channel,
                in: scene.account,
                by: scene.test.actor
            )
            try await scene.dispatching(to: receiver) {
                try await scene.until { try await scene.record() == ["opened dead"] }
            }
            #expect(receiver.ids.isEmpty)
        }
    }

    @Test("a receiver that fails ten times in a row is left alone, then tried with one message")
    func breaker() async throws {
        try await with { scene, receiver, _ in
            receiver.answer(.failed(.connect))
            try await scene.dispatching(to: receiver) {
                try await scene.push((0..<15).map { .firing(Text("k\($0)")) })
                try await scene.until {
                    let recorded = try await scene.notifications().map(\.attempts).reduce(0, +)
                    return recorded >= 10 && recorded == receiver.ids.count
                }
                // Up to four were on their way when it opened.
                let count = receiver.ids.count
                #expect((10...13).contains(count))
                scene.test.advance(seconds: 31)
                try await scene.until { receiver.ids.count > count }
                try await Task.sleep(for: .milliseconds(500))
                #expect(receiver.ids.count == count + 1)
                receiver.answer(.sent)
                try await scene.until {
                    scene.test.advance(seconds: 2)
                    return try await scene.notifications().allSatisfy { $0.state == .sent }
                }
            }
        }
    }

    @Test("more than the limit in a minute become one digest that counts them all")
    func storm() async throws {
        try await with(stormLimit: 5) { scene, receiver, _ in
            try await scene.dispatching(to: receiver) {
                try await scene.push((0..<40).map { .firing(Text("k\($0)")) })
                try await scene.until { receiver.ids.count >= 4 }
                try await scene.push(.recovery("k39"))
                try await scene.until {
                    scene.test.advance(seconds: 1)
                    return receiver.changes.contains { $0.hasPrefix("digest") }
                }
                try await scene.until { try await !scene.record().contains { $0.hasSuffix("waiting") } }
            }
            #expect(receiver.changes.suffix(1) == ["digest 36"])
            guard case .digest(let digest) = receiver.received.last?.message else {
                Issue.record("no digest")
                return
            }
            #expect(digest.counts.map(\.alerts).reduce(0, +) == 36)
            #expect(digest.counts.contains { $0.change == .recovered && $0.alerts == 1 })
            #expect(digest.alertIDs.count == 36)
            #expect(digest.titles.map(\.alerts) == [36])
            let record = try await scene.record()
            #expect(record.count { $0.hasSuffix("sent") } == 5)
            #expect(record.count { $0.hasSuffix("digested") || $0.hasSuffix("superseded") } == 37)
        }
    }

    @Test("a message that was on its way when the process ended goes out again with the same id")
    func cutOff() async throws {
        try await with { scene, receiver, _ in
            receiver.hang(true)
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until { receiver.ids.count == 1 }
            }
            #expect(try await scene.record() == ["opened waiting"])
            receiver.hang(false)
            try await scene.dispatching(to: receiver) {
                try await scene.until { try await scene.record() == ["opened sent"] }
            }
            #expect(receiver.ids.count == 2)
            #expect(Set(receiver.ids).count == 1)
        }
    }

    @Test("a notifier that fails for long raises an alert in the chosen channel, and recovers it")
    func health() async throws {
        try await with { scene, receiver, _ in
            let store = scene.test.store
            let operators = try await scene.test.channel("Operators", in: scene.account).id
            try await store.healthAlerts.put(operators, in: scene.account, by: scene.test.actor)
            #expect(try await store.healthAlerts.find(in: scene.account).channel == operators)
            receiver.answer(.failed(.connect))
            try await scene.dispatching(to: receiver) {
                try await scene.push(.firing("a"))
                try await scene.until { try await scene.notifications().first?.attempts == 1 }
            }
            let subject = try #require(try await store.healthAlerts.subjects().first)
            #expect(try await store.healthAlerts.look(at: subject).troubles.isEmpty)
            scene.test.advance(seconds: 301)
            let troubles = try await store.healthAlerts.look(at: subject).troubles
            #expect(troubles.map(\.severity) == [.critical])
            receiver.answer(.sent)
            try await scene.dispatching(to: receiver) {
                try await scene.until { try await scene.record() == ["opened sent"] }
            }
            #expect(try await store.healthAlerts.look(at: subject).troubles.isEmpty)
        }
    }
}
