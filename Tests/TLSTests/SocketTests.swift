import NIOCore
import NIOPosix
import Native
import TLS
import TestSupport
import Testing

@Suite("TLS between two sockets", .timeLimit(.minutes(1)))
struct SocketTests {
    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.write(data, promise: nil)
        }

        func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case .inputClosed = event as? ChannelEvent else { return }
            context.close(promise: nil)
        }
    }

    @Test(
        "megabytes go there and back, and the end is heard",
        arguments: TLSVersion.allCases,
        [1, 16_384, 5_000_000]
    )
    func echo(version: TLSVersion, size: Int) async throws {
        let made = try TestCertificates.get()
        let server = try TLSContext.server(certificate: made.server.certificate, key: made.server.key)
        let client = try TLSContext.client(authorities: made.authority, only: version)
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([TLSHandler(server), Echo()])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port)
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        TLSHandler(client, serverName: "localhost")
                    )
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await outbound.write(ByteBuffer(bytes: bytes)) }
                var came: [UInt8] = []
                for try await part in inbound {
                    came += Array(buffer: part)
                    if came.count >= size { break }
                }
                #expect(came == bytes)
                try await group.waitForAll()
            }
        }
        try await listener.close()
    }
}
