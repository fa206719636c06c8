import Domain
import Native
import SQL
import Storage
import TestDatabases
import Testing

@Suite("Routes", .within(minutes: 2))
struct RouteStoreTests {
    @Test("positions stay dense whatever is inserted, moved or deleted")
    func positions() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            func order() async throws -> String {
                let list = try await test.routes(of: integration, in: account)
                #expect(list.items.map(\.position) == Array(0..<list.items.count))
                return list.items.map(\.name.string).joined()
            }
            var ids: [String: RouteID] = [:]
            for (name, position) in [("a", nil), ("b", nil), ("c", 0), ("d", 1), ("e", 99)]
                as [(String, Int?)]
            {
                let draft = RouteStore.Draft.to([channel], name: Text(name))
                let placed = try await test.store.routes.insert(
                    draft,
                    at: position,
                    of: integration,
                    in: account,
                    by: test.actor
                )
                ids[name] = placed.route.id
            }
            #expect(try await order() == "cdabe")
            for (name, position, expected) in [
                ("c", 3, "dabce"), ("e", 0, "edabc"), ("a", 2, "edabc"), ("d", 999, "eabcd"),
            ] {
                let id = try #require(ids[name])
                let placed = try await test.store.routes.update(
                    id,
                    .moving(to: position),
                    if: .none,
                    of: integration,
                    in: account,
                    by: test.actor
                )
                #expect(try await order() == expected)
                #expect(placed.position == min(position, 4))
            }
            let id = try #require(ids["b"])
            try await test.store.routes.delete(id, if: .none, of: integration, in: account, by: test.actor)
            #expect(try await order() == "eacd")
            let found = try await test.store.routes.find(try #require(ids["c"]), of: integration, in: account)
            #expect(found.position == 2)
        }
    }

    @Test("a page begins where the one before ended")
    func pages() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let labels = Labels([("team", "db")])
            let entries = (0..<7).map { index in
                RouteStore.Entry(
                    id: nil,
                    draft: .to([channel], name: Text("\(index)"), labels: index % 3 == 0 ? labels : Labels())
                )
            }
            _ = try await test.store.routes.replace(
                with: entries,
                if: .none,
                of: integration,
                in: account,
                by: test.actor
            )
            for (filter, expected) in [
                (ConfigurationFilter(), [["0", "1"], ["2", "3"], ["4", "5"], ["6"]]),
                (ConfigurationFilter(labels: [("team", "db")]), [["0", "3"], ["6"]]),
            ] {
                var (position, pages): (Int?, [[String]]) = (0, [])
                while let start = position {
                    let list = try await test.store.routes.list(
                        from: start,
                        limit: 2,
                        filter: filter,
                        of: integration,
                        in: account
                    )
                    pages.append(list.items.map(\.name.string))
                    position = list.next
                }
                #expect(pages == expected)
            }
        }
    }

    @Test(
        "replacing the list keeps the routes whose ids it names, and the versions of those that did not change"
    )
    func replacement() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let other = try await test.channel("other", in: account).id
            let routes = test.store.routes
            func replace(
                _ entries: [RouteStore.Entry],
                _ precondition: Precondition
            ) async throws -> RouteList {
                try await routes.replace(
                    with: entries,
                    if: precondition,
                    of: integration,
                    in: account,
                    by: test.actor
                )
            }
            let drafts = ["a", "b", "c"].map { RouteStore.Draft.to([channel], name: Text($0)) }
            let first = try await replace(
                drafts.map { RouteStore.Entry(id: nil, draft: $0) },
                .oneOf([Version(1)])
            )
            #expect(first.version == Version(2))
            let ids = first.items.map(\.route.id)
            let second = try await replace(
                [
                    RouteStore.Entry(id: ids[0], draft: drafts[0]),
                    RouteStore.Entry(id: nil, draft: .to([other], name: "d")),
                    RouteStore.Entry(id: ids[1], draft: .to([other, channel], name: "b")),
                ],
                .oneOf([Version(2)])
            )
            let list = try await test.routes(of: integration, in: account)
            #expect(list.version == Version(3) && second.version == Version(3))
            #expect(list.items.map(\.name) == ["a", "d", "b"])
            #expect(list.items.map(\.metadata.version) == [Version(1), Version(1), Version(2)])
            #expect(list.items[0].route.id == ids[0] && list.items[2].route.id == ids[1])
            #expect(list.items.map { $0.route.target.channelIDs } == [[channel], [other], [other, channel]])
            #expect(list.items.map(\.metadata.version) == second.items.map(\.metadata.version))
            await #expect(throws: StoreError.preconditionFailed) {
                try await replace([], .oneOf([Version(2)]))
            }
            let elsewhere = try await test.sharedIntegration()
            await #expect(throws: StoreError.self) {
                try await routes.replace(
                    with: [RouteStore.Entry(id: ids[0], draft: drafts[0])],
                    if: .none,
                    of: elsewhere.integration,
                    in: elsewhere.account,
                    by: test.actor
                )
            }
        }
    }

    @Test("a change of one route raises the version of the list")
    func listVersion() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let route = try await test.route(to: [channel], of: integration, in: account).route.id
            #expect(try await test.routes(of: integration, in: account).version == Version(2))
            await #expect(throws: StoreError.preconditionFailed) {
                try await test.store.routes.update(
                    route,
                    .moving(to: 0),
                    if: .oneOf([Version(2)]),
                    of: integration,
                    in: account,
                    by: test.actor
                )
            }
            #expect(try await test.routes(of: integration, in: account).version == Version(2))
            let renaming = RouteStore.Patch(
                name: "other",
                position: nil,
                conditions: nil,
                mode: nil,
                channelIDs: nil,
                label: .keep,
                onMatch: nil,
                externalID: .keep,
                labels: nil
            )
            // The first changes nothing.
            for (patch, version) in [(RouteStore.Patch.moving(to: 0), 2), (renaming, 3)] {
                _ = try await test.store.routes.update(
                    route,
                    patch,
                    if: .oneOf([Version(1)]),
                    of: integration,
                    in: account,
                    by: test.actor
                )
                #expect(
                    try await test.routes(of: integration, in: account).version == Version(Int64(version))
                )
            }
        }
    }

    @Test("a dedicated integration has no routes and takes none")
    func dedicated() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let channel = try await test.channel("A", in: account)
            let integration = try await test.dedicated("D", to: channel.id, in: account).id
            #expect(try await test.routes(of: integration, in: account).items.isEmpty)
            await #expect {
                try await test.route(to: [channel.id], of: integration, in: account)
            } throws: { error in
                if case .conflict = error as? StoreError { true } else { false }
            }
        }
    }

    @Test("what was written is what a push gets: conditions, order, targets")
    func roundTrip() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let conditions = [
                [ConditionSource(key: "labels.team", operator: "in", values: ["\"db\"\n", "支付", ""])],
                [ConditionSource(key: "severity", operator: "not_in", values: ["Info"])],
            ]
            let draft = RouteStore.Draft(
                name: "",
                conditions: conditions,
                target: .channelNamed(byLabel: "team"),
                onMatch: .stop,
                externalID: "x",
                labels: Labels([("a", "b")])
            )
            let placed = try await test.store.routes.insert(
                draft,
                at: nil,
                of: integration,
                in: account,
                by: test.actor
            )
            let found = try await test.store.routes.find(placed.route.id, of: integration, in: account)
            #expect(
                found.route.conditions == conditions && found.route.target == .channelNamed(byLabel: "team")
            )
            #expect(found.metadata == placed.metadata && found.route.onMatch == .stop)
            _ = try await test.route(to: [channel], of: integration, in: account)
            let snapshot = try await test.snapshot(of: account)
            let routing = try #require(snapshot.integrations.values.first { $0.id == integration }?.routing)
            guard case .shared(let table, let defaults) = routing else {
                Issue.record("not shared")
                return
            }
            #expect(table.count == 2 && defaults == [channel])
            let subject = ConditionSubject(
                severity: .info,
                title: "t",
                description: "",
                alertKey: "k",
                labels: Labels([("team", "支付")])
            )
            #expect(table.matches(for: subject).map(\.route) == [placed.route.id])
        }
    }

    @Test("10,000 routes are replaced and turned round, and it does not take for ever")
    func manyRoutes() async throws {
        try await TestInstallation.with { test in
            let (account, integration, channel) = try await test.sharedIntegration()
            let entries = (0..<Limits.routes).map { index in
                let condition = ConditionSource(
                    key: "labels.service",
                    operator: "in",
                    values: [Text("service-\(index)")]
                )
                return RouteStore.Entry(id: nil, draft: .to([channel], conditions: [[condition]]))
            }
            let start = ContinuousClock.now
            let list = try await test.store.routes.replace(
                with: entries,
                if: .none,
                of: integration,
                in: account,
                by: test.actor
            )
            let moved = list.items.map { RouteStore.Entry(id: $0.route.id, draft: .to([channel], name: "n")) }
            _ = try await test.store.routes.replace(
                with: moved.reversed(),
                if: .none,
                of: integration,
                in: account,
                by: test.actor
            )
            #expect(start.duration(to: .now) < .seconds(60))
            let page = try await test.store.routes.list(
                from: 9_990,
                limit: 200,
                filter: ConfigurationFilter(),
                of: integration,
                in: account
            )
            #expect(page.items.count == 10 && page.items.last?.route.id == list.items.first?.route.id)
            await #expect {
                try await test.route(to: [channel], of: integration, in: account)
            } throws: { error in
                if case .limitReached = error as? StoreError { true } else { false }
            }
        }
    }
}

extension RouteStore.Patch {
    fileprivate static func moving(to position: Int) -> Self {
        Self(
            name: nil,
            position: position,
            conditions: nil,
            mode: nil,
            channelIDs: nil,
            label: .keep,
            onMatch: nil,
            externalID: .keep,
            labels: nil
        )
    }
}
