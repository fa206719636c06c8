import CoreMetrics
import Domain
import Logging
import SQL
import Storage
import Testing
import Workers

/// An account with one dedicated integration whose channel has notifiers, and pushes to it.
struct NotificationScene: Sendable {
    let test: TestInstallation
    let account: AccountNumber
    let channel: ChannelID
    let integration: IntegrationID
    let commit: GroupCommit

    init(_ test: TestInstallation) async throws {
        self.test = test
        account = try await test.account()
        channel = try await test.channel("First", in: account).id
        integration = try await test.dedicated("Source", to: channel, in: account).id
        commit = Self.commit(test)
    }

    /// The same on another node.
    init(_ scene: NotificationScene, on test: TestInstallation) {
        self.test = test
        (account, channel, integration) = (scene.account, scene.channel, scene.integration)
        commit = Self.commit(test)
    }

    private static func commit(_ test: TestInstallation) -> GroupCommit {
        GroupCommit(
            store: test.store,
            bounds: .patient,
            metrics: NOOPMetricsHandler.instance,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { _ in }
    }

    /// Pushes events at the present time, one delivery; answers the events that were stored.
    @discardableResult
    func push(_ events: DecodedEvent...) async throws -> DeliveryID {
        try await push(events)
    }

    @discardableResult
    func push(_ events: [DecodedEvent]) async throws -> DeliveryID {
        try await store(events).deliveryID
    }

    /// Pushes events; answers what came of them.
    func store(_ events: [DecodedEvent]) async throws -> StoredPush {
        try await commit.store(try await prepared(events), arrival: .now)
    }

    /// A push that waits for the writer.
    func prepared(_ events: [DecodedEvent]) async throws -> PreparedPush {
        let source = FaultScene.Source(account: account, integration: integration)
        return try await FaultScene.Sent(mark: "push", source: source, content: .events(events)).push(test)
    }

    /// The notifications, oldest first.
    func notifications() async throws -> [Notification] {
        let page = try await test.store.notifications.list(
            PageRequest(limit: 200, before: nil),
            filter: .init(),
            in: account
        )
        return page.items.reversed()
    }

    /// `change state` of each notification, oldest first; digests are `digest`.
    func record() async throws -> [String] {
        try await notifications().map { "\($0.change?.change.name ?? "digest") \($0.state.name)" }
    }

    /// The newest event of the account.
    func newestEvent() async throws -> EventID {
        let page = try await test.store.events.list(
            PageRequest(limit: 1, before: nil),
            filter: .init(),
            in: account
        )
        return try #require(page.items.first?.id)
    }
}

/// A receiver of messages for a dispatcher: answers as it is told, and remembers what came.
final class ScriptedReceiver: Sendable {
    struct Received: Sendable {
        let id: NotificationID
        let message: Message
        let supersedes: [NotificationID]
    }

    private let state = Lock((received: [Received](), answer: SendResult.sent, isStuck: false))

    var received: [Received] { state.withLock { $0.received } }
    var ids: [NotificationID] { received.map(\.id) }

    /// The changes that came, in order; a digest is `digest N`, N its alerts.
    var changes: [String] {
        received.map {
            switch $0.message {
            case .alert(let news): "\(news.alertKey.string) \(news.change.name)"
            case .digest(let digest): "digest \(digest.alerts)"
            }
        }
    }

    func answer(_ result: SendResult) { state.withLock { $0.answer = result } }
    func hang(_ isStuck: Bool) { state.withLock { $0.isStuck = isStuck } }

    func take(_ message: OutboundMessage) async -> SendResult {
        let (answer, isStuck) = state.withLock { state in
            state.received.append(
                Received(id: message.id, message: message.message, supersedes: message.supersedes)
            )
            return (state.answer, state.isStuck)
        }
        if isStuck { try? await Task.sleep(for: .seconds(60)) }
        return Task.isCancelled ? .failed(.broken) : answer
    }
}

extension SendResult {
    static let sent = SendResult(failure: nil, detail: "", statusCode: 200, response: "ok", latency: .zero)

    static func failed(_ failure: Failure, retryAfter: Int64? = nil) -> SendResult {
        SendResult(
            failure: failure,
            detail: "no",
            statusCode: 500,
            response: "",
            latency: .milliseconds(3),
            retryAfter: retryAfter
        )
    }
}

extension NotificationScene {
    /// Runs `body` while a dispatcher sends to `receiver`.
    func dispatching(to receiver: ScriptedReceiver, _ body: () async throws -> Void) async throws {
        let dispatcher = Dispatcher(
            store: test.store,
            owner: [UInt8.random(in: 0...255)],
            isAlone: true,
            metrics: NOOPMetricsHandler.instance,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { _, message, _ in await receiver.take(message) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await dispatcher.run() }
            try await body()
            group.cancelAll()
        }
    }

    /// Waits until `condition` holds; throws after forty seconds.
    func until(
        _ condition: () async throws -> Bool,
        at place: SourceLocation = #_sourceLocation
    ) async throws {
        let end = ContinuousClock.now.advanced(by: .seconds(40))
        while ContinuousClock.now < end {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("did not come true; the record is \(try await record())", sourceLocation: place)
        throw TestInstallation.Missing()
    }
}
