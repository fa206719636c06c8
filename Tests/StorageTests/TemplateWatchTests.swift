import Domain
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Stored templates that can't be used")
struct TemplateWatchTests {
    private func with(
        notifiers: Int,
        _ body: (TestInstallation, HealthAlertStore.Subject, [NotifierID]) async throws -> Void
    ) async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            var ids: [NotifierID] = []
            var channel = try await test.channel("C", in: account).id
            for number in 0..<notifiers {
                if number > 0, number.isMultiple(of: NotifierStore.maximumCount) {
                    channel = try await test.channel(Text("C\(number)"), in: account).id
                }
                ids.append(try await test.webhook(Text("N\(number)"), of: channel, in: account).notifier.id)
            }
            try await test.store.healthAlerts.put(channel, in: account, by: test.actor)
            let subject = try #require(try await test.store.healthAlerts.subjects().first)
            try await body(test, subject, ids)
        }
    }

    private func write(_ template: String, _ id: NotifierID, _ test: TestInstallation) async throws {
        let statement = SQLStatement("UPDATE notifiers SET text_template = $2 WHERE id = $1")
        try await test.database.transaction(.platform) { connection in
            _ = try connection.run(
                statement,
                [.uuid(high: id.high, low: id.low), .text(Array(template.utf8))]
            )
        }
    }

    @Test("one becomes an alert, and is none when it was mended; a disabled notifier's is none")
    func alert() async throws {
        try await with(notifiers: 2) { test, subject, ids in
            let store = test.store.healthAlerts
            try await write("{{#labels_list.}}", ids[0], test)
            let troubles = try await store.look(at: subject).troubles
            #expect(troubles.map(\.key) == [Text("tocsin/notifier/\(ids[0])/template")])
            #expect(troubles.first?.severity == .warning)
            #expect(troubles.first?.description.string.contains("labels_list. has nothing") == true)
            #expect(try await store.look(at: subject).troubles == troubles)
            try await test.database.transaction(.platform) { connection in
                try connection.execute(script: "UPDATE notifiers SET status = 'disabled'")
            }
            #expect(try await store.look(at: subject).troubles.isEmpty)
            try await test.database.transaction(.platform) { connection in
                try connection.execute(script: "UPDATE notifiers SET status = 'enabled'")
            }
            #expect(try await store.look(at: subject).troubles == troubles)
            try await write("{{title}}", ids[0], test)
            #expect(try await store.look(at: subject).troubles.isEmpty)
        }
    }

    @Test("many are found with several looks, no more at a time than people can mend")
    func many() async throws {
        try await with(notifiers: 130) { test, subject, ids in
            let store = test.store.healthAlerts
            try await write("{{x}}", ids[129], test)
            #expect(try await store.look(at: subject).troubles.isEmpty)
            #expect(try await store.look(at: subject).troubles.count == 1)
            try await write("{{title}}", ids[129], test)
            #expect(try await store.look(at: subject).troubles.isEmpty)
        }
    }
}
