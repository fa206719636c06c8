import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Native
import ServiceLifecycle
import Storage
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
    private let connections: OpenConnections
    private let onRunning: @Sendable (Int) async -> Void
    private let logger: Logger

    private static var backlog: Int32 { 4_096 }
    /// Bytes of answers that the kernel keeps for one connection; it doubles this for its own needs.
    /// Otherwise it lets them grow to 4 MB for each reader who is slow, outside of every bound of ours.
    private static var sendBuffer: SocketOptionValue { 128 << 10 }

    /// `connection` sets accepted connections up; `limits` says how many there may be, and `onLoss` is told of those that are closed for
    /// others. `onRunning` gets the port.
    package init(
        _ connection: Connection,
        at place: Place,
        limits: OpenConnections.Limits = OpenConnections.Limits(),
        bounds: OpenConnections.Bounds = OpenConnections.Bounds(),
        logger: Logger,
        onLoss: @escaping @Sendable (OpenConnections.Loss) -> Void = { _ in },
        onRunning: @escaping @Sendable (Int) async -> Void
    ) {
        self.connection = connection
        self.place = place
        connections = OpenConnections(bounds: bounds, limits: limits, onLoss: onLoss)
        self.onRunning = onRunning
        self.logger = logger
    }

    /// Serves until it is told to stop and every connection has ended.
    package func run() async throws {
        let handling = Handling()
        let channel = try await listen(handling)
        await withGracefulShutdownHandler {
            await onRunning(channel.localAddress?.port ?? 0)
            await withTaskCancellationHandler {
                try? await channel.closeFuture.get()
            } onCancel: {
                stop(channel)
            }
        } onGracefulShutdown: {
            stop(channel)
        }
        await handling.end()
    }

    private func listen(_ handling: Handling) async throws -> any NIOCore.Channel {
        let (connections, connection, place, logger) = (connections, connection, place, logger)
        let bootstrap = ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Accepted connections have it from the listening one.
            .serverChannelOption(.socketOption(.so_sndbuf), value: Self.sendBuffer)
            // One at a time, so that each is asked for room.
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // The library has just set it to 128, and more may be waiting; what does not fit comes again a second later.
                    if case .socket(let socket) = place { socket.setBacklog(Self.backlog) }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(AcceptedConnections(connections))
                }
            }
            // A task for each, begun here: a connection that is accepted while the listener closes must be handled as well.
            .childChannelInitializer { channel in
                connection.setup(channel: channel, logger: logger).flatMapThrowing { value in
                    handling.begin { await connection.handle(value: value, logger: logger) }
                    try Farewell.add(to: channel, of: connections)
                }
            }
        switch place {
        case .address(let host, let port):
            return try await bootstrap.bind(host: host, port: port).get()
        case .socket(let socket):
            return try await bootstrap.withBoundSocket(socket.descriptor).get()
        }
    }

    /// Ends it in good order. Closing the socket is what makes `run` return.
    private func stop(_ channel: any NIOCore.Channel) {
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

/// The connections that are being handled, and the end of the last one.
package final class Handling: Sendable {
    /// One that was accepted last may begin so much later than the others ended.
    private static let grace = Duration.milliseconds(50)

    private struct State {
        var count = 0
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Lock(State())

    package init() {}

    /// Handles one more.
    package func begin(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { $0.count += 1 }
        Task {
            await body()
            let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
                state.count -= 1
                return state.count == 0 ? state.waiting.take() : nil
            }
            waiting?.resume()
        }
    }

    /// Returns when none is left; to be called once, when no more are accepted. One that was accepted just before may still begin.
    package func end() async {
        repeat {
            await untilNone()
            try? await Task.sleep(for: Self.grace)
        } while state.withLock { $0.count > 0 }
    }

    private func untilNone() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                if state.count > 0 { state.waiting = continuation }
                return state.count == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
