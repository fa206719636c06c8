import CoreMetrics
import Domain
import Logging
import SQL
import Storage

/// Two accounts in which everything that a push can do is about to happen.
///
/// `many` has a shared integration that is routed to two channels, one of them with a notifier, with an open alert `old` in both, and an unrouted delivery whose
/// channel takes alerts by now. `small` may keep few bytes and has an open alert `old`.
struct FaultScene: Sendable {
    struct Source: Sendable {
        let account: AccountNumber
        let integration: IntegrationID
    }

    /// A push to be: `mark` is its content type, by which its row is found again.
    struct Sent: Sendable {
        let mark: Text
        let source: Source
        let content: Content
        var body = Array("{}".utf8)
        var replay: PreparedPush.Replay?

        enum Content {
            case events([DecodedEvent])
            case quarantined
        }
    }

    let many: Source
    let unrouted: Source
    let small: Source
    let first: ChannelID
    let second: ChannelID
    let third: ChannelID
    let gone: AccountNumber
    let toReplay: PreparedPush.Replay

    init(in test: TestInstallation) async throws {
        let account = try await test.account()
        first = try await test.channel("First", in: account).id
        second = try await test.channel("Second", in: account).id
        third = try await test.channel("Third", in: account).id
        for channel in [first, third] { _ = try await test.webhook("People", of: channel, in: account) }
        let shared = try await test.shared("Shared", defaults: [third], in: account)
        _ = try await test.route(to: [first, second], of: shared.id, in: account)
        many = Source(account: account, integration: shared.id)
        let dedicated = try await test.dedicated("Dedicated", to: third, in: account)
        unrouted = Source(account: account, integration: dedicated.id)
        let other = try await test.account()
        let channel = try await test.channel("Only", in: other).id
        let source = try await test.dedicated("Source", to: channel, in: other)
        small = Source(account: other, integration: source.id)
        // What was recorded until now, what this change records, and about 4,000 bytes.
        let held = try await test.store.accounts.find(other).storedBytes
        let patch = AccountStore.Patch(
            name: nil,
            externalID: .keep,
            labels: nil,
            status: nil,
            storedBytesLimit: held + 5_000
        )
        _ = try await test.store.change(other, by: test.actor) {
            try test.store.accounts.update(patch, if: .none, $0)
        }
        gone = try await Self.deletedAccount(in: test)

        let (commit, _) = Self.commit(test)
        for source in [many, small] {
            let push = try await Sent(mark: "old", source: source, content: .events([.firing("old")])).push(
                test
            )
            _ = try await commit.store(push, arrival: .now)
        }
        try await Self.set(third, .disabled, in: account, test)
        let sent = Sent(mark: "unrouted", source: unrouted, content: .events([.firing("unrouted")]))
        let stored = try await commit.store(try await sent.push(test), arrival: .now)
        try await Self.set(third, .enabled, in: account, test)
        toReplay = PreparedPush.Replay(deliveryID: stored.deliveryID, earlier: stored.outcomes)
    }

    private static func set(
        _ channel: ChannelID,
        _ status: Enablement,
        in account: AccountNumber,
        _ test: TestInstallation
    ) async throws {
        let patch = ChannelStore.Patch(
            name: nil,
            description: nil,
            status: status,
            externalID: .keep,
            labels: nil
        )
        _ = try await test.store.channels.update(channel, patch, if: .none, in: account, by: test.actor)
    }

    private static func deletedAccount(in test: TestInstallation) async throws -> AccountNumber {
        let (account, integration, channel) = try await test.sharedIntegration()
        _ = try await test.route(to: [channel], of: integration, in: account)
        _ = try await test.key("K", in: account)
        try await test.store.accounts.delete(account, if: .none, by: test.actor)
        return account
    }

    /// A batch of everything: what is new, repeats, recoveries, several events at once, what opens again, what changes, a replay, a body
    /// that could not be read, one that is over the quota.
    var everything: [Sent] {
        [
            Sent(mark: "new", source: many, content: .events([.firing("a")])),
            Sent(mark: "repeat", source: many, content: .events([.firing("a")])),
            Sent(mark: "three", source: many, content: .events([.firing("b"), .firing("c"), .firing("a")])),
            Sent(mark: "recovery", source: many, content: .events([.recovery("old"), .recovery("a")])),
            Sent(mark: "again", source: many, content: .events([.firing("old")])),
            Sent(
                mark: "replay",
                source: unrouted,
                content: .events([.firing("unrouted")]),
                replay: toReplay
            ),
            Sent(mark: "quarantined", source: many, content: .quarantined),
            Sent(
                mark: "changed",
                source: small,
                content: .events([.firing("old", title: "Disk failed"), .firing("d")])
            ),
            Sent(mark: "over", source: small, content: .events([.firing("e")]), body: .noise(5_000)),
            Sent(mark: "last", source: small, content: .events([.firing("f"), .recovery("old")])),
        ]
    }

    /// A group commit over the installation, and how often it ended the process. `patience`: with a database server, where a test is not
    /// about that.
    static func commit(
        _ test: TestInstallation,
        patience: Duration = GroupCommit.Bounds.patient.work
    ) -> (GroupCommit, failStops: Lock<Int>) {
        let count = Lock(0)
        var bounds = GroupCommit.Bounds.patient
        bounds.work = patience
        let commit = GroupCommit(
            store: test.store,
            bounds: bounds,
            metrics: NOOPMetricsHandler.instance,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in count.withLock { $0 += 1 } }
        return (commit, count)
    }
}

extension GroupCommit.Bounds {
    /// For tests that are not about time: on a busy machine a push may wait for longer than a sender would.
    static var patient: Self {
        var bounds = Self()
        (bounds.wait, bounds.work) = (.seconds(100), .seconds(30))
        return bounds
    }
}

extension FaultScene.Sent {
    /// As the push endpoint would prepare it now.
    func push(_ test: TestInstallation) async throws -> PreparedPush {
        let snapshot = try await test.snapshot(of: source.account)
        let match = snapshot.integrations.values.first { $0.id == source.integration }
        guard let integration = match else { throw TestInstallation.Missing() }
        let vocabulary = TestFormat().severities
        let known = test.store.knownContents
        return PreparedPush(
            account: snapshot,
            integration: integration,
            credential: replay == nil ? integration.credentials.first?.id : nil,
            vocabulary: vocabulary,
            receivedAt: test.now,
            contentType: mark,
            remoteAddress: nil,
            body: body,
            content: {
                guard case .events(let events) = content else {
                    return .quarantined(.undecodable(.notJSON("")))
                }
                return .events(
                    events.map {
                        PreparedEvent(
                            $0,
                            integration: integration,
                            account: snapshot,
                            vocabulary: vocabulary,
                            known: known
                        )
                    }
                )
            }(),
            replay: replay
        )
    }
}

extension DecodedEvent {
    static func firing(_ key: Text, title: Text = "Disk full") -> Self { event(key, title, false) }
    static func recovery(_ key: Text) -> Self { event(key, "Disk full", true) }

    private static func event(_ key: Text, _ title: Text, _ isRecovery: Bool) -> Self {
        Self(
            alertKey: key,
            title: title,
            description: title,
            labels: Labels(),
            annotations: Labels(),
            isRecovery: isRecovery,
            startsAt: nil,
            endsAt: nil,
            severityCandidates: []
        )
    }
}

extension [UInt8] {
    /// Bytes that can't be packed, the same each time.
    static func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 88_172_645_463_325_252
        return (0..<count).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state)
        }
    }
}

extension GroupCommit {
    /// Stores all pushes in one transaction; returns when the writer has finished with them.
    func storeTogether(
        _ pushes: [PreparedPush],
        in database: Database
    ) async -> [Result<StoredPush, PushFailure>] {
        let (results, gathered) = AsyncStream.makeStream(of: (Int, Result<StoredPush, PushFailure>).self)
        // On the writer's thread, so that it takes none of them before all are queued.
        database.enqueuePushes { _ in
            for (index, push) in pushes.enumerated() {
                self.submit(push, arrival: .now) { gathered.yield((index, $0)) }
            }
        }
        var found: [Int: Result<StoredPush, PushFailure>] = [:]
        for await (index, result) in results {
            found[index] = result
            if found.count == pushes.count { break }
        }
        await withCheckedContinuation { caller in database.enqueuePushes { _ in caller.resume() } }
        return pushes.indices.map { found[$0] ?? .failure(.stopping) }
    }
}

/// Runs `body` for each of `items`, some at the same time: what these tests do is mostly waiting for threads and files.
func forEachAtOnce<Item: Sendable>(
    _ items: [Item],
    _ body: @escaping @Sendable (Item) async throws -> Void
) async throws {
    let lanes = 4
    try await withThrowingTaskGroup(of: Void.self) { group in
        for lane in 0..<lanes {
            group.addTask {
                for index in stride(from: lane, to: items.count, by: lanes) { try await body(items[index]) }
            }
        }
        try await group.waitForAll()
    }
}
