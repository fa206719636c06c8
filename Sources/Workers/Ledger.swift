import Domain
import Storage

/// Writes what was done with many queues in one transaction, at most ten times a second: pushes wait for the writer less often.
final class Ledger: Sendable {
    private static let pace = Duration.milliseconds(100)

    private struct Entry {
        let work: Outbox.Work
        let done: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var entries: [Entry] = []
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
        try await withCheckedThrowingContinuation { done in
            let isOver = state.withLock { state in
                if !state.isOver { state.entries.append(Entry(work: work, done: done)) }
                return state.isOver
            }
            if isOver { done.resume(throwing: CancellationError()) } else { wake.yield() }
        }
    }

    /// Writes until the task is cancelled; what comes after that is refused.
    func run() async {
        for await _ in changes {
            await flush()
            try? await Task.sleep(for: Self.pace)
        }
        let rest = state.withLock { state in
            state.isOver = true
            defer { state.entries = [] }
            return state.entries
        }
        for entry in rest { entry.done.resume(throwing: CancellationError()) }
    }

    private func flush() async {
        let entries = state.withLock { state in
            defer { state.entries = [] }
            return state.entries
        }
        guard !entries.isEmpty else { return }
        do {
            try await outbox.write(entries.map(\.work))
            for entry in entries { entry.done.resume() }
        } catch {
            for entry in entries { entry.done.resume(throwing: error) }
        }
    }
}
