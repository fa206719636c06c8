import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Bounds what one connection may cost: the time of a body, its size, a reader that does not read, and what is read after an
/// answer that came before the body was over. The HTTP library itself has none of these bounds.
package final class EdgeGuard: ChannelDuplexHandler, RemovableChannelHandler {
    package typealias InboundIn = HTTPRequestPart
    package typealias InboundOut = HTTPRequestPart
    package typealias OutboundIn = HTTPResponsePart
    package typealias OutboundOut = HTTPResponsePart

    /// The bounds. Source: openapi.yaml and the README.
    package struct Bounds: Sendable {
        /// A body that takes longer closes the connection.
        package var bodyTime: TimeAmount = .seconds(10)
        /// A client that reads nothing for so long is cut off.
        package var writeStall: TimeAmount = .seconds(10)
        /// Bytes of a refused body that are read and dropped while the connection is kept.
        package var keptBody = 64 << 10
        /// Bytes of a refused body that are read and dropped before the connection is closed.
        package var discardedBody = 4 << 20
        /// How long they are waited for.
        package var discardTime: TimeAmount = .seconds(1)

        package init() {}
    }

    private let bounds: Bounds
    private var isReadingBody = false
    private var announced: Int?
    private var received = 0
    private var discarded: Int?
    private var bodyTimer: Scheduled<Void>?
    private var stallTimer: Scheduled<Void>?
    private var discardTimer: Scheduled<Void>?

    package init(bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if discarded != nil { return discard(part, context) }
        switch part {
        case .head(let head):
            isReadingBody = true
            received = 0
            announced = head.headerFields[.contentLength].flatMap { Int($0) }
        case .body(let bytes):
            received += bytes.readableBytes
        case .end:
            isReadingBody = false
            bodyTimer?.cancel()
            bodyTimer = nil
        }
        context.fireChannelRead(data)
    }

    /// The timer is needed only for a body that did not come with its head.
    package func channelReadComplete(context: ChannelHandlerContext) {
        if isReadingBody, bodyTimer == nil, discarded == nil {
            bodyTimer = close(context, after: bounds.bodyTime)
        }
        context.fireChannelReadComplete()
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data), isReadingBody, leavesTooMuch else {
            context.write(data, promise: promise)
            return
        }
        bodyTimer?.cancel()
        bodyTimer = nil
        discarded = 0
        discardTimer = close(context, after: bounds.discardTime)
        let written = promise ?? context.eventLoop.makePromise()
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(mode: .output, promise: nil) }
        context.writeAndFlush(data, promise: written)
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            stallTimer?.cancel()
            stallTimer = nil
        } else if stallTimer == nil {
            stallTimer = close(context, after: bounds.writeStall)
        }
        context.fireChannelWritabilityChanged()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        for timer in [bodyTimer, stallTimer, discardTimer] { timer?.cancel() }
        context.fireChannelInactive()
    }

    /// Whether more of the body may still come than is read for the sake of keeping the connection.
    private var leavesTooMuch: Bool {
        (announced ?? .max) > bounds.keptBody || received > bounds.keptBody
    }

    private func discard(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head: break
        case .body(let bytes):
            let total = (discarded ?? 0) + bytes.readableBytes
            discarded = total
            if total > bounds.discardedBody { context.close(promise: nil) }
        case .end:
            context.close(promise: nil)
        }
    }

    private func close(_ context: ChannelHandlerContext, after time: TimeAmount) -> Scheduled<Void> {
        let channel = context.channel
        return context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}
