internal import CCurl
import Glibc
import Synchronization

/// Hands messages to servers, by libcurl: one thread that waits for all requests, and keeps connections for
/// the next.
///
/// - Rule: nothing that can wait is done on that thread. Why: it is everybody's. Names are looked up
///   elsewhere, and an address is given.
/// - Rule: each mail has a thread of its own. Why: libcurl waits for the last answer of a mail server, and
///   for that to QUIT, where it stands, and a mail that is taken out half way it ends as if it were whole.
///   Otherwise: one slow server would hold up everybody's messages.
package final class TransferEngine: Sendable {
    /// How much there may be.
    package struct Bounds: Sendable {
        /// Connections that are kept for the next message; the one that was not used for longest goes first.
        package var kept = 128
        /// Connections in use at a time; what is more waits, in its order.
        package var open = 1_024

        package init() {}
    }

    private enum Order: Sendable {
        case begin(TransferRun)
        case cancel(TransferRun)
    }

    private struct State: Sendable {
        var orders: [Order] = []
        /// Mails under way, each on its thread.
        var mails: [ObjectIdentifier: TransferRun] = [:]
        var isEnding = false
        /// The thread is through, and the handle is gone.
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let multi: MultiHandle
    private let roots: CertificateStore

    /// `roots`: whose certificates are believed.
    package init(roots: CertificateStore, bounds: Bounds = Bounds()) {
        Self.begin
        guard let pointer = curl_multi_init() else { fatalError("no memory for a client") }
        ccurl_multi_set(pointer, CURLMOPT_MAXCONNECTS, bounds.kept)
        ccurl_multi_set(pointer, CURLMOPT_MAX_TOTAL_CONNECTIONS, bounds.open)
        multi = MultiHandle(pointer: pointer)
        self.roots = roots
        guard OwnThread.begin({ [self] in work() }) else { fatalError("no thread for messages") }
    }

    /// Once for the process.
    private static let begin: Void = {
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
        // OpenSSL writes without saying that it wants no signal.
        signal(SIGPIPE, SIG_IGN)
    }()

    /// Hands one over and waits for the answer. Throws `TransferError`, or `CancellationError` at once when
    /// the task is cancelled or the engine is shut down.
    package func perform(_ transfer: Transfer) async throws -> TransferAnswer {
        let current = Mutex<TransferRun?>(nil)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let run = TransferRun(transfer) { continuation.resume(with: $0) }
                current.withLock { $0 = run }
                if Task.isCancelled { run.isCancelled.store(true, ordering: .relaxed) }
                if !begin(run) { run.finishCancelled() }
            }
        } onCancel: {
            guard let run = current.withLock({ $0 }) else { return }
            run.isCancelled.store(true, ordering: .relaxed)
            // Its thread finds out within a second; nobody waits for that.
            if run.isMail { run.finishCancelled() } else { _ = order(.cancel(run)) }
        }
    }

    /// Ends what is under way, closes all connections, and returns when that is done. To be called before the
    /// engine is let go.
    package func shutdown() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                if !state.isOver {
                    state.isEnding = true
                    state.waiters.append(continuation)
                    curl_multi_wakeup(multi.pointer)
                }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// False: it is too late.
    private func begin(_ run: TransferRun) -> Bool {
        guard run.isMail else { return order(.begin(run)) }
        let isTaken = state.withLock { state in
            if !state.isEnding { state.mails[ObjectIdentifier(run)] = run }
            return !state.isEnding
        }
        guard isTaken else { return false }
        if !OwnThread.begin({ [self] in mail(run) }) {
            // There is no thread for it now.
            run.fail(.notConnected)
            over(run)
        }
        return true
    }

    /// The thread of a mail.
    private func mail(_ run: TransferRun) {
        if !run.isCancelled.load(ordering: .relaxed), let handle = curl_easy_init() {
            run.prepare(handle, roots: roots)
            run.finish(curl_easy_perform(handle), handle)
            curl_easy_cleanup(handle)
        } else {
            run.finishCancelled()
        }
        over(run)
    }

    private func over(_ run: TransferRun) {
        state.withLock { state in
            state.mails[ObjectIdentifier(run)] = nil
            if state.isEnding { curl_multi_wakeup(multi.pointer) }
        }
    }

    /// False: it is too late.
    private func order(_ order: Order) -> Bool {
        state.withLock { state in
            guard !state.isEnding else { return false }
            state.orders.append(order)
            // Inside the lock: afterwards the handle may be gone.
            curl_multi_wakeup(multi.pointer)
            return true
        }
    }

    // MARK: The thread

    private func work() {
        var handles = Handles(multi: multi.pointer, roots: roots)
        while true {
            let (orders, mails) = state.withLock { state in
                defer { state.orders = [] }
                return (state.orders, state.isEnding ? Array(state.mails.values) : nil)
            }
            for order in orders {
                switch order {
                case .begin(let run): handles.begin(run)
                case .cancel(let run): handles.cancel(run)
                }
            }
            if let mails {
                handles.end()
                for mail in mails {
                    mail.isCancelled.store(true, ordering: .relaxed)
                    mail.finishCancelled()
                }
                if mails.isEmpty { break }
            }
            handles.goOn()
            curl_multi_poll(multi.pointer, nil, 0, 1_000, nil)
        }
        let waiters = state.withLock { state in
            state.isOver = true
            curl_multi_cleanup(multi.pointer)
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// `@unchecked Sendable`: (1) only the engine's thread uses it, but for `curl_multi_wakeup`, which any thread
/// may call; (2) that is called under the engine's lock, under which the handle is freed, too.
private struct MultiHandle: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
}

/// The transfers under way, and handles for the next ones. Of the engine's thread alone.
private struct Handles {
    /// Handles that are kept.
    private static let spare = 64

    let multi: UnsafeMutableRawPointer
    let roots: CertificateStore
    private var running: [UnsafeMutableRawPointer: TransferRun] = [:]
    private var unused: [UnsafeMutableRawPointer] = []

    init(multi: UnsafeMutableRawPointer, roots: CertificateStore) {
        self.multi = multi
        self.roots = roots
    }

    mutating func begin(_ run: TransferRun) {
        guard !run.isCancelled.load(ordering: .relaxed), let handle = unused.popLast() ?? curl_easy_init()
        else {
            return run.finishCancelled()
        }
        run.prepare(handle, roots: roots)
        running[handle] = run
        curl_multi_add_handle(multi, handle)
    }

    mutating func cancel(_ run: TransferRun) {
        guard let handle = run.handle, running[handle] === run else { return }
        running[handle] = nil
        putBack(handle)
        run.finishCancelled()
    }

    /// Does what can be done without waiting.
    mutating func goOn() {
        var count: Int32 = 0
        curl_multi_perform(multi, &count)
        var code = CURLE_OK
        while let handle = ccurl_next_over(multi, &code) {
            guard let run = running.removeValue(forKey: handle) else { continue }
            // The handle knows the run until it is put back.
            defer { withExtendedLifetime(run) {} }
            run.finish(code, handle)
            putBack(handle)
        }
    }

    mutating func end() {
        for (handle, run) in running {
            putBack(handle)
            run.finishCancelled()
        }
        running = [:]
        for handle in unused { curl_easy_cleanup(handle) }
        unused = []
    }

    /// Takes a handle out; a transfer that is not over is ended, and its connection closed.
    private mutating func putBack(_ handle: UnsafeMutableRawPointer) {
        curl_multi_remove_handle(multi, handle)
        guard unused.count < Self.spare else { return curl_easy_cleanup(handle) }
        curl_easy_reset(handle)
        unused.append(handle)
    }
}

/// A thread for work that waits by itself.
private enum OwnThread {
    /// Begins one that runs `body` and then ends. False: the system has none left.
    static func begin(_ body: @escaping @Sendable () -> Void) -> Bool {
        final class Body {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Body(body))
        let code = pthread_create(
            &thread,
            nil,
            { context in
                context.map { Unmanaged<Body>.fromOpaque($0).takeRetainedValue() }?.run()
                return nil
            },
            context.toOpaque()
        )
        guard code == 0 else {
            context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
