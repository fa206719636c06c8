#if PostgreSQL
import CPostgres

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One session with a PostgreSQL server, in libpq's pipeline mode: commands are sent as they come, and their results are read together at
/// the next `sync`, which is the only call that waits for the server.
///
/// Every wait has a limit, because a server that is frozen, or a network that swallows packets, must not hold a push until its sender
/// gives up. A session that failed in this way is `isBroken` for good. Not thread-safe.
final class PostgresLink {
    private let handle: OpaquePointer
    /// Commands that were sent since the last `sync`.
    private var pending = 0
    /// Bytes of arguments that were sent and may still lie here.
    private var unsent = 0
    /// From about twice as many on libpq begins to send by itself.
    private static let manyBytes = 4_096
    /// Whether it can't be used any more.
    private(set) var isBroken = false

    /// Connects. `url` is a connection string of libpq; what it leaves out are libpq's defaults and environment (`PGPASSFILE` ...), but for
    /// these: a server that can be written to, and a dead network noticed within seconds.
    init(url: String, within limit: Duration) throws(SQLError) {
        let settings = [
            ("fallback_application_name", "tocsin"), ("target_session_attrs", "read-write"),
            ("tcp_user_timeout", "5000"), ("keepalives_idle", "10"), ("keepalives_interval", "3"),
            ("keepalives_count", "3"), ("client_encoding", "UTF8"), ("dbname", url),
        ]
        let names = CStrings(settings.map(\.0))
        let values = CStrings(settings.map(\.1))
        guard let handle = PQconnectStartParams(names.pointers, values.pointers, 1) else {
            throw .unavailable("out of memory")
        }
        self.handle = handle
        // Where it fails, `deinit` finishes the handle: everything of the object is there already.
        try finishConnecting(until: .now.advanced(by: limit))
        // What the server remarks (a table is there already ...) is for nobody.
        PQsetNoticeReceiver(handle, { _, _ in }, nil)
        PQsetnonblocking(handle, 1)
        PQenterPipelineMode(handle)
    }

    deinit {
        PQfinish(handle)
    }

    /// Whether the session is inside a transaction, failed or not.
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }

    /// The socket, for one who waits for what the server says by itself.
    var socket: Int32 { PQsocket(handle) }

    private func finishConnecting(until end: ContinuousClock.Instant) throws(SQLError) {
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard state != PGRES_POLLING_FAILED, PQstatus(handle) != CONNECTION_BAD else { throw lost() }
            try wait(for: state == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, until: end)
            state = PQconnectPoll(handle)
        }
    }

    // MARK: Commands

    /// Sends a text without parameters.
    func send(_ text: String) throws(SQLError) {
        try sent(PQsendQueryParams(handle, text, 0, nil, nil, nil, nil, 1))
    }

    /// Prepares `text` under `name` and asks for the types of its parameters: the result of the next `sync`.
    func sendPrepare(_ name: String, _ text: String) throws(SQLError) {
        try sent(PQsendPrepare(handle, name, text, 0, nil))
        try sent(PQsendDescribePrepared(handle, name))
    }

    /// Runs what was prepared under `name`.
    func send(_ name: String, _ arguments: PostgresArguments) throws(SQLError) {
        let code = arguments.withPointers { count, values, lengths, formats in
            PQsendQueryPrepared(handle, name, count, values, lengths, formats, 1)
        }
        try sent(code)
        unsent += arguments.byteCount
    }

    /// Gives the server all of what was sent, once that has many bytes.
    ///
    /// - Rule: done behind every command of a batch. Why: libpq sends what has many bytes as it comes and keeps the end of the last command
    ///   until the next call; to the server that command runs all the time, and may be ended for it.
    func handOver(within limit: Duration) throws(SQLError) {
        guard unsent >= Self.manyBytes else { return }
        unsent = 0
        let end = ContinuousClock.now.advanced(by: limit)
        while true {
            let unsent = PQflush(handle)
            guard unsent >= 0 else { throw lost() }
            if unsent == 0 { return }
            try wait(for: POLLIN | POLLOUT, until: end)
            guard PQconsumeInput(handle) == 1 else { throw lost() }
        }
    }

    private func sent(_ code: Int32) throws(SQLError) {
        guard code == 1 else { throw lost() }
        pending += 1
    }

    /// Waits for all that was sent. Answers the result of the last command, for the caller to clear; throws the first that failed: those
    /// after it were not run.
    func sync(within limit: Duration) throws(SQLError) -> PostgresResult {
        let end = ContinuousClock.now.advanced(by: limit)
        guard !isBroken, PQpipelineSync(handle) == 1 else { throw lost() }
        var last: PostgresResult?
        var failure: SQLError?
        let count = pending
        (pending, unsent) = (0, 0)
        for _ in 0..<count {
            while let result = try next(until: end) {
                if result.isFailed {
                    failure = failure ?? SQLError(result: result.handle)
                } else {
                    last = result
                }
            }
        }
        _ = try next(until: end)
        if let failure {
            // It will end the session, or it must: a server that became a standby is no use.
            if failure.kind == .unavailable { isBroken = true }
            throw failure
        }
        guard let last else { throw SQLError(.other, code: 0, message: "nothing was sent") }
        return last
    }

    /// Runs text that may hold several statements, outside the pipeline. Nothing may be pending.
    func run(script: String, within limit: Duration) throws(SQLError) {
        let end = ContinuousClock.now.advanced(by: limit)
        guard PQexitPipelineMode(handle) == 1, PQsendQuery(handle, script) == 1 else { throw lost() }
        var failure: SQLError?
        while let result = try next(until: end) {
            if result.isFailed { failure = failure ?? SQLError(result: result.handle) }
        }
        guard PQenterPipelineMode(handle) == 1 else { throw lost() }
        if let failure { throw failure }
    }

    /// What other sessions said since the last call, without waiting.
    func takeAnnouncements() throws(SQLError) -> [String] {
        guard PQconsumeInput(handle) == 1 else { throw lost() }
        var texts: [String] = []
        while let notice = PQnotifies(handle) {
            texts.append(String(cString: notice.pointee.extra))
            PQfreemem(notice)
        }
        return texts
    }

    // MARK: Waiting

    /// The next result of the present command; nil after its last one.
    private func next(until end: ContinuousClock.Instant) throws(SQLError) -> PostgresResult? {
        while true {
            let unsent = PQflush(handle)
            guard unsent >= 0 else { throw lost() }
            if PQisBusy(handle) == 0 { break }
            try wait(for: unsent == 1 ? POLLIN | POLLOUT : POLLIN, until: end)
            guard PQconsumeInput(handle) == 1 else { throw lost() }
        }
        guard let result = PQgetResult(handle) else {
            guard PQstatus(handle) == CONNECTION_OK else { throw lost() }
            return nil
        }
        return PostgresResult(result)
    }

    private func wait(for events: Int32, until end: ContinuousClock.Instant) throws(SQLError) {
        while true {
            let left = ContinuousClock.now.duration(to: end).components
            let milliseconds = left.seconds * 1_000 + left.attoseconds / 1_000_000_000_000_000
            guard milliseconds >= 0 else {
                isBroken = true
                throw .unavailable("the database server does not answer")
            }
            var poll = pollfd(fd: PQsocket(handle), events: Int16(events), revents: 0)
            let count = Glibc.poll(&poll, 1, Int32(clamping: milliseconds + 1))
            if count > 0 { return }
            guard count == 0 || errno == EINTR else { throw lost() }
        }
    }

    /// The session is over; libpq's words for it.
    private func lost() -> SQLError {
        isBroken = true
        let words = String(cString: PQerrorMessage(handle))
        return .unavailable(String(words.split(separator: "\n").first ?? "the connection was lost"))
    }
}

/// A result, cleared with its last reference.
final class PostgresResult: SQLRow {
    let handle: OpaquePointer
    /// The present row.
    var index: Int32 = 0

    fileprivate init(_ handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        PQclear(handle)
    }

    fileprivate var isFailed: Bool {
        switch PQresultStatus(handle) {
        case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE: true
        // What comes after a failed command was not run, and has no words of its own.
        default: false
        }
    }

    /// Rows that a statement changed.
    var changes: Int { Int(String(cString: PQcmdTuples(handle))) ?? 0 }
    /// What was done: `COMMIT`, `ROLLBACK` ...
    var tag: String { String(cString: PQcmdStatus(handle)) }
    var rowCount: Int32 { PQntuples(handle) }
    /// Types of a prepared statement's parameters.
    var parameterTypes: [UInt32] { (0..<PQnparams(handle)).map { PQparamtype(handle, $0) } }

    // MARK: Row

    func isNull(_ column: Int) -> Bool {
        PQgetisnull(handle, index, Int32(column)) == 1
    }

    /// Integers come as 1 (a truth value), 2, 4 or 8 bytes, big-endian.
    func integer(_ column: Int) -> Int64 {
        guard let start = PQgetvalue(handle, index, Int32(column)) else { return 0 }
        let bytes = UnsafeRawBufferPointer(
            start: start,
            count: Int(PQgetlength(handle, index, Int32(column)))
        )
        switch bytes.count {
        case 8: return Int64(bigEndian: bytes.loadUnaligned(as: Int64.self))
        case 4: return Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self)))
        case 2: return Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self)))
        case 1: return Int64(bytes[0])
        default: return 0
        }
    }

    func bytes(_ column: Int) -> [UInt8] {
        guard let start = PQgetvalue(handle, index, Int32(column)) else { return [] }
        return Array(
            UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(handle, index, Int32(column))))
        )
    }
}

/// Texts as C has them, with the null pointer at the end that libpq wants.
private final class CStrings {
    private let texts: [UnsafeMutablePointer<CChar>?]
    private let list: UnsafeMutablePointer<UnsafePointer<CChar>?>

    init(_ strings: [String]) {
        texts = strings.map { strdup($0) }
        list = .allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() {
            (list + index).initialize(to: text.map { UnsafePointer($0) })
        }
        (list + texts.count).initialize(to: nil)
    }

    var pointers: UnsafePointer<UnsafePointer<CChar>?> { UnsafePointer(list) }

    deinit {
        for text in texts { free(text) }
        list.deallocate()
    }
}
#endif
