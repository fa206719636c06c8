import Domain
import SQL
import Storage
import Testing

@Suite("Limits on conditions")
struct ConditionLimitTests {
    private struct Scene {
        let test: TestInstallation
        let account: AccountNumber
        let integration: IntegrationID
        let channel: ChannelID

        init(_ test: TestInstallation, _ limits: [AccountLimits.Kind: Int]) async throws {
            self.test = test
            (account, integration, channel) = try await test.sharedIntegration()
            try await allow(limits)
        }

        func allow(_ limits: [AccountLimits.Kind: Int]) async throws {
            let patch = AccountStore.Patch(
                name: nil,
                externalID: .keep,
                labels: nil,
                status: nil,
                storedBytesLimit: nil,
                limits: limits
            )
            _ = try await test.store.change(account, by: test.actor) { write in
                try test.store.accounts.update(patch, if: .none, write)
            }
        }

        func draft(_ values: [Text]) -> RouteStore.Draft {
            .to([channel], conditions: [[ConditionSource(key: "labels.a", operator: "in", values: values)]])
        }

        @discardableResult
        func insert(_ values: [Text]) async throws -> PlacedRoute {
            try await test.store.routes.insert(
                draft(values),
                at: nil,
                of: integration,
                in: account,
                by: test.actor
            )
        }

        func replace(_ values: [[Text]]) async throws {
            _ = try await test.store.routes.replace(
                with: values.map { RouteStore.Entry(id: nil, draft: draft($0)) },
                if: .none,
                of: integration,
                in: account,
                by: test.actor
            )
        }

        func webhook(_ name: Text, _ values: [Text]) async throws -> NotifierStore.Report {
            let source = ConditionSource(key: "labels.a", operator: "in", values: values)
            return try await test.webhook(name, of: channel, in: account, conditions: [[source]])
        }
    }

    /// What was refused: the limit, how much there would be, and where.
    private struct Refusal: Equatable {
        let kind: AccountLimits.Kind
        let count: Int
        let pointers: [String]
    }

    private func refusal(_ body: () async throws -> Void) async throws -> Refusal? {
        do {
            try await body()
            return nil
        } catch StoreError.costLimitReached(let kind, _, let count, let pointers) {
            return Refusal(kind: kind, count: count, pointers: pointers)
        }
    }

    @Test("those of routes and notifiers count together, and nothing beyond them is stored")
    func together() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test, [.patterns: 3])
            try await scene.insert(["a*", "x"])
            let notifier = try await scene.webhook("One", ["b*"])
            let found = try await refusal { try await scene.insert(["c*", "/^d/"]) }
            #expect(found == Refusal(kind: .patterns, count: 4, pointers: ["/conditions"]))
            #expect(try await test.routes(of: scene.integration, in: scene.account).items.count == 1)
            try await scene.insert(["c*"])
            #expect(try await refusal { _ = try await scene.webhook("Two", ["e*"]) }?.count == 4)
            try await test.store.change(scene.account, by: test.actor) { write in
                try test.store.notifiers.delete(
                    notifier.notifier.id,
                    if: .none,
                    of: scene.channel,
                    write
                )
            }
            _ = try await scene.webhook("Two", ["e*"])
        }
    }

    @Test(
        "each limit is one of its own",
        arguments: [
            (.patternBytes, 3, ["abc*"]), (.programSize, 4, ["/abc/"]),
            (.unindexedConditions, 0, ["/b/"]), (.conditionBytes, 120, ["a"]),
        ] as [(AccountLimits.Kind, Int, [Text])]
    )
    func each(kind: AccountLimits.Kind, limit: Int, values: [Text]) async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test, [kind: limit])
            #expect(try await refusal { try await scene.insert(values) }?.kind == kind)
            try await scene.allow([kind: 1_000])
            #expect(try await refusal { try await scene.insert(values) } == nil)
        }
    }

    @Test("of a list it is said where it goes beyond; one that is no dearer than before is taken")
    func lists() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test, [.patterns: 2])
            _ = try await scene.webhook("One", ["n*"])
            let found = try await refusal { try await scene.replace([["x"], ["a*"], ["y"], ["b*"], ["c*"]]) }
            let pointers = ["/routes/3/conditions", "/routes/4/conditions"]
            #expect(found == Refusal(kind: .patterns, count: 4, pointers: pointers))
            try await scene.replace([["a*"]])
            try await scene.allow([.patterns: 0])
            try await scene.replace([["b*"]])
            #expect(try await refusal { try await scene.replace([["b*", "c*"]]) }?.count == 3)
            let many = (0..<300).map { [Text("v\($0)*")] }
            #expect(try await refusal { try await scene.replace(many) }?.pointers.count == 100)
        }
    }

    @Test("a change of other fields keeps what a route costs, one of its conditions counts anew")
    func patches() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test, [.patterns: 1])
            let route = try await scene.insert(["a*"]).route.id
            func patch(name: Text? = nil, _ values: [Text]? = nil) async throws {
                let conditions = values.map { [[ConditionSource(key: "title", operator: "in", values: $0)]] }
                let patch = RouteStore.Patch(
                    name: name,
                    position: nil,
                    conditions: conditions,
                    mode: nil,
                    channelIDs: nil,
                    label: .keep,
                    onMatch: nil,
                    externalID: .keep,
                    labels: nil
                )
                _ = try await test.store.change(scene.account, by: test.actor) { write in
                    try test.store.routes.update(route, patch, if: .none, of: scene.integration, write)
                }
            }
            try await patch(name: "n")
            #expect(try await refusal { try await scene.insert(["b*"]) }?.count == 2)
            #expect(try await refusal { try await patch(["a*", "b*"]) }?.count == 2)
            try await patch(["x"])
            try await scene.insert(["b*"])
        }
    }

    private static let forgetRoutes = SQLStatement(
        "UPDATE routes SET condition_bytes = NULL, pattern_count = NULL WHERE account_id = $1"
    )
    private static let forgetNotifiers = SQLStatement(
        "UPDATE notifiers SET condition_bytes = NULL, pattern_count = NULL WHERE account_id = $1"
    )

    @Test("rows from before costs were kept count by their texts from the next change on")
    func fromBefore() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test, [.patterns: 2])
            try await scene.insert(["a*"])
            _ = try await scene.webhook("One", ["b*"])
            let account = Int64(scene.account.value)
            try await test.database.transaction(.account(account)) { connection in
                try connection.run(Self.forgetRoutes, [.integer(account)])
                try connection.run(Self.forgetNotifiers, [.integer(account)])
            }
            #expect(try await refusal { try await scene.insert(["c*"]) }?.count == 3)
            try await scene.insert(["c"])
            let counted = "SELECT COUNT(condition_bytes) FROM routes WHERE account_id = $1"
            #expect(try await test.number(counted, scene.account) == 2)
        }
    }
}

@Suite("Configuration that can't be read")
struct UnreadableRowTests {
    private static let spoilRoutes = spoil("routes", "conditions")
    private static let spoilNotifiers = spoil("notifiers", "conditions")
    private static let spoilTables = spoil("severity_tables", "entries")

    private static func spoil(_ table: String, _ column: String) -> SQLStatement {
        SQLStatement("UPDATE \(table) SET \(column) = '[[{' WHERE account_id = $1")
    }

    /// Runs `body` with an account whose rows were spoilt, after a change so that its snapshot is asked for anew.
    private func withSpoilt(
        _ statement: SQLStatement,
        _ body: (TestInstallation, AccountNumber, IntegrationID, ChannelID, RouteID, NotifierID) async throws
            -> Void
    ) async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let conditions = [[ConditionSource(key: "labels.a", operator: "in", values: ["x"])]]
            let route = try await test.store.routes.insert(
                .to([channel], conditions: conditions),
                at: nil,
                of: integration,
                in: account,
                by: test.actor
            )
            let notifier = try await test.webhook("N", of: channel, in: account, conditions: conditions)
            let table = SeverityTable(entries: [.init(level: "a", severity: .info)], fallback: .info)
            try await test.store.change(account, by: test.actor) { write in
                _ = try test.store.severityTables.replace(
                    IntegrationType("test"),
                    with: table,
                    if: .none,
                    write
                )
            }
            let number = Int64(account.value)
            _ = try await test.database.transaction(.account(number)) { connection in
                try connection.run(statement, [.integer(number)])
            }
            try await body(test, account, integration, channel, route.route.id, notifier.notifier.id)
        }
    }

    private func isUnreadable(_ test: TestInstallation, _ account: AccountNumber) async throws -> Bool {
        do {
            _ = try await test.snapshot(of: account)
            return false
        } catch let error as SQLError {
            #expect(error.kind == .unreadable && !error.isDisk)
            return true
        }
    }

    @Test("a route: no decision, but it is listed, and can be replaced or deleted", arguments: [true, false])
    func route(isReplaced: Bool) async throws {
        try await withSpoilt(Self.spoilRoutes) { test, account, integration, channel, route, _ in
            #expect(try await isUnreadable(test, account))
            let shown = try await test.routes(of: integration, in: account).items
            #expect(shown.map(\.route.id) == [route])
            #expect(shown.first?.route.conditions.first?.first?.key == "alert_key")
            func patch(_ conditions: [[ConditionSource]]?) async throws {
                let patch = RouteStore.Patch(
                    name: "new",
                    position: nil,
                    conditions: conditions,
                    mode: nil,
                    channelIDs: nil,
                    label: .keep,
                    onMatch: nil,
                    externalID: .keep,
                    labels: nil
                )
                _ = try await test.store.change(account, by: test.actor) { write in
                    try test.store.routes.update(route, patch, if: .none, of: integration, write)
                }
            }
            await #expect(throws: StoreError.self) { try await patch(nil) }
            if isReplaced {
                try await patch([])
            } else {
                try await test.store.change(account, by: test.actor) { write in
                    try test.store.routes.delete(route, if: .none, of: integration, write)
                }
            }
            #expect(try await !isUnreadable(test, account))
        }
    }

    @Test("a notifier: no decision, but it is listed, and can be deleted")
    func notifier() async throws {
        try await withSpoilt(Self.spoilNotifiers) { test, account, _, channel, _, notifier in
            #expect(try await isUnreadable(test, account))
            let found = try await test.store.notifiers.find(notifier, of: channel, in: account)
            #expect(found.notifier.conditions.first?.first?.key == "alert_key")
            try await test.store.change(account, by: test.actor) { write in
                try test.store.notifiers.delete(notifier, if: .none, of: channel, write)
            }
            #expect(try await !isUnreadable(test, account))
        }
    }

    @Test("a severity table: no decision, but it can be reset")
    func severityTable() async throws {
        try await withSpoilt(Self.spoilTables) { test, account, _, _, _, _ in
            let type = IntegrationType("test")
            #expect(try await isUnreadable(test, account))
            _ = try await test.store.severityTables.find(type, in: account)
            try await test.store.change(account, by: test.actor) { write in
                try test.store.severityTables.reset(type, if: .none, write)
            }
            #expect(try await !isUnreadable(test, account))
        }
    }

    @Test("its owner is told by a health alert, which recovers")
    func healthAlert() async throws {
        try await withSpoilt(Self.spoilRoutes) { test, account, integration, channel, route, _ in
            _ = try await test.store.change(account, by: test.actor) { write in
                try test.store.healthAlerts.put(channel, if: .none, write)
            }
            let subject = try #require(try await test.store.healthAlerts.subjects().first)
            func keys() async throws -> [Text] {
                try await test.store.healthAlerts.look(at: subject).troubles.map(\.key)
            }
            #expect(try await keys() == ["tocsin/configuration/unreadable"])
            try await test.store.change(account, by: test.actor) { write in
                try test.store.routes.delete(route, if: .none, of: integration, write)
            }
            #expect(try await keys().isEmpty)
        }
    }

    @Test("conditions that are stored at their largest are read back")
    func largest() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let value = Text(String(repeating: "\u{8}", count: 1_000))
            let source = ConditionSource(
                key: "title",
                operator: "in",
                values: Array(repeating: value, count: 10)
            )
            #expect(ConditionSource.storedBytes(of: [[source]]) < ConditionSource.storedLimit)
            let labels = Labels(
                (0..<50).map { number in
                    let name = String(repeating: "\u{1}", count: 120) + "\(number)"
                    return (Text(name), Text(String(repeating: "\u{2}", count: 255)))
                }
            )
            let draft = RouteStore.Draft.to([channel], conditions: [[source]], labels: labels)
            let placed = try await test.store.routes.insert(
                draft,
                at: nil,
                of: integration,
                in: account,
                by: test.actor
            )
            let found = try await test.store.routes.find(placed.route.id, of: integration, in: account)
            #expect(found.route.conditions == [[source]] && found.metadata.labels == labels)
            #expect(try await !isUnreadable(test, account))
        }
    }
}
