import NIOPosix
import Synchronization

/// A connection and the one thread that uses it.
///
/// `@unchecked Sendable`: (1) the connection is touched only by closures that run on the pool's single thread; (2) the pool runs
/// them one after the other; (3) `close` drops it there too.
final class ConnectionThread: @unchecked Sendable {
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var connection: (any SQLConnection)?
    private let done = Atomic<UInt64>(0)

    /// Pieces of work that it has done.
    var completed: UInt64 { done.load(ordering: .relaxed) }

    init(_ connection: any SQLConnection) {
        self.connection = connection
        pool.start()
    }

    /// Runs `body` after all that was asked before. Throws what `body` throws, and an error once closed.
    func run<Result: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        let note = WorkNote.current
        return try await pool.runIfActive { [self] in
            defer { done.wrappingAdd(1, ordering: .relaxed) }
            guard let connection else { throw SQLError(.other, code: 0, message: "the database is closed") }
            return try WorkNote.under(note) { try body(connection) }
        }
    }

    /// Queues `body` without waiting. Once closed it is dropped.
    func enqueue(_ body: @escaping @Sendable (any SQLConnection) -> Void) {
        pool.submit { [self] state in
            if case .active = state, let connection { body(connection) }
            done.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// Queues `body` without waiting; once closed it gets no connection.
    func submit(_ body: @escaping @Sendable ((any SQLConnection)?) -> Void) {
        pool.submit { [self] state in
            if case .active = state { body(connection) } else { body(nil) }
            done.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// Closes the connection after all that was asked before, then ends the thread.
    func close() async throws {
        try await pool.runIfActive { [self] in connection = nil }
        try await pool.shutdownGracefully()
    }
}

/// How far the thread of a connection has come, whatever the database does.
package struct ThreadProgress: Sendable {
    let thread: ConnectionThread

    /// Has `body` run on the thread, after all that waits for it. Returns at once.
    package func ask(_ body: @escaping @Sendable () -> Void) {
        thread.submit { _ in body() }
    }

    /// Pieces of work that it has done, those that failed among them.
    package var completed: UInt64 { thread.completed }
}

/// Counts up, from many threads.
final class AtomicCounter: Sendable {
    private let value = Atomic<UInt>(0)

    /// The next number; wraps around.
    func next() -> Int {
        Int(value.wrappingAdd(1, ordering: .relaxed).oldValue & 0x7FFF_FFFF)
    }
}
