import App
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Native
import ServiceLifecycle
import Storage
import Testing
import Web

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An HTTP server that answers every request with one text, and can be stopped as a signal would stop it.
struct Site: Sendable {
    let port: Int
    private let group: ServiceGroup
    private let isStopped: Lock<Bool>
    private let isLate: Bool

    /// Runs `body` while it serves, and returns when it has stopped, which is for `body` to say.
    ///
    /// With `late` it keeps its answers until it is told to stop.
    static func serving(
        _ text: String,
        on held: HeldSocket? = nil,
        late: Bool = false,
        limits: OpenConnections.Limits = OpenConnections.Limits(),
        bounds: OpenConnections.Bounds = OpenConnections.Bounds(),
        onLoss: @escaping @Sendable (OpenConnections.Loss) -> Void = { _ in },
        _ body: (Site) async throws -> Void
    ) async throws {
        let ports = AsyncStream.makeStream(of: Int.self)
        let logger = Logger(label: "site")
        let isStopped = Lock(false)
        let connection = HTTP1Channel(responder: { _, writer, _ in
            while late, !isStopped.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
            let fields: HTTPFields = [.contentLength: "\(text.utf8.count)"]
            let head = HTTPResponse(status: .ok, headerFields: fields)
            try await writer.write(response: head, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        })
        let listener = HTTPListener(
            connection,
            at: try await held?.place() ?? .address(host: "127.0.0.1", port: 0),
            limits: limits,
            bounds: bounds,
            logger: logger,
            onLoss: onLoss,
            onRunning: { ports.continuation.yield($0) }
        )
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [listener], logger: logger)
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            var iterator = ports.stream.makeAsyncIterator()
            let port = try #require(await iterator.next())
            try await body(Site(port: port, group: group, isStopped: isStopped, isLate: late))
            try await tasks.waitForAll()
        }
    }

    /// Stops it in good order; returns at once.
    func stop() async {
        await group.triggerGracefulShutdown()
        // The connections are told on their event loops, a moment later; on a machine under load that takes a while.
        try? await Task.sleep(for: .milliseconds(isLate ? 5_000 : 100))
        isStopped.withLock { $0 = true }
    }
}

/// A listening socket that outlives the servers on it, as the one who starts them would hold it.
struct HeldSocket: Sendable {
    let port: Int
    private let channel: any NIOCore.Channel

    init() async throws {
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        port = try #require(channel.localAddress?.port)
    }

    /// The socket for one more server, which closes its descriptor, not ours.
    func place() async throws -> HTTPListener<HTTP1Channel>.Place {
        let channel = channel
        let descriptor = try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: CInt.self) { dup($0) }
        }.get()
        return .socket(try ListeningSocket(descriptor: try #require(descriptor)))
    }

    func close() async throws {
        try await channel.close()
    }
}

/// The server closed the connection before it said what was waited for.
struct Ended: Error {}

/// A connection on which a test says each byte itself.
struct Client {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var heard = ""

    /// Runs `body` with a connection to a port of this machine, which is closed afterwards. `address`: of the client.
    @discardableResult
    static func with<Result>(
        _ port: Int,
        from address: String = "127.0.0.1",
        _ body: (inout Client) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(to: SocketAddress(ipAddress: address, port: 0))
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var client = Client(outbound: outbound, inbound: inbound.makeAsyncIterator())
            return try await body(&client)
        }
    }

    /// Sends `text` as it is.
    func say(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// Waits until the server has said `text`, and forgets it.
    mutating func hear(_ text: String) async throws {
        while !heard.contains(text) {
            guard let next = try await inbound.next() else { throw Ended() }
            heard += String(buffer: next)
        }
        heard = ""
    }

    /// What the server says until it closes the connection.
    mutating func hearEnd() async throws -> String {
        while let next = try await inbound.next() { heard += String(buffer: next) }
        return heard
    }
}
