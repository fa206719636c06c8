/// A database: one writing connection and some reading ones, each on a thread of its own.
///
/// Connections are synchronous; only `read` and `write` are awaited, so that no blocking call runs on Swift's own threads.
package final class Database: Sendable {
    private let writer: ConnectionThread
    private let readers: [ConnectionThread]
    private let nextReader = AtomicCounter()
    private let onSyncFailure: @Sendable () -> Void

    /// Opens `readerCount` readers after the writer. `open` is called once for each connection, `onSyncFailure` when the disk did not
    /// confirm a sync of the writer: nothing that was written can be trusted from then on.
    package init(
        readerCount: Int,
        open: (_ isWriter: Bool) throws(SQLError) -> any SQLConnection,
        onSyncFailure: @escaping @Sendable () -> Void = {}
    ) throws(SQLError) {
        self.onSyncFailure = onSyncFailure
        writer = ConnectionThread(try open(true))
        var readers: [ConnectionThread] = []
        for _ in 0..<readerCount { readers.append(ConnectionThread(try open(false))) }
        self.readers = readers
    }

    /// Runs `body` on a reading connection, outside a transaction.
    package func read<Result: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        try await readers[nextReader.next() % readers.count].run(body)
    }

    /// Runs `body` on the writing connection, outside a transaction, after all that was asked before.
    package func write<Result: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        try await writer.run { [onSyncFailure] connection in
            defer { Self.maintain(connection, onSyncFailure) }
            do {
                return try body(connection)
            } catch let error as SQLError where error.kind == .syncFailed {
                onSyncFailure()
                throw error
            }
        }
    }

    /// What was asked for is done already: a checkpoint that fails otherwise is tried again with the next write.
    private static func maintain(_ connection: any SQLConnection, _ onSyncFailure: () -> Void) {
        do throws(SQLError) {
            try connection.maintain()
        } catch {
            if error.kind == .syncFailed { onSyncFailure() }
        }
    }

    /// Runs `body` in a transaction on the writing connection.
    package func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        try await write { connection in try connection.transaction { try body(connection) } }
    }

    /// Queues `body` for the writing connection without waiting for it. It is not run after `close`.
    package func enqueueWrite(_ body: @escaping @Sendable (any SQLConnection) -> Void) {
        writer.enqueue(body)
    }

    /// Finishes what is queued, then closes the readers and last the writer.
    package func close() async throws {
        for reader in readers { try await reader.close() }
        try await writer.close()
    }
}
