import NIOCore
import NIOHTTP1

/// Ends a connection without losing a request when the server stops.
///
/// - A request that has begun, be it by a part of its head, is answered, with `Connection: close`; then the connection is closed.
/// - A connection without a request is kept for `quiet`: a client that has just connected, or that keeps its connection busy, sends its next
///   request in that time and is answered. One that stays silent is closed then. HTTP/1.1 has no way to announce that, so a request that
///   crosses the closing on the wire is lost; a client on kept connections has to be able to send again (RFC 9112, 9.3.1).
/// - After `last` the connection is closed in any state.
///
/// It stands right behind the HTTP decoder, below everything that handles requests.
package final class Farewell: ChannelDuplexHandler {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias InboundOut = HTTPServerRequestPart
    package typealias OutboundIn = HTTPServerResponsePart
    package typealias OutboundOut = HTTPServerResponsePart

    private let connections: OpenConnections
    private let channel: any NIOCore.Channel
    /// Whether a request is under way, as `connections` was told.
    private var isBusy = false
    /// Requests whose head came and whose answer is not complete.
    private var pending = 0
    private var isReceiving = false
    /// Bytes came that are no whole head yet.
    private var isBeginning = false
    private var sawPart = false
    private var isLeaving = false
    /// The answer that is being written said `Connection: close`: what the client sends after that request is not taken.
    private var saidClose = false
    private var isDeaf = false
    private var timers: [Scheduled<Void>] = []

    init(_ connections: OpenConnections, _ channel: any NIOCore.Channel) {
        self.connections = connections
        self.channel = channel
    }

    /// Puts one into the pipeline of a connection that has its HTTP decoder.
    package static func add(to channel: any NIOCore.Channel, of connections: OpenConnections) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
        let handler = decoder.handler
        guard let decoder = handler as? ByteToMessageHandler<HTTPRequestDecoder> else { return }
        try pipeline.addHandler(Farewell(connections, channel), position: .after(decoder))
    }

    /// A connection that is set up while the server stops is told here.
    package func handlerAdded(context: ChannelHandlerContext) {
        if let leave = connections.leave { self.leave(leave, context) }
    }

    /// Any other is told by an event.
    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let leave = event as? OpenConnections.Leave else {
            return context.fireUserInboundEventTriggered(event)
        }
        self.leave(leave, context)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        sawPart = true
        switch unwrapInboundIn(data) {
        case .head:
            if saidClose { isDeaf = true }
            if isDeaf { return }
            pending += 1
            (isReceiving, isBeginning) = (true, false)
            tellBusy()
        case .body:
            if isDeaf { return }
        case .end:
            if isDeaf { return }
            isReceiving = false
            tellBusy()
            // Refused before it was complete, and now all of it is read.
            if isLeaving, pending == 0 { context.channel.close(promise: nil) }
        }
        context.fireChannelRead(data)
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if !sawPart, pending == 0 { isBeginning = true }
        sawPart = false
        context.fireChannelReadComplete()
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head) where isLeaving && pending <= 1 && !head.status.isInformational:
            head.headers.replaceOrAdd(name: "Connection", value: "close")
            saidClose = true
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end:
            pending = max(pending - 1, 0)
            tellBusy()
            guard isLeaving, pending == 0, !isReceiving else {
                context.write(data, promise: promise)
                return
            }
            let written = promise ?? context.eventLoop.makePromise()
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
            context.writeAndFlush(data, promise: written)
        case .head, .body:
            context.write(data, promise: promise)
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        for timer in timers { timer.cancel() }
        context.fireChannelInactive()
    }

    /// Says when a request begins and when none is under way any more.
    private func tellBusy() {
        let isBusyNow = pending > 0 || isReceiving
        guard isBusyNow != isBusy else { return }
        isBusy = isBusyNow
        if isBusyNow { connections.began(channel) } else { connections.ended(channel) }
    }

    private func leave(_ leave: OpenConnections.Leave, _ context: ChannelHandlerContext) {
        guard !isLeaving else { return }
        isLeaving = true
        let channel = context.channel
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timers = [
            context.eventLoop.scheduleTask(deadline: leave.quiet) {
                let farewell = bound.value
                if farewell.pending == 0, !farewell.isBeginning { channel.close(promise: nil) }
            },
            context.eventLoop.scheduleTask(deadline: leave.last) { channel.close(promise: nil) },
        ]
    }
}

extension HTTPResponseStatus {
    /// 100 Continue and its like, after which the answer is still to come.
    fileprivate var isInformational: Bool { (100..<200).contains(code) }
}
