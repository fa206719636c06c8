import Domain
import FoundationEssentials
import Native
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Configuration stores", .within(minutes: 2))
struct ConfigurationStoreTests {
    // MARK: Isolation

    @Test("what is another account's is not found")
    func isolation() async throws {
        try await TestInstallation.with { test in
            let (mine, other) = (try await test.account(), try await test.account())
            let channel = try await test.channel("Payments", in: mine)
            let integration = try await test.shared("ARMS", defaults: [channel.id], in: mine)
            let route = try await test.route(to: [channel.id], of: integration.id, in: mine)
            let pushURL = integration.first.pushURL.pushURL.id
            let (store, actor) = (test.store, test.actor)
            await #expect(throws: StoreError.notFound) {
                try await store.channels.find(channel.id, in: other)
            }
            await #expect(throws: StoreError.notFound) {
                try await store.integrations.find(integration.id, in: other)
            }
            await #expect(throws: StoreError.notFound) {
                try await store.pushURLs.find(pushURL, of: integration.id, in: other)
            }
            await #expect(throws: StoreError.notFound) {
                try await store.routes.list(
                    from: 0,
                    limit: 10,
                    filter: ConfigurationFilter(),
                    of: integration.id,
                    in: other
                )
            }
            await #expect(throws: StoreError.notFound) {
                try await store.routes.delete(
                    route.route.id,
                    if: .none,
                    of: integration.id,
                    in: other,
                    by: actor
                )
            }
            await #expect(throws: StoreError.notFound) {
                try await store.integrations.delete(integration.id, if: .none, in: other, by: actor)
            }
            await #expect(throws: StoreError.notFound) {
                try await store.pushURLs.reveal(pushURL, of: integration.id, in: other, by: actor)
            }
        }
    }

    @Test("an account's channel can't be named in another one: every reference is listed with its pointer")
    func references() async throws {
        try await TestInstallation.with { test in
            let (mine, other) = (try await test.account(), try await test.account())
            let (own, foreign) = (
                try await test.channel("A", in: mine), try await test.channel("A", in: other)
            )
            #expect(
                await invalid { _ = try await test.dedicated("D", to: foreign.id, in: mine) } == [
                    "/channel_id"
                ]
            )
            #expect(
                await invalid { _ = try await test.shared("S", defaults: [own.id, foreign.id], in: mine) }
                    == ["/default_channel_ids/1"]
            )
            let integration = try await test.shared("S", defaults: [], in: mine)
            #expect(
                await invalid {
                    _ = try await test.route(to: [own.id, own.id, foreign.id], of: integration.id, in: mine)
                } == ["/channel_ids/2"]
            )
            #expect(
                await invalid {
                    let entries = [[own.id], [foreign.id], [own.id, foreign.id]].map { channels in
                        RouteStore.Entry(
                            id: channels.count == 2 ? RouteID(high: 7, low: 7) : nil,
                            draft: .to(channels)
                        )
                    }
                    _ = try await test.store.routes.replace(
                        with: entries,
                        if: .none,
                        of: integration.id,
                        in: mine,
                        by: test.actor
                    )
                } == ["/routes/1/channel_ids/0", "/routes/2/id", "/routes/2/channel_ids/1"]
            )
        }
    }

    @Test("a type that does not exist is refused")
    func unknownType() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let draft = IntegrationStore.Draft.named("X", .shared(defaults: []), type: "nagios")
            #expect(
                await invalid {
                    _ = try await test.store.integrations.insert(draft, in: account, by: test.actor)
                } == ["/type"]
            )
        }
    }

    // MARK: Names and versions

    @Test("names are unique in an account without regard to case")
    func names() async throws {
        try await TestInstallation.with { test in
            let (mine, other) = (try await test.account(), try await test.account())
            _ = try await test.channel("Straße", in: mine)
            _ = try await test.channel("STRASSE", in: mine)
            await #expect(throws: StoreError.nameTaken) { try await test.channel("STRAßE", in: mine) }
            _ = try await test.channel("straße", in: other)
            _ = try await test.shared("ARMS", defaults: [], in: mine)
            await #expect(throws: StoreError.nameTaken) {
                try await test.shared("arms", defaults: [], in: mine)
            }
            _ = try await test.key("ci", in: mine)
            await #expect(throws: StoreError.nameTaken) { try await test.key("CI", in: mine) }
        }
    }

    @Test("of two changes made from one version the second is refused")
    func lostRace() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let integration = try await test.shared("ARMS", defaults: [], in: account)
            let seen = Precondition.oneOf([Version(1)])
            let patch = IntegrationStore.Patch.describing("one")
            let report = try await test.store.integrations.update(
                integration.id,
                patch,
                if: seen,
                in: account,
                by: test.actor
            )
            #expect(report.integration.metadata.version == Version(2))
            await #expect(throws: StoreError.preconditionFailed) {
                try await test.store.integrations.update(
                    integration.id,
                    .describing("two"),
                    if: seen,
                    in: account,
                    by: test.actor
                )
            }
            let now = try await test.store.integrations.find(integration.id, in: account)
            #expect(now.integration.description == "one")
        }
    }

    // MARK: Integrations

    @Test("an integration's number is never given out again")
    func numbers() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let first = try await test.shared("ARMS", defaults: [], in: account)
            try await test.store.integrations.delete(first.id, if: .none, in: account, by: test.actor)
            #expect(try await test.count("integration_numbers", account) == 1)
            let second = try await test.shared("ARMS", defaults: [], in: account)
            #expect(second.report.integration.number != first.report.integration.number)
            #expect(try await test.count("integration_numbers", account) == 2)
        }
    }

    @Test("a list shows what concerns a channel: its own, as a default, by a route")
    func integrationsOfAChannel() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("A", in: account)
            let dedicated = try await test.dedicated("dedicated", to: channel.id, in: account)
            let defaulting = try await test.shared("defaulting", defaults: [channel.id], in: account)
            let routing = try await test.shared("routing", defaults: [], in: account)
            _ = try await test.shared("other", defaults: [], in: account)
            _ = try await test.route(to: [channel.id], of: routing.id, in: account)
            let page = try await test.store.integrations.list(
                PageRequest(limit: 10, before: nil),
                filter: IntegrationFilter(
                    type: nil,
                    channel: channel.id,
                    configuration: ConfigurationFilter()
                ),
                in: account
            )
            #expect(page.items.map(\.integration.id) == [routing.id, defaulting.id, dedicated.id])
            #expect(page.items[1].integration.mode == .shared(defaults: [channel.id]))
        }
    }

    // MARK: Channels that go

    @Test(
        "cascade takes a channel out of defaults and routes; a route left with none goes, a dedicated integration stays in the way"
    )
    func cascade() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let (gone, kept) = (
                try await test.channel("gone", in: account), try await test.channel("kept", in: account)
            )
            let integration = try await test.shared("ARMS", defaults: [gone.id, kept.id], in: account)
            let lone = try await test.route(to: [gone.id], of: integration.id, in: account)
            let both = try await test.route(to: [gone.id, kept.id], of: integration.id, in: account)
            let last = try await test.route(to: [kept.id], of: integration.id, in: account)
            let (store, actor) = (test.store, test.actor)
            await #expect {
                try await store.channels.delete(gone.id, cascade: false, if: .none, in: account, by: actor)
            } throws: { error in
                guard case .referenced(let references) = error as? StoreError else { return false }
                return references.map(\.type) == ["integration", "route", "route"]
            }
            try await store.channels.delete(gone.id, cascade: true, if: .none, in: account, by: actor)
            let list = try await test.routes(of: integration.id, in: account)
            #expect(list.items.map(\.route.id) == [both.route.id, last.route.id])
            #expect(list.items.map(\.position) == [0, 1])
            #expect(list.items.map { $0.route.target.channelIDs } == [[kept.id], [kept.id]])
            #expect(
                list.items.allSatisfy { $0.route.id != lone.route.id && $0.metadata.version > Version(1) }
            )
            let report = try await store.integrations.find(integration.id, in: account)
            #expect(report.integration.mode == .shared(defaults: [kept.id]))
            #expect(report.integration.metadata.version == Version(2))

            _ = try await test.dedicated("own", to: kept.id, in: account)
            await #expect {
                try await store.channels.delete(kept.id, cascade: true, if: .none, in: account, by: actor)
            } throws: { error in
                guard case .referenced(let references) = error as? StoreError else { return false }
                return references.map(\.name) == ["own"]
            }
            #expect(try await test.routes(of: integration.id, in: account).items.count == 2)
        }
    }

    // MARK: Severity tables

    @Test("a version of a severity table is never given out twice")
    func severityVersions() async throws {
        try await TestInstallation.with { test in
            let (account, tables, type) = (
                try await test.account(), test.store.severityTables, TestFormat().type
            )
            #expect(try await tables.find(type, in: account).isDefault)
            let table = SeverityTable(entries: [.init(level: "sev1", severity: .critical)], fallback: .info)
            let first = try await tables.replace(
                type,
                with: table,
                if: .oneOf([Version(0)]),
                in: account,
                by: test.actor
            )
            #expect(first.version == Version(1))
            try await tables.reset(type, if: .none, in: account, by: test.actor)
            try await tables.reset(type, if: .oneOf([Version(0)]), in: account, by: test.actor)
            let reset = try await tables.find(type, in: account)
            #expect(reset.version == Version(0) && reset.table == TestFormat().severities.defaultTable)
            let changes = [
                SeverityTableStore.EntryChange(level: "p1", meaning: nil),
                SeverityTableStore.EntryChange(level: "p2", meaning: .severity(.critical)),
                SeverityTableStore.EntryChange(level: "mine", meaning: .severity(.info)),
            ]
            let second = try await tables.update(
                type,
                changes,
                fallback: nil,
                if: .none,
                in: account,
                by: test.actor
            )
            #expect(second.version == Version(2))
            #expect(second.table.entries.map(\.level) == ["p2", "mine"])
            let snapshot = try await test.snapshot(of: account)
            #expect(snapshot.severityTables[type] == second.table)
            await #expect(throws: StoreError.notFound) {
                try await tables.find(IntegrationType("nagios"), in: account)
            }
        }
    }
}

/// The pointers of the field errors that `body` throws.
private func invalid(_ body: () async throws -> Void) async -> [String] {
    do {
        try await body()
        return []
    } catch {
        guard case .invalid(let errors) = error as? StoreError else { return ["\(error)"] }
        return errors.items.map(\.pointer)
    }
}

extension Version {
    fileprivate static func > (left: Version, right: Version) -> Bool { left.value > right.value }
}
