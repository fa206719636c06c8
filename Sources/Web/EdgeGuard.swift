import NIOCore
import NIOHTTP1

/// Bounds what one connection may cost: the time without a request, the time of a body, its size, a reader that does not read, and what
/// is read after an answer that came before the body was over. The HTTP library itself has none of these bounds.
package final class EdgeGuard: ChannelDuplexHandler {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias InboundOut = HTTPServerRequestPart
    package typealias OutboundIn = HTTPServerResponsePart
    package typealias OutboundOut = HTTPServerResponsePart

    /// The bounds. Source: openapi.yaml and the README.
    package struct Bounds: Sendable {
        /// A connection on which no request is under way, or whose head does not get finished, is closed after so long.
        package var idleTime: TimeAmount = .seconds(15)
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
    private var isAnswered = true
    /// Whether the connection is closed after the answer: HTTP/1.0 knows no other way that all clients agree on.
    private var isLast = false
    private var lastActive = NIODeadline.now()
    private var idleTimer: Scheduled<Void>?
    private var announced: Int?
    private var received = 0
    private var discarded: Int?
    private var bodyTimer: Scheduled<Void>?
    private var stallTimer: Scheduled<Void>?
    private var discardTimer: Scheduled<Void>?

    package init(bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        watchIdleness(context, for: bounds.idleTime)
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if discarded != nil { return discard(part, context) }
        switch part {
        case .head(let head):
            guard Self.isAcceptable(head) else {
                return refuse(context, version: head.version, hasBody: head.method != .HEAD)
            }
            isLast = head.version != .http1_1
            isReadingBody = true
            received = 0
            isAnswered = false
            announced = head.headers.first(name: "Content-Length").flatMap { Int($0) }
        case .body(let bytes):
            received += bytes.readableBytes
        case .end:
            isReadingBody = false
            lastActive = .now()
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
        guard case .end = unwrapOutboundIn(data) else {
            context.write(data, promise: promise)
            return
        }
        isAnswered = true
        lastActive = .now()
        guard isReadingBody, leavesTooMuch else {
            let written = isLast ? promise ?? context.eventLoop.makePromise() : promise
            if isLast {
                let channel = context.channel
                written?.futureResult.whenComplete { _ in channel.close(promise: nil) }
            }
            context.write(data, promise: written)
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
        for timer in [idleTimer, bodyTimer, stallTimer, discardTimer] { timer?.cancel() }
        context.fireChannelInactive()
    }

    /// HTTP/1.1 names exactly one host (RFC 9112, 3.2), HTTP/1.0 has no chunks: whoever sends it otherwise wants two parsers to disagree.
    private static func isAcceptable(_ head: HTTPRequestHead) -> Bool {
        let hosts = head.headers["Host"]
        guard head.version == .http1_1 else {
            return hosts.count <= 1 && !head.headers.contains(name: "Transfer-Encoding")
        }
        let allowed = hosts.first?.utf8.allSatisfy { byte in
            byte.isLetterOrDigit || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "]")
        }
        return hosts.count == 1 && allowed == true
    }

    /// What is no HTTP, or has a head over the limits, is 400. While a request is under way the connection just ends after it.
    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, isAnswered, !isReadingBody else {
            return context.fireErrorCaught(error)
        }
        refuse(context, version: .http1_1, hasBody: true)
    }

    /// 400, and the connection is over.
    private func refuse(_ context: ChannelHandlerContext, version: HTTPVersion, hasBody: Bool) {
        isReadingBody = true
        isAnswered = true
        discarded = 0
        discardTimer = close(context, after: bounds.discardTime)
        let requestID = RequestID.next()
        let body = Self.unreadable.body(requestID: requestID)
        let headers: HTTPHeaders = [
            "Content-Type": Problem.mediaType, "Content-Length": "\(body.count)", "X-Request-Id": requestID,
            "Cache-Control": "no-store", "Connection": "close",
        ]
        let answer = HTTPResponseHead(version: version, status: .badRequest, headers: headers)
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        if hasBody {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(mode: .output, promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    private static let unreadable = Problem(
        .invalidRequest,
        "This is not HTTP/1.1 with one host, or its head is over the limits: 16 KiB in all, 8 KiB a field, 64 fields."
    )

    /// Whether more of the body may still come than is read for the sake of keeping the connection.
    private var leavesTooMuch: Bool {
        (announced ?? .max) > bounds.keptBody || received > bounds.keptBody
    }

    /// Looks again when the connection could have been idle for long enough: one timer, not one for each request.
    private func watchIdleness(_ context: ChannelHandlerContext, for time: TimeAmount) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        idleTimer = context.eventLoop.scheduleTask(in: time) {
            let (guardian, context) = bound.value
            let end = guardian.lastActive + guardian.bounds.idleTime
            let isBusy = guardian.isReadingBody || !guardian.isAnswered
            if !isBusy, NIODeadline.now() >= end { return context.close(promise: nil) }
            guardian.watchIdleness(context, for: isBusy ? guardian.bounds.idleTime : end - .now())
        }
    }

    private func discard(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
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

extension UInt8 {
    fileprivate var isLetterOrDigit: Bool {
        (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
    }
}
