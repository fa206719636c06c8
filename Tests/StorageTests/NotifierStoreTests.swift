import Domain
import FoundationEssentials
import Outbound
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Notifiers")
struct NotifierStoreTests {
    private func patch(
        name: Name? = nil,
        status: Enablement? = nil,
        settings: (any NotifierSettings)? = nil
    ) -> NotifierStore.Patch {
        NotifierStore.Patch(
            name: name,
            status: status,
            conditions: nil,
            changes: nil,
            language: nil,
            titleTemplate: .keep,
            textTemplate: .keep,
            stormLimit: nil,
            settings: settings,
            externalID: .keep,
            labels: nil
        )
    }

    @Test(
        "settings come back as they were given, and no part of them is in the store",
        arguments: NotifierKinds.all.map { $0.kind }
    )
    func sealed(kind: Notifier.Kind) async throws {
        let settings = try #require(try Self.allSettings().first { $0.kind == kind })
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            let draft = NotifierStore.Draft(
                name: Name(trusted: "People"),
                status: .enabled,
                conditions: [],
                changes: [.opened],
                template: MessageTemplate(language: .chinese, title: "T", text: nil),
                stormLimit: 5,
                settings: settings,
                externalID: nil,
                labels: Labels()
            )
            let made = try await test.store.notifiers.insert(draft, of: channel, in: account, by: test.actor)
            let found = try await test.store.notifiers.find(made.notifier.id, of: channel, in: account)
            #expect(found.notifier.settings.isEqual(to: made.notifier.settings))
            #expect(found.notifier.settings.kind == settings.kind)
            #expect(found.notifier.template == draft.template)
            #expect(found.notifier.changes == [.opened])
            let hexadecimal = "s3cr3t".utf8.map { String($0, radix: 16) }.joined()
            let contents = try Self.contents(of: test.place)
            #expect(!contents.isEmpty)
            #expect(contents.allSatisfy { !$0.contains("s3cr3t") && !$0.contains(hexadecimal) })
        }
    }

    /// The bytes of the files; of a server's database all rows.
    private static func contents(of place: StorePlace) throws -> [String] {
        guard case .file(let path) = place else {
            return try StoreContents.rows(on: place.inspector(), masked: false)
        }
        return try ["", "-wal"].map {
            String(decoding: try Data(contentsOf: URL(filePath: path + $0)), as: UTF8.self)
        }
    }

    private static func allSettings() throws -> [any NotifierSettings] {
        let url = try EndpointURL("https://hooks.example.com/s3cr3t?token=s3cr3t")
        let mail = Email(
            host: "mail.example.com",
            port: 587,
            security: .starttls,
            login: .init(name: "me", password: "s3cr3t"),
            from: "tocsin@example.com",
            to: ["a@example.com", "b@example.com"]
        )
        return [
            Webhook(url: url, headers: [.init(name: "X-Key", value: "s3cr3t")], secrets: []),
            DingTalk(url: url, secret: "s3cr3t"), Feishu(url: url, secret: nil), WeCom(url: url),
            Slack(url: url), mail,
        ]
    }

    @Test("a row of another account or notifier can't be opened: what is sealed is bound to its place")
    func bound() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            let first = try await test.webhook("First", of: channel, in: account).notifier.id
            let second = try await test.webhook("Second", of: channel, in: account).notifier.id
            let move = SQLStatement(
                """
                UPDATE notifiers SET settings = (SELECT settings FROM notifiers WHERE account_id = $1 AND id = $2)
                WHERE account_id = $1 AND id = $3
                """
            )
            let number = Int64(account.value)
            try await test.database.transaction(.platform) { connection in
                _ = try connection.run(
                    move,
                    [
                        .integer(number), .uuid(high: first.high, low: first.low),
                        .uuid(high: second.high, low: second.low),
                    ]
                )
            }
            _ = try await test.store.notifiers.find(first, of: channel, in: account)
            await #expect(throws: SQLError.self) {
                _ = try await test.store.notifiers.find(second, of: channel, in: account)
            }
        }
    }

    @Test(
        "new settings keep the signing secret; a rotation makes a new one and lets the old one sign for a day"
    )
    func secretsOverTime() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            let made = try await test.webhook("People", of: channel, in: account).notifier
            let first = try #require(made.settings.signingSecrets.first)
            #expect(first.bytes.count == 32)
            let other = Webhook(
                url: try EndpointURL("https://other.example.com/"),
                headers: [],
                secrets: []
            )
            let store = test.store.notifiers
            let changed = try await store.update(
                made.id,
                patch(settings: other),
                if: .none,
                of: channel,
                in: account,
                by: test.actor
            ).notifier
            #expect((changed.settings as? Webhook)?.url.host == "other.example.com")
            #expect(changed.settings.signingSecrets == [first])
            let new = try await store.rotateSecret(of: made.id, of: channel, in: account, by: test.actor)
            #expect(new.previousEndsAt == test.now.adding(seconds: 86_400))
            let rotated = try await store.find(made.id, of: channel, in: account).notifier
            #expect(
                rotated.settings.signingSecrets == [
                    new.secret, .init(bytes: first.bytes, endsAt: new.previousEndsAt),
                ]
            )
        }
    }

    @Test("settings of another kind are refused")
    func otherKind() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            let made = try await test.webhook("People", of: channel, in: account).notifier
            let slack = Slack(url: try EndpointURL("https://hooks.slack.com/x"))
            await #expect(throws: StoreError.self) {
                _ = try await test.store.notifiers.update(
                    made.id,
                    patch(settings: slack),
                    if: .none,
                    of: channel,
                    in: account,
                    by: test.actor
                )
            }
        }
    }

    @Test("another account's notifier, and one of another channel, is not found")
    func foreign() async throws {
        try await TestInstallation.with { test in
            let (account, other) = (try await test.account(), try await test.account())
            let channel = try await test.channel("First", in: account).id
            let second = try await test.channel("Second", in: account).id
            let id = try await test.webhook("People", of: channel, in: account).notifier.id
            for (place, owner) in [(channel, other), (second, account)] {
                await #expect(throws: StoreError.notFound) {
                    _ = try await test.store.notifiers.find(id, of: place, in: owner)
                }
            }
        }
    }

    @Test("a channel that is deleted takes its notifiers along")
    func channelDeleted() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            _ = try await test.webhook("People", of: channel, in: account)
            try await test.store.channels.delete(
                channel,
                cascade: false,
                if: .none,
                in: account,
                by: test.actor
            )
            #expect(try await test.count("notifiers", account) == 0)
        }
    }
}
