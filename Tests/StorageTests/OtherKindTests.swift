import Domain
import Native
import SQL
import Storage
import Testing

@Suite("Kinds of notifiers that the store knows by a list")
struct OtherKindTests {
    private func draft(_ settings: any NotifierSettings) -> NotifierStore.Draft {
        NotifierStore.Draft(
            name: Name(trusted: "People"),
            status: .enabled,
            conditions: [],
            changes: [.opened],
            template: MessageTemplate(language: .english, title: nil, text: nil),
            stormLimit: 5,
            settings: settings,
            externalID: nil,
            labels: Labels()
        )
    }

    @Test("one more kind is kept, found and listed like the others, and has no signing secret")
    func another() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            let store = test.store.notifiers
            let settings = Pager(number: "+49 30 1234")
            let made = try await store.insert(draft(settings), of: channel, in: account, by: test.actor)
            let found = try await store.find(made.notifier.id, of: channel, in: account).notifier
            #expect(found.kind == Pager.kind)
            #expect(found.settings as? Pager == settings)
            await #expect(throws: StoreError.self) {
                _ = try await store.rotateSecret(of: found.id, of: channel, in: account, by: test.actor)
            }
        }
    }

    @Test("a row of a kind that the list does not hold can't be read, but deleted")
    func unknown() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("First", in: account).id
            let store = test.store.notifiers
            let made = try await store.insert(draft(Telex()), of: channel, in: account, by: test.actor)
                .notifier
            let error = await #expect(throws: SQLError.self) {
                _ = try await store.find(made.id, of: channel, in: account)
            }
            #expect(error?.kind == .unreadable)
            try await store.delete(made.id, if: .none, of: channel, in: account, by: test.actor)
        }
    }
}

/// A kind that only the tests of the store know.
struct Pager: NotifierSettings {
    static let kind = Notifier.Kind("pager")

    let number: Text

    init(number: Text) {
        self.number = number
    }

    init?(_ fields: Fields) {
        guard let number = fields.required("number", { $0.text() }) else { return nil }
        self.number = number
    }

    init?(stored object: JSONValue) {
        guard let number = object.text("number") else { return nil }
        self.number = number
    }

    func store(to object: inout JSONWriter) { object.field("number", number) }

    func show(to object: inout JSONWriter, at now: UnixTime) {}
}

/// A kind of another version of this program.
private struct Telex: NotifierSettings {
    static let kind = Notifier.Kind("telex")

    init() {}

    init?(_ fields: Fields) {}

    init?(stored object: JSONValue) {}

    func store(to object: inout JSONWriter) {}

    func show(to object: inout JSONWriter, at now: UnixTime) {}
}
