import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Native
import ServiceLifecycle
import Web

/// Serves HTTP on a listening socket: one of its own, or one that was handed in and outlives the process.
///
/// Stopping, in the order that loses no request:
///
/// - A socket that was handed in is no longer accepted from: what connects waits in its queue, for the next process. Then every connection
///   is ended as `Farewell` does, then the socket is closed.
/// - With a socket of our own nobody else would answer, so it goes on being accepted from while the connections are ended; it is closed when
///   there is none, or shortly before the last ones are cut off.
package struct HTTPListener<Connection: ServerChildChannel>: Service {
    /// Where to listen.
    package enum Place: Sendable {
        case address(host: String, port: Int)
        case socket(ListeningSocket)
    }

    private let connection: Connection
    private let place: Place
    private let maximum: Int
    private let bounds: OpenConnections.Bounds
    private let onRunning: @Sendable (Int) async -> Void
    private let logger: Logger

    private static var backlog: Int32 { 4_096 }

    /// `connection` sets accepted connections up, at most `maximum` at a time; `onRunning` gets the port.
    package init(
        _ connection: Connection,
        at place: Place,
        maximum: Int = 4_096,
        bounds: OpenConnections.Bounds = OpenConnections.Bounds(),
        logger: Logger,
        onRunning: @escaping @Sendable (Int) async -> Void
    ) {
        self.connection = connection
        self.place = place
        self.maximum = maximum
        self.bounds = bounds
        self.onRunning = onRunning
        self.logger = logger
    }

    /// Serves until it is told to stop and every connection has ended.
    package func run() async throws {
        let connections = OpenConnections(bounds: bounds)
        let listener = try await listen(connections)
        let (connection, logger) = (connection, logger)
        await withGracefulShutdownHandler {
            await onRunning(listener.channel.localAddress?.port ?? 0)
            await withDiscardingTaskGroup { group in
                do {
                    try await listener.executeThenClose { accepted in
                        for try await value in accepted {
                            group.addTask { await connection.handle(value: value, logger: logger) }
                        }
                    }
                } catch {
                    logger.error("accepting connections failed", metadata: ["error": "\(error)"])
                }
            }
        } onGracefulShutdown: {
            stop(listener.channel, connections)
        }
    }

    private func listen(
        _ connections: OpenConnections
    ) async throws -> NIOAsyncChannel<Connection.Value, Never> {
        let (maximum, connection, place, logger) = (maximum, connection, place, logger)
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // The library has just set it to 128, and more may be waiting; what does not fit comes again a second later.
                    if case .socket(let socket) = place { socket.setBacklog(Self.backlog) }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        AvailableConnectionsChannelHandler(
                            delegate: MaximumAvailableConnections(maximum, logger: logger)
                        )
                    )
                    try pipeline.addHandler(AcceptedConnections(connections))
                }
            }
        let setUp: @Sendable (any NIOCore.Channel) -> EventLoopFuture<Connection.Value> = { channel in
            connection.setup(channel: channel, logger: logger).flatMapThrowing { value in
                try Farewell.add(to: channel, of: connections)
                return value
            }
        }
        switch place {
        case .address(let host, let port):
            return try await bootstrap.bind(host: host, port: port, childChannelInitializer: setUp)
        case .socket(let socket):
            return try await bootstrap.bind(socket.descriptor, childChannelInitializer: setUp)
        }
    }

    /// Ends it in good order. Closing the socket is what makes `run` return.
    private func stop(_ channel: any NIOCore.Channel, _ connections: OpenConnections) {
        let loop = channel.eventLoop
        switch place {
        case .socket:
            channel.setOption(.autoRead, value: false).whenComplete { _ in
                connections.end(on: loop).whenComplete { _ in channel.close(promise: nil) }
            }
        case .address:
            connections.end(on: loop).whenComplete { _ in channel.close(promise: nil) }
            let patience = connections.bounds.last - connections.bounds.quietWhenLate
            loop.scheduleTask(in: patience) { channel.close(promise: nil) }
        }
    }
}
