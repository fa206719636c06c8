import Synchronization

/// The reading connections, handed out in turn by whose rows are read and by the time that took: somebody who asks for much waits for its own
/// reads, and the others for one of them at most.
///
/// - Rule: with more than one connection nobody has all of them. Why: a read is not interrupted. Otherwise: the next one would wait for the
///   slowest statement there is.
final class FairReaders: Sendable {
    private struct State {
        var free: [Int]
        var turns: FairTurns<SQLScope, @Sendable ((any SQLConnection)?) -> Void>
    }

    let threads: [ConnectionThread]
    private let state: Mutex<State>

    init(_ threads: [ConnectionThread]) {
        self.threads = threads
        let perScope = max(1, threads.count - 1)
        state = Mutex(State(free: Array(threads.indices), turns: FairTurns(perKey: perScope)))
    }

    /// Runs `body` on one of the connections in the turn of `scope`. Throws what `body` throws, and an error once closed.
    func run<Result: Sendable>(
        _ scope: SQLScope,
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        let note = WorkNote.current
        return try await withCheckedThrowingContinuation { caller in
            let work: @Sendable ((any SQLConnection)?) -> Void = { connection in
                guard let connection else {
                    return caller.resume(
                        throwing: SQLError(.other, code: 0, message: "the database is closed")
                    )
                }
                caller.resume(with: Swift.Result { try WorkNote.under(note) { try body(connection) } })
            }
            state.withLock { $0.turns.append(work, of: scope) }
            begin()
        }
    }

    /// Begins as much of what waits as there are connections.
    private func begin() {
        while let (thread, scope, work) = state.withLock({ next(&$0) }) {
            threads[thread].submit { [self] connection in
                let start = ContinuousClock.now
                work(connection)
                let used = start.duration(to: .now).nanoseconds
                state.withLock { state in
                    state.free.append(thread)
                    state.turns.finished(scope, after: used)
                }
                begin()
            }
        }
    }

    private func next(
        _ state: inout State
    ) -> (Int, SQLScope, @Sendable ((any SQLConnection)?) -> Void)? {
        guard let thread = state.free.last, let (scope, work) = state.turns.next() else { return nil }
        state.free.removeLast()
        return (thread, scope, work)
    }
}
