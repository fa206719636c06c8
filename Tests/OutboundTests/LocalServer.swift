import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Native
import TLS
import Testing

/// Listens on a free port of this machine, and handles each connection in a task of its own.
///
/// Each is handled, also one that is accepted while the server stops: an asynchronous channel that nobody takes ends the process.
final class LocalServer: Sendable {
    typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    typealias Handler = @Sendable (_ connection: Connection, _ number: Int) async throws -> Void

    private struct State {
        var count = 0
        var open: [any NIOCore.Channel] = []
        var tasks: [Task<Void, Never>] = []
    }

    /// Of the servers alone, so that one that floods does not hold up those who are to defend themselves.
    private static let threads = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    private let state = NIOLockedValueBox(State())
    private let handler: Handler

    private init(handler: @escaping Handler) {
        self.handler = handler
    }

    /// Connections accepted so far.
    var connections: Int { state.withLockedValue { $0.count } }

    /// Listens, and answers the port and how to stop.
    static func start(
        host: String,
        tls: TLSContext?,
        autoRead: Bool = true,
        handler: @escaping Handler
    ) async throws -> (server: LocalServer, port: Int, stop: @Sendable () async -> Void) {
        let server = LocalServer(handler: handler)
        let channel = try await ServerBootstrap(group: threads)
            .serverChannelOption(.backlog, value: 512)
            .childChannelOption(.autoRead, value: autoRead)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(TLSHandler(tls))
                    }
                    server.begin(try Connection(wrappingChannelSynchronously: channel))
                }
            }
            .bind(host: host, port: 0).get()
        let port = try #require(channel.localAddress?.port)
        return (server, port, { await server.stop(channel) })
    }

    private func begin(_ connection: Connection) {
        state.withLockedValue { state in
            let number = state.count
            state.count += 1
            state.open.append(connection.channel)
            state.tasks.append(Task { try? await self.handler(connection, number) })
        }
    }

    private func stop(_ channel: any NIOCore.Channel) async {
        try? await channel.close()
        let (open, tasks) = state.withLockedValue { ($0.open, $0.tasks) }
        for channel in open { channel.close(promise: nil) }
        for task in tasks {
            task.cancel()
            await task.value
        }
    }
}
