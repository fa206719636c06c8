/// A database: connections that write and such that read, each on a thread of its own.
///
/// Connections are synchronous; only `read` and `write` are awaited, so that no blocking call runs on Swift's own threads. An embedded
/// database has one writing connection for everything, so that writers never wait for each other inside the engine; a server has one that is
/// left to pushes, and others.
package final class Database: Sendable {
    /// What a connection is opened for.
    package enum Purpose: Sendable, Equatable {
        /// Writes everything; with writers of their own beside it, pushes alone.
        case pushes
        case writer
        case reader
    }

    /// How many connections there are.
    package struct Size: Sendable {
        /// Besides the one of pushes. 0: that one writes everything.
        let writers: Int
        /// At least 1; besides them there is one for look-ups.
        let readers: Int

        package init(writers: Int = 0, readers: Int) {
            self.writers = writers
            self.readers = readers
        }
    }

    package let dialect: SQLDialect
    private let pushes: ConnectionThread
    private let writers: [ConnectionThread]
    private let readers: FairReaders
    /// Reads what is found by its key and never takes long: who calls.
    private let lookUps: ConnectionThread
    private let next = AtomicCounter()
    private let onSyncFailure: @Sendable () -> Void

    /// How often a transaction that another one stood in the way of is run again.
    private static let conflictTries = 5

    /// Opens the connection of pushes first. `open` is called once for each connection, `onSyncFailure` when the disk did not
    /// confirm a sync of a writer: nothing that was written can be trusted from then on.
    package init(
        size: Size,
        open: (_ purpose: Purpose) throws(SQLError) -> any SQLConnection,
        onSyncFailure: @escaping @Sendable () -> Void = {}
    ) throws(SQLError) {
        self.onSyncFailure = onSyncFailure
        let first = try open(.pushes)
        dialect = first.dialect
        pushes = ConnectionThread(first)
        var (writers, readers): ([ConnectionThread], [ConnectionThread]) = ([], [])
        for _ in 0..<size.writers { writers.append(ConnectionThread(try open(.writer))) }
        for _ in 0..<size.readers { readers.append(ConnectionThread(try open(.reader))) }
        self.writers = writers
        self.readers = FairReaders(readers)
        lookUps = ConnectionThread(try open(.reader))
    }

    /// Runs `body` on a reading connection, outside a transaction, on rows of `scope`, in the turn of that scope. Once more when the
    /// connection turns out to be lost.
    ///
    /// `body` is a slice of work: what looks at many rows comes again for the next ones.
    package func read<Result: Sendable>(
        _ scope: SQLScope,
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        try await readers.run(scope) { try Self.read(scope, $0, body) }
    }

    /// The same for a look-up by a key, ahead of all reads that may take long: on a connection that does nothing else.
    package func lookUp<Result: Sendable>(
        _ scope: SQLScope,
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        try await lookUps.run { try Self.read(scope, $0, body) }
    }

    private static func read<Result>(
        _ scope: SQLScope,
        _ connection: any SQLConnection,
        _ body: (any SQLConnection) throws -> Result
    ) throws -> Result {
        connection.enter(scope)
        defer { connection.enter(.nobody) }
        let start = ContinuousClock.now
        do {
            return try body(connection)
        } catch let error as SQLError
            where error.kind == .unavailable && start.duration(to: .now) < SQLError.soon
        {
            return try body(connection)
        }
    }

    /// Runs `body` on a writing connection, outside a transaction, on rows of `scope`, after all that was asked of that connection before.
    package func write<Result: Sendable>(
        _ scope: SQLScope,
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        let writer = writers.isEmpty ? pushes : writers[next.next() % writers.count]
        return try await writer.run { [onSyncFailure] connection in
            connection.enter(scope)
            defer {
                connection.enter(.nobody)
                Self.maintain(connection, onSyncFailure)
            }
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

    /// Runs `body` in a transaction on a writing connection, on rows of `scope`. Again when another transaction stood in the way, and once
    /// more when the connection turns out to be lost before the commit.
    package func transaction<Result: Sendable>(
        _ scope: SQLScope,
        _ durability: SQLDurability = .synced,
        _ body: @escaping @Sendable (any SQLConnection) throws -> Result
    ) async throws -> Result {
        try await write(scope) { connection in
            var (conflicts, losses) = (0, 0)
            let start = ContinuousClock.now
            while true {
                do {
                    return try connection.transaction(durability) {
                        connection.enter(scope)
                        return try body(connection)
                    }
                } catch let error as SQLError where error.kind == .conflict && conflicts < Self.conflictTries
                {
                    conflicts += 1
                } catch let error as SQLError where error.kind == .unavailable && losses < 1 {
                    guard start.duration(to: .now) < SQLError.soon else { throw error }
                    losses += 1
                }
            }
        }
    }

    /// Queues `body` for the connection of pushes without waiting for it. It is not run after `close`.
    package func enqueuePushes(_ body: @escaping @Sendable (any SQLConnection) -> Void) {
        pushes.enqueue(body)
    }

    /// How far the thread of each connection has come.
    package var threads: [ThreadProgress] {
        ([pushes, lookUps] + writers + readers.threads).map { ThreadProgress(thread: $0) }
    }

    /// Finishes what is queued, then closes the readers and last the writers.
    package func close() async throws {
        for thread in readers.threads + [lookUps] + writers { try await thread.close() }
        try await pushes.close()
    }
}
