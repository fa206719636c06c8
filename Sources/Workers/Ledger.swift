import Domain
import Storage

/// Writes what was done with many queues together, at most ten times a second: pushes wait for the writer less often.
///
/// *Rule:* what was sent is known here until it is written; a queue is looked at without it. *Why:* nothing has to wait for the writing of a
/// success. *Otherwise:* it would be sent once more. A failure is waited for: what it means for its alert is in the store alone.
final class Ledger: Sendable {
    typealias Key = OutboxSignal.Key

    private static let pace = Duration.milliseconds(10)
    private static let paces = 10
    /// Works of one transaction: a push that comes then waits for no more than about a millisecond.
    private static let portion = 16

    private struct Entry {
        let work: Outbox.Work
        /// Whether somebody waits for it: then it does not wait for others.
        let isAwaited: Bool
        let done: @Sendable (Result<Void, any Error>) -> Void
    }

    private struct State {
        var entries: [Entry] = []
        var sent: [Key: Set<NotificationID>] = [:]
        var isOver = false
    }

    private let state = Lock(State())
    private let outbox: Outbox
    private let changes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init(_ outbox: Outbox) {
        self.outbox = outbox
        (changes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns when it is on disk. Throws what the store throws: then none of it was written.
    func write(_ work: Outbox.Work) async throws {
        try await withCheckedThrowingContinuation { caller in
            add(Entry(work: work, isAwaited: true) { caller.resume(with: $0) })
        }
    }

    /// Returns at once, for work of which everything was sent. `failed` is called when it could not be written: then it waits again.
    func post(_ work: Outbox.Work, failed: @escaping @Sendable () -> Void) {
        let (key, ids) = (work.key, Set(work.attempts.map(\.id)))
        state.withLock { $0.sent[key, default: []].formUnion(ids) }
        add(
            Entry(work: work, isAwaited: false) { [self] result in
                state.withLock { state in
                    state.sent[key]?.subtract(ids)
                    if state.sent[key]?.isEmpty == true { state.sent[key] = nil }
                }
                if case .failure = result { failed() }
            }
        )
    }

    /// What was sent and may still stand in the queue as waiting. To be asked before the queue is read.
    func sent(_ key: Key) -> Set<NotificationID> { state.withLock { $0.sent[key] ?? [] } }

    private func add(_ entry: Entry) {
        let isOver = state.withLock { state in
            if !state.isOver { state.entries.append(entry) }
            return state.isOver
        }
        if isOver { entry.done(.failure(CancellationError())) } else { wake.yield() }
    }

    /// Writes until the task is cancelled, and then once more; what comes after that is refused.
    func run() async {
        for await _ in changes {
            await flush()
            for _ in 0..<Self.paces where !hasAwaited { try? await Task.sleep(for: Self.pace) }
        }
        await Task.detached { await self.flush() }.value
        let rest = state.withLock { state in
            state.isOver = true
            defer { state.entries = [] }
            return state.entries
        }
        for entry in rest { entry.done(.failure(CancellationError())) }
    }

    private var hasAwaited: Bool { state.withLock { $0.entries.contains(where: \.isAwaited) } }

    private func flush() async {
        let entries = state.withLock { state in
            defer { state.entries = [] }
            return state.entries
        }
        for start in stride(from: 0, to: entries.count, by: Self.portion) {
            let portion = entries[start..<min(start + Self.portion, entries.count)]
            let result: Result<Void, any Error>
            do {
                result = .success(try await outbox.write(portion.map(\.work)))
            } catch {
                result = .failure(error)
            }
            for entry in portion { entry.done(result) }
        }
    }
}
