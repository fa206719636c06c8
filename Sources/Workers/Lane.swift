import Domain
import Logging
import Metrics
import Storage

/// Works the queue of one notifier until nothing can be done now.
struct Lane: Sendable {
    typealias Key = OutboxSignal.Key

    /// What is remembered of a queue between two looks.
    struct Condition: Sendable {
        var breaker = EndpointBreaker()
        var storm = StormGauge(limit: Notifier.standardStormLimit)
        var stormLimit = Notifier.standardStormLimit
        var lastUsed = UnixTime(milliseconds: 0)
        /// When the store last heard that messages are taken; nil: the last attempt failed, or there was none.
        var saidWorkingAt: UnixTime?

        /// Whether a new one would do as well.
        func isForgettable(at now: UnixTime) -> Bool {
            breaker.allowance(at: now) == .all && now.milliseconds - lastUsed.milliseconds > 120_000
        }
    }

    /// Nothing of a round could be read: to be looked at again after a while, and not at once.
    private struct NothingTried: Error {}

    /// Messages that one endpoint gets at the same time.
    private static let endpointLimit = 4
    /// Messages between two looks at the queue.
    private static let round = 64

    let store: Store
    let ledger: Ledger
    let logger: Logger
    private let send: Dispatcher.Send
    private let metrics: NotificationMetrics

    init(
        store: Store,
        ledger: Ledger,
        metrics: any MetricsFactory,
        logger: Logger,
        send: @escaping Dispatcher.Send
    ) {
        self.store = store
        self.ledger = ledger
        self.logger = logger
        self.send = send
        self.metrics = NotificationMetrics(metrics, store.notifierKinds.map { $0.kind })
    }

    /// Answers when to look again; nil: nothing waits. Throws what the store throws.
    func work(
        _ key: Key,
        _ condition: inout Condition,
        isStopping: @Sendable () -> Bool
    ) async throws -> UnixTime? {
        while !isStopping() {
            let sent = ledger.sent(key)
            let queue = try await store.outbox.queue(key)
            let items = queue.items.filter { !sent.contains($0.id) }
            let unwritten = Set(queue.items.lazy.filter { sent.contains($0.id) }.compactMap(\.alertID))
            if items.contains(where: { $0.alertID.map(unwritten.contains) == true }) {
                // What is told next of an alert says whose place it takes. It would say it of what was sent, too, if a crash came before that
                // is written, and the two copies would differ.
                try await ledger.write(Outbox.Work(key))
                continue
            }
            guard !items.isEmpty else { return nil }
            guard let notifier = queue.notifier, notifier.status == .enabled else {
                var work = Outbox.Work(key)
                work.givesUp = true
                try await ledger.write(work)
                return nil
            }
            let now = store.now
            condition.follow(notifier, at: now)
            let plan = OutboxPlan(items, breaker: condition.breaker, storm: &condition.storm, at: now)
            try await supersede(plan.superseded, key)
            if let digest = plan.digest {
                let replaced = digest.replaces
                _ = try await store.outbox.makeDigest(
                    key,
                    of: notifier.channelID,
                    replacing: replaced,
                    at: now
                )
                condition.storm.digested(at: now)
            } else if plan.sends.isEmpty {
                return plan.nextAt
            } else if try await tell(plan.sends, notifier, key, &condition, isStopping) == .gone {
                try await store.outbox.disable(key, because: .gone)
                return nil
            }
        }
        return store.now
    }

    private func supersede(_ superseded: [OutboxPlan.Superseded], _ key: Key) async throws {
        guard !superseded.isEmpty else { return }
        var work = Outbox.Work(key)
        work.superseded = superseded
        try await ledger.write(work)
    }

    /// Sends a round and writes what came of it; whether the receiver said that it is gone.
    private func tell(
        _ items: [OutboxPlan.Item],
        _ notifier: Notifier,
        _ key: Key,
        _ condition: inout Condition,
        _ isStopping: @Sendable () -> Bool
    ) async throws -> SendResult.Failure? {
        var work = Outbox.Work(key)
        var present = condition
        work.attempts = await withTaskGroup(of: Outbox.Attempt?.self) { group in
            var waiting = items.prefix(Self.round)
            var attempts: [Outbox.Attempt] = []
            var running = 0
            func start() {
                guard !isStopping(), present.breaker.mayStart(at: store.now, running: running),
                    let item = waiting.popFirst()
                else { return }
                running += 1
                group.addTask { await attempt(item, notifier, key) }
            }
            for _ in 0..<Self.endpointLimit { start() }
            while let attempt = await group.next() {
                running -= 1
                if let attempt {
                    attempts.append(attempt)
                    present.note(attempt.result, at: store.now)
                }
                start()
            }
            return attempts
        }
        condition = present
        guard let last = work.attempts.last else {
            if isStopping() || Task.isCancelled { return nil }
            throw NothingTried()
        }
        work.isNews = condition.isNews(last.result, at: last.at)
        guard work.attempts.contains(where: { $0.result.failure != nil }) else {
            ledger.post(work) { store.outboxSignal.raise([key]) }
            return nil
        }
        try await ledger.write(work)
        return work.attempts.contains { $0.result.failure == .gone } ? .gone : nil
    }

    /// What came of sending, the time of what was told, and the log before it.
    private struct Sent {
        let result: SendResult
        let of: UnixTime
        let log: Text?
    }

    /// nil: there is nothing to say any more, or it was cut off; then it stays as it is.
    private func attempt(_ item: OutboxPlan.Item, _ notifier: Notifier, _ key: Key) async -> Outbox.Attempt? {
        do {
            // Nothing is held in memory by what waits for its turn.
            let sent = try await store.sends.pass(key.account) { () -> Sent? in
                guard !Task.isCancelled,
                    let (message, log) = try await store.outbox.message(item.id, in: key.account)
                else { return nil }
                let result = try await send(key.account, message, notifier)
                return Sent(result: result, of: message.message.at, log: log)
            }
            guard let sent else { return nil }
            let result = sent.result
            guard !Task.isCancelled || result.failure == nil else { return nil }
            let now = store.now
            metrics.count(result, of: notifier.kind, since: sent.of, at: now)
            return Outbox.Attempt(
                id: item.id,
                result: result,
                attempts: item.attempts + 1,
                at: now,
                nextAt: next(after: item, result, at: now),
                log: sent.log
            )
        } catch {
            logger.warning(
                "a notification could not be read or put into words",
                metadata: ["cause": "\(error)"]
            )
            return nil
        }
    }

    /// When to try again; nil: never.
    private func next(after item: OutboxPlan.Item, _ result: SendResult, at now: UnixTime) -> UnixTime? {
        let age = now.milliseconds - item.id.time.milliseconds
        guard result.failure != nil, result.failure != .gone, age <= RetrySchedule.lifetime * 1_000 else {
            return nil
        }
        var random = SystemRandomNumberGenerator()
        return RetrySchedule.next(
            after: item.attempts + 1,
            at: now,
            asked: result.retryAfter,
            random: &random
        )
    }
}

extension Lane.Condition {
    /// Takes over what its owner set.
    fileprivate mutating func follow(_ notifier: Notifier, at now: UnixTime) {
        lastUsed = now
        guard notifier.stormLimit != stormLimit else { return }
        stormLimit = notifier.stormLimit
        storm = StormGauge(limit: stormLimit)
    }

    /// Whether the store is to hear that messages are taken: after a failure, and every five seconds.
    fileprivate mutating func isNews(_ result: SendResult, at now: UnixTime) -> Bool {
        guard result.failure == nil else {
            saidWorkingAt = nil
            return true
        }
        if let said = saidWorkingAt, now >= said, now.milliseconds - said.milliseconds < 5_000 {
            return false
        }
        saidWorkingAt = now
        return true
    }

    fileprivate mutating func note(_ result: SendResult, at now: UnixTime) {
        storm.told(at: now)
        if result.failure == nil {
            breaker.succeeded(at: now)
        } else {
            breaker.failed(at: now, retryAfter: result.retryAfter)
        }
    }
}

extension EndpointBreaker {
    /// Whether another message may start while `running` are on their way.
    fileprivate func mayStart(at now: UnixTime, running: Int) -> Bool {
        switch allowance(at: now) {
        case .all: true
        case .one: running == 0
        case .none: false
        }
    }
}

extension Message {
    /// When what it tells was received.
    fileprivate var at: UnixTime {
        switch self {
        case .alert(let news): news.at
        case .digest(let digest): digest.until
        }
    }
}

/// Figures of what was told.
private struct NotificationMetrics: Sendable {
    private let attempts: [Notifier.Kind: [String: Counter]]
    private let seconds: Recorder

    init(_ factory: any MetricsFactory, _ kinds: [Notifier.Kind]) {
        let results = ["sent"] + SendResult.Failure.allCases.map(\.rawValue)
        attempts = Dictionary(
            uniqueKeysWithValues: kinds.map { kind in
                let counters = results.map { result in
                    let dimensions = [("kind", kind.name), ("result", result)]
                    let label = "tocsin_notification_attempts_total"
                    return (result, Counter(label: label, dimensions: dimensions, factory: factory))
                }
                return (kind, Dictionary(uniqueKeysWithValues: counters))
            }
        )
        seconds = Recorder(
            label: "tocsin_notification_seconds",
            dimensions: [],
            aggregate: true,
            factory: factory
        )
    }

    /// `start` is when what is told was received.
    func count(_ result: SendResult, of kind: Notifier.Kind, since start: UnixTime, at now: UnixTime) {
        attempts[kind]?[result.failure?.rawValue ?? "sent"]?.increment()
        if result.failure == nil {
            seconds.record(Double(max(0, now.milliseconds - start.milliseconds)) / 1_000)
        }
    }
}
