import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// A receiver on a free port of 127.0.0.1: keeps what is posted to it, and answers as the test says.
package final class Receiver: Sendable {
    /// One request, whole.
    package struct Post: Sendable {
        /// Path and query.
        package let target: String
        package let headers: HTTPFields
        package let body: [UInt8]

        /// The first value of a header.
        package func header(_ name: String) -> String? {
            HTTPField.Name(name).flatMap { headers[$0] }
        }

        /// The body as JSON; `.null` when it is none.
        package var json: JSON { (try? JSON(parsing: body)) ?? .null }
    }

    private struct State {
        var posts: [Post] = []
        var status: HTTPResponse.Status = .ok
        var body = "ok"
        var isHeld = false
    }

    private let state = Mutex(State())
    private let port = Atomic<Int>(0)

    private init() {}

    /// Runs `body` with a receiver that is stopped when it returns or throws.
    package static func with<Result: Sendable>(
        _ body: @Sendable (Receiver) async throws -> Result
    ) async throws -> Result {
        let receiver = Receiver()
        let ports = AsyncStream<Int>.makeStream()
        let application = Application(
            responder: CallbackResponder { (request: Request, _: BasicRequestContext) in
                try await receiver.answer(request)
            },
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { ports.continuation.yield($0.localAddress?.port ?? 0) },
            logger: Logger(label: "receiver") { _ in SwiftLogNoOpLogHandler() }
        )
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { ports.continuation.finish() }
                do { try await application.run() } catch is CancellationError {}
            }
            var iterator = ports.stream.makeAsyncIterator()
            receiver.port.store(await iterator.next() ?? 0, ordering: .relaxed)
            let result = try await body(receiver)
            group.cancelAll()
            return result
        }
    }

    /// `http://127.0.0.1:PORT`
    package var base: String { "http://127.0.0.1:\(port.load(ordering: .relaxed))" }

    /// Everything that came, in order.
    package var posts: [Post] { state.withLock { $0.posts } }

    /// From now on it answers this.
    package func answers(_ status: Int, _ body: String = "") {
        state.withLock { ($0.status, $0.body) = (HTTPResponse.Status(code: status), body) }
    }

    /// From now on it takes what comes and does not answer.
    package func holds() {
        state.withLock { $0.isHeld = true }
    }

    /// It answers what it held, and what comes.
    package func releases() {
        state.withLock { $0.isHeld = false }
    }

    private func answer(_ request: Request) async throws -> Response {
        let body = try await request.body.collect(upTo: 1 << 20)
        let post = Post(
            target: request.uri.description,
            headers: request.headers,
            body: Array(body.readableBytesView)
        )
        let (status, text) = state.withLock { state in
            state.posts.append(post)
            return (state.status, state.body)
        }
        while state.withLock({ $0.isHeld }) { try await Task.sleep(for: .milliseconds(5)) }
        return Response(status: status, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
