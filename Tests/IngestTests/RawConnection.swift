import NIOCore
import NIOPosix
import TestSupport
import Testing

/// A connection on which a test says each byte itself, for what an HTTP library would not say.
struct RawConnection {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    /// All that the server said so far.
    private(set) var heard = ""

    /// Runs `body` with a connection to `server`, which is closed afterwards.
    static func with<Result: Sendable>(
        _ server: TestServer,
        _ body: (inout RawConnection) async throws -> Result
    ) async throws -> Result {
        let port = try #require(server.base.split(separator: ":").last.flatMap { Int($0) })
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var connection = RawConnection(outbound: outbound, inbound: inbound.makeAsyncIterator())
            return try await body(&connection)
        }
    }

    /// Sends `text` as it is.
    func say(_ text: String) async throws {
        try await outbound.write(ByteBuffer(string: text))
    }

    /// Waits until the server said `text`; false when it closed the connection before.
    mutating func hear(_ text: String) async throws -> Bool {
        while !heard.contains(text) {
            guard let next = try await inbound.next() else { return false }
            heard += String(buffer: next)
        }
        return true
    }

    /// Waits until the server closes the connection.
    mutating func hearEnd() async {
        while let next = try? await inbound.next() { heard += String(buffer: next) }
    }
}
