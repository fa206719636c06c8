import NIOCore
import Synchronization

/// The connections that are open, and the moment at which all of them were told to end.
package final class OpenConnections: Sendable {
    /// How long connections are waited for once the server stops. Sources: ARMS gives up on a push after 5 s, and a push that waits in the
    /// socket's queue for the next process must be answered before its sender gives up.
    package struct Bounds: Sendable {
        /// A connection without a request is kept for so long, because one may be on its way: closing would lose it.
        package var quiet: TimeAmount = .seconds(1)
        /// The same for one that is accepted while the server stops, from then on.
        package var quietWhenLate: TimeAmount = .milliseconds(300)
        /// Whatever is still open then is closed: one slow client must not keep all others waiting for the next process.
        package var last: TimeAmount = .seconds(2)

        package init() {}
    }

    /// Tells a connection to end.
    struct Leave: Sendable {
        /// Until then it may begin another request.
        var quiet: NIODeadline
        /// Then it is closed.
        var last: NIODeadline
    }

    private struct State {
        var channels: [ObjectIdentifier: any NIOCore.Channel] = [:]
        var leave: Leave?
        var ended: EventLoopPromise<Void>?
    }

    package let bounds: Bounds
    private let state = Mutex(State())

    package init(bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    /// What a connection that is only now being set up must know; nil while the server goes on.
    var leave: Leave? {
        guard var leave = state.withLock({ $0.leave }) else { return nil }
        leave.quiet = max(leave.quiet, .now() + bounds.quietWhenLate)
        leave.last = max(leave.last, leave.quiet)
        return leave
    }

    /// Counts a connection from the moment it is accepted until it is closed.
    func add(_ channel: any NIOCore.Channel) {
        state.withLock { $0.channels[ObjectIdentifier(channel)] = channel }
        channel.closeFuture.whenComplete { _ in self.remove(channel) }
    }

    /// Tells all of them to end, those that are still accepted, too; the future is fulfilled as soon as there is none.
    package func end(on loop: any EventLoop) -> EventLoopFuture<Void> {
        let now = NIODeadline.now()
        let leave = Leave(quiet: now + bounds.quiet, last: now + bounds.last)
        let promise = loop.makePromise(of: Void.self)
        let channels = state.withLock { state in
            state.leave = leave
            state.ended = promise
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(leave) }
        if channels.isEmpty { finish() }
        return promise.futureResult
    }

    private func remove(_ channel: any NIOCore.Channel) {
        let isLast = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = nil
            return state.channels.isEmpty && state.leave != nil
        }
        if isLast { finish() }
    }

    /// Fulfils the promise, once.
    private func finish() {
        let promise = state.withLock { state in
            let promise = state.ended
            state.ended = nil
            return promise
        }
        promise?.succeed()
    }
}

/// Counts what a listening socket accepts, before it is set up.
package final class AcceptedConnections: ChannelInboundHandler {
    package typealias InboundIn = any NIOCore.Channel

    private let connections: OpenConnections

    package init(_ connections: OpenConnections) {
        self.connections = connections
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connections.add(unwrapInboundIn(data))
        context.fireChannelRead(data)
    }
}
