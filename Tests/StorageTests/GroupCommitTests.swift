import CoreMetrics
import Domain
import Logging
import SQL
import Storage
import Testing

@Suite("Group commit")
struct GroupCommitTests {
    /// An installation with an account, two channels and an integration dedicated to the first, and a push ready for the writer.
    private struct Scene {
        let test: TestInstallation
        let account: AccountNumber
        let first: ChannelID
        let second: ChannelID
        let integration: IntegrationID
        let pushURL: PushURLID
        let commit: GroupCommit

        init(_ test: TestInstallation) async throws {
            self.test = test
            account = try await test.account()
            first = try await test.channel("First", in: account).id
            second = try await test.channel("Second", in: account).id
            let made = try await test.dedicated("Source", to: first, in: account)
            integration = made.id
            pushURL = made.first.pushURL.pushURL.id
            commit = GroupCommit(
                store: test.store,
                bounds: .patient,
                metrics: NOOPMetricsHandler.instance,
                logger: Logger(label: "test")
            ) { _ in }
        }

        /// As it would be made of a body that came now.
        func push(key: Text = "k", replaying replay: PreparedPush.Replay? = nil) async throws -> PreparedPush
        {
            let snapshot = try #require(try await test.store.snapshots.snapshot(of: account, now: test.now))
            let source = try #require(snapshot.integrations.values.first)
            let vocabulary = TestFormat().severities
            let event = DecodedEvent(
                alertKey: key,
                title: "Disk full",
                description: "",
                labels: Labels(),
                annotations: Labels(),
                isRecovery: false,
                startsAt: nil,
                endsAt: nil,
                severityCandidates: []
            )
            let prepared = PreparedEvent(
                event,
                integration: source,
                account: snapshot,
                vocabulary: vocabulary,
                known: KnownContents()
            )
            return PreparedPush(
                account: snapshot,
                integration: source,
                credential: source.credentials.first?.id,
                vocabulary: vocabulary,
                receivedAt: test.now,
                contentType: nil,
                remoteAddress: nil,
                body: Array("{}".utf8),
                content: .events([prepared]),
                replay: replay
            )
        }

        func alerts() async throws -> [Alert] {
            let page = PageRequest<AlertKind>(limit: 200, before: nil)
            return try await test.store.alerts.list(page, filter: .init(), in: account).items.map(\.alert)
        }
    }

    @Test("a push that waited over a change of the configuration is decided by the new one")
    func decidesAgain() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push()
            let patch = IntegrationStore.Patch(
                name: nil,
                description: nil,
                channel: scene.second,
                defaults: nil,
                status: nil,
                rateLimit: nil,
                sourceCIDRs: nil,
                pinnedLabels: nil,
                externalID: .keep,
                labels: nil
            )
            _ = try await test.store.integrations.update(
                scene.integration,
                patch,
                if: .none,
                in: scene.account,
                by: test.actor
            )
            _ = try await scene.commit.store(push, arrival: .now)
            #expect(try await scene.alerts().map(\.channelID) == [scene.second])
        }
    }

    @Test("a push whose URL was revoked while it waited is not stored")
    func admitsAgain() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push()
            try await test.store.pushURLs.revoke(
                scene.pushURL,
                if: .none,
                of: scene.integration,
                in: scene.account,
                by: test.actor
            )
            await #expect(throws: PushFailure.noLongerAdmitted) {
                try await scene.commit.store(push, arrival: .now)
            }
            #expect(try await scene.alerts().isEmpty)
        }
    }

    @Test("a push to an account that was deleted while it waited is not stored")
    func refusesDeletedAccounts() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push()
            try await test.store.accounts.delete(scene.account, if: .none, by: test.actor)
            await #expect(throws: PushFailure.accountUnavailable) {
                try await scene.commit.store(push, arrival: .now)
            }
        }
    }

    @Test("many pushes of one key at once are all stored, each counted once, in one alert")
    func countsEachOnce() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push()
            let outcomes = try await withThrowingTaskGroup(of: Outcome.self) { group in
                for _ in 0..<300 {
                    group.addTask {
                        try #require(
                            try await scene.commit.store(push, arrival: .now).outcomes.first?.outcome
                        )
                    }
                }
                return try await group.reduce(into: [Outcome]()) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .opened } == 1)
            #expect(outcomes.count { $0 == .duplicate } == 299)
            #expect(try await scene.alerts().map(\.eventCount) == [300])
        }
    }

    @Test("replays of one delivery at the same time take effect once")
    func replaysOnce() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let channel = ChannelStore.Patch(
                name: nil,
                description: nil,
                status: .disabled,
                externalID: .keep,
                labels: nil
            )
            _ = try await test.store.channels.update(
                scene.first,
                channel,
                if: .none,
                in: scene.account,
                by: test.actor
            )
            let unrouted = try await scene.commit.store(try await scene.push(), arrival: .now)
            #expect(unrouted.outcomes.map(\.outcome) == [.unrouted])
            let enabled = ChannelStore.Patch(
                name: nil,
                description: nil,
                status: .enabled,
                externalID: .keep,
                labels: nil
            )
            _ = try await test.store.channels.update(
                scene.first,
                enabled,
                if: .none,
                in: scene.account,
                by: test.actor
            )
            let replay = PreparedPush.Replay(deliveryID: unrouted.deliveryID, earlier: unrouted.outcomes)
            let push = try await scene.push(replaying: replay)
            let applied = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 {
                    group.addTask { try await scene.commit.store(push, arrival: .now).applied }
                }
                return try await group.reduce(0, +)
            }
            #expect(applied == 1)
            #expect(try await scene.alerts().map(\.eventCount) == [1])
        }
    }

    @Test("a push that was not taken in time is answered and never stored")
    func withdraws() async throws {
        try await TestInstallation.with { test in
            let scene = try await Scene(test)
            let push = try await scene.push()
            let long = ContinuousClock.now.advanced(by: .seconds(-110))
            await #expect(throws: PushFailure.timedOut) { try await scene.commit.store(push, arrival: long) }
            #expect(try await scene.alerts().isEmpty)
        }
    }
}
