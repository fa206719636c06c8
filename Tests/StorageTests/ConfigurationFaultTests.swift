import Domain
import SQL
import Storage
import TestDatabases
import Testing

/// Fails every call to the database, and every shape of call in every way, while something other than pushes
/// is written.
@Suite("Faults while the configuration is written")
struct ConfigurationFaultTests {
    /// A change that is made in one transaction.
    struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let run: @Sendable (TestInstallation, FaultScene) async throws -> Void

        init(_ name: String, _ run: @escaping @Sendable (TestInstallation, FaultScene) async throws -> Void) {
            testDescription = name
            self.run = run
        }
    }

    private static let changes = channels + integrations + others

    private static let channels = [
        Change("channel create") { test, scene in
            _ = try await test.channel("Fourth", in: scene.many.account)
        },
        Change("channel update") { test, scene in
            let patch = ChannelStore.Patch(
                name: Name(trusted: "Renamed"),
                description: nil,
                status: .disabled,
                externalID: .keep,
                labels: nil
            )
            let account = scene.many.account
            _ = try await test.store.channels.update(
                scene.first,
                patch,
                if: .none,
                in: account,
                by: test.actor
            )
        },
        Change("channel delete with cascade") { test, scene in
            try await test.store.channels.delete(
                scene.first,
                cascade: true,
                if: .none,
                in: scene.many.account,
                by: test.actor
            )
        },
    ]

    private static let integrations = [
        Change("integration create") { test, scene in
            _ = try await test.shared("Made", defaults: [scene.first], in: scene.many.account)
        },
        Change("integration update") { test, scene in
            _ = try await test.store.integrations.update(
                scene.unrouted.integration,
                .describing("Changed"),
                if: .none,
                in: scene.many.account,
                by: test.actor
            )
        },
        Change("integration delete") { test, scene in
            try await test.store.integrations.delete(
                scene.many.integration,
                if: .none,
                in: scene.many.account,
                by: test.actor
            )
        },
        Change("push URL revoke") { test, scene in
            let snapshot = try await test.snapshot(of: scene.small.account)
            let credential = snapshot.integrations.values.first?.credentials.first
            guard let credential else { throw TestInstallation.Missing() }
            try await test.store.pushURLs.revoke(
                credential.id,
                if: .none,
                of: scene.small.integration,
                in: scene.small.account,
                by: test.actor
            )
        },
        Change("routes replace") { test, scene in
            let (account, integration) = (scene.many.account, scene.many.integration)
            let present = try await test.routes(of: integration, in: account).items
            let entries = [
                RouteStore.Entry(id: nil, draft: .to([scene.third])),
                RouteStore.Entry(id: present.first?.route.id, draft: .to([scene.second, scene.third])),
            ]
            _ = try await test.store.routes.replace(
                with: entries,
                if: .none,
                of: integration,
                in: account,
                by: test.actor
            )
        },
        Change("severity table replace") { test, scene in
            _ = try await test.store.severityTables.replace(
                IntegrationType("test"),
                with: SeverityTable(entries: [.init(level: "P1", severity: .info)], fallback: .critical),
                if: .none,
                in: scene.many.account,
                by: test.actor
            )
        },
    ]

    private static let others = [
        Change("account create") { test, _ in _ = try await test.account() },
        Change("account suspend") { test, scene in
            let patch = AccountStore.Patch(
                name: nil,
                externalID: .keep,
                labels: nil,
                status: .suspended,
                storedBytesLimit: nil
            )
            _ = try await test.store.accounts.update(
                scene.many.account,
                patch,
                if: .none,
                by: test.actor
            )
        },
        Change("account delete") { test, scene in
            try await test.store.accounts.delete(scene.many.account, if: .none, by: test.actor)
        },
        Change("account purge, one batch of several") { test, _ in
            _ = try await test.store.deletions.purge(limit: 3)
        },
        Change("account purge, all at once") { test, _ in
            _ = try await test.store.deletions.purge(limit: 1_000)
        },
        Change("account purge, the end") { test, _ in _ = try await test.store.deletions.purge(limit: 3) },
        Change("API key create") { test, scene in _ = try await test.key("New", in: scene.many.account) },
        Change("alert close") { test, scene in
            let page = PageRequest<AlertKind>(limit: 200, before: nil)
            let account = scene.many.account
            let alerts = try await test.store.alerts.list(page, filter: .init(), in: account).items
            guard let alert = alerts.last?.alert else { throw TestInstallation.Missing() }
            _ = try await test.store.alerts.close(alert.id, in: account, by: test.actor)
        },
    ]

    /// What a change comes to without a fault.
    private struct Reference: Sendable {
        let calls: [Faults.Shape]
        let before: [String]
        /// Masked.
        let after: [String]
    }

    private static func reference(
        _ change: Change,
        _ scene: FaultScene,
        on template: StorePlace
    ) async throws -> Reference {
        let faults = Faults()
        return try await TestInstallation.with(copyOf: template, faults: faults) { test in
            let before = try StoreContents.rows(on: test.place.inspector(), masked: false)
            faults.arm()
            try await change.run(test, scene)
            let calls = faults.disarm()
            let after = try StoreContents.rows(on: test.place.inspector(), masked: true)
            return Reference(calls: calls, before: before, after: after)
        }
    }

    @Test("a change is made whole or not at all, whichever call fails", arguments: changes)
    func everyCall(_ change: Change) async throws {
        let (template, scene) = try await TestInstallation.template { try await FaultScene(in: $0) }
        defer { template.remove() }
        let reference = try await Self.reference(change, scene, on: template)
        let calls = reference.calls.map(\.call)
        #expect(calls.first == .begin && calls.suffix(2) == [.commit, .maintain])
        let ways =
            Faults.Timing.allCases.map { Faults.Way(kind: .inputOutput, timing: $0) }
            + [Faults.Way(kind: .uniqueViolation, timing: .before)]
        let faults = reference.calls.dropLast().faults { _, _ in ways }
        try await forEachAtOnce(ways) { way in
            let chosen = faults.filter { $0.kind == way.kind && $0.timing == way.timing }
            try await Self.fail(change, chosen, way, scene, template, reference)
        }
    }

    /// One fault after the other on one store, which each before the commit must leave as it was.
    private static func fail(
        _ change: Change,
        _ chosen: [Faults.Fault],
        _ way: Faults.Way,
        _ scene: FaultScene,
        _ template: StorePlace,
        _ reference: Reference
    ) async throws {
        let faults = Faults()
        try await TestInstallation.with(copyOf: template, faults: faults) { test in
            let commit = reference.calls.count - 1
            for fault in chosen {
                try await refused(change, fault, faults, scene, test)
                if fault.number == commit, way.timing == .after { continue }
                let rows = try StoreContents.rows(on: test.place.inspector(), masked: false)
                #expect(rows == reference.before, "\(fault) (\(reference.calls[fault.number - 1].call))")
            }
            if way.timing != .after {
                faults.arm(Faults.Fault(number: commit + 1, kind: way.kind, timing: way.timing))
                try await change.run(test, scene)
                faults.disarm()
            }
            let rows = try StoreContents.rows(on: test.place.inspector(), masked: true)
            #expect(rows == reference.after, "\(way)")
            try await checkSnapshots(of: scene, test, "\(way)")
            // A transaction that was left open would be in the way.
            _ = try await test.account()
        }
    }

    private static func refused(
        _ change: Change,
        _ fault: Faults.Fault,
        _ faults: Faults,
        _ scene: FaultScene,
        _ test: TestInstallation
    ) async throws {
        for account in [scene.many.account, scene.small.account] {
            _ = try await test.store.snapshots.snapshot(of: account, now: test.now)
        }
        faults.arm(fault)
        await #expect(throws: (any Error).self, "\(fault)") { try await change.run(test, scene) }
        faults.disarm()
        try await checkSnapshots(of: scene, test, "\(fault)")
    }

    /// Pushes see what the store holds: nothing that was taken back, and nothing older.
    private static func checkSnapshots(
        of scene: FaultScene,
        _ test: TestInstallation,
        _ fault: Comment
    ) async throws {
        for account in [scene.many.account, scene.small.account] {
            let source = try await test.database.read(.platform) { try SnapshotLoader.read(account, on: $0) }
            let stored = try source.map { try SnapshotLoader.compile($0).snapshot }
            let seen = try await test.store.snapshots.snapshot(of: account, now: test.now)
            #expect(seen?.revision == stored?.revision, fault)
            #expect(seen?.isActive == stored?.isActive, fault)
            for channel in [scene.first, scene.second, scene.third] {
                #expect(seen?.channels.isEnabled(channel) == stored?.channels.isEnabled(channel), fault)
            }
        }
    }

    @Test("a snapshot that was being loaded when a change ended in doubt is not handed out")
    func doubtDuringLoad() async throws {
        try await TestInstallation.with { test in
            let account = try await test.account()
            let (cache, loads) = (Lock<SnapshotCache?>(nil), Lock(0))
            let made = SnapshotCache(database: test.database, work: test.store.work, capacity: 10) {
                account,
                connection in
                let source = try SnapshotLoader.read(account, on: connection)
                let count = loads.withLock { count in
                    count += 1
                    return count
                }
                if count == 1 { cache.withLock { $0 }?.doubt(account) }
                return source
            }
            cache.withLock { $0 = made }
            #expect(try await made.snapshot(of: account, now: test.now) != nil)
            #expect(loads.withLock { $0 } == 2)
            #expect(made.cached(account) != nil)
            made.doubt(account)
            #expect(made.cached(account) == nil)
            cache.withLock { $0 = nil }
        }
    }
}
