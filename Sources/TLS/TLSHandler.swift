import NIOCore
import Native

/// The handshake is over; an event for the handlers behind.
package struct TLSEstablished: Sendable, Equatable {
    /// `TLSv1.3`
    package let version: String
}

/// TLS on one connection, server or client, in front of handlers that know nothing of it.
///
/// - What is written before the end of the handshake waits for it. A handshake has `handshakeTime`.
/// - The other side's close_notify is the end of its input: `ChannelEvent.inputClosed` where the channel
///   allows half-closed connections, as with a socket. A connection that ends without it fails with
///   `TLSFailure.truncated`, so that what came is never taken for whole.
/// - Closing, and closing of the output, say close_notify first. As with a socket, what could not be written
///   when the channel is closed is lost.
/// - A failure sends its alert and closes the connection; `onFailure` hears of those during the handshake.
///
/// It holds what is written and not flushed, up to one record, and what came of a record that is not whole.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// Bytes that the other side may make us send by what it sends (alerts, new keys), beyond the handshake,
    /// while it reads nothing.
    private static let unreadReplies = 16 << 10

    private let context: TLSContext
    private let serverName: String?
    private let handshakeTime: TimeAmount
    private let onFailure: @Sendable (TLSFailure) -> Void
    /// nil before the connection is there, and after its end.
    private var session: TLSSession?
    private var deadline: Scheduled<Void>?
    private var outgoing = PlaintextQueue()
    private var wantsFlush = false
    private var isClosing = false
    private var wroteReply = false
    private var unreadReplies = 0
    private var wantsRead = false
    private var fired = false

    /// `serverName`: whom a client wants to reach. `onFailure`: hears of each handshake that failed, once, on
    /// the event loop.
    package init(
        _ context: TLSContext,
        serverName: String? = nil,
        handshakeTime: TimeAmount = .seconds(10),
        onFailure: @escaping @Sendable (TLSFailure) -> Void = { _ in }
    ) {
        self.context = context
        self.serverName = serverName
        self.handshakeTime = handshakeTime
        self.onFailure = onFailure
    }

    // MARK: The connection

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    /// The handshake begins.
    package func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        if let session, !session.isInputClosed, !isClosing {
            let failure = TLSFailure(.truncated, "the connection ended without close_notify")
            if !session.isEstablished { onFailure(failure) }
            context.fireErrorCaught(failure)
        }
        end(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        end(ChannelError.ioOnClosedChannel)
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard session == nil, !isClosing else { return }
        do {
            let session = try TLSSession(self.context, serverName: serverName)
            self.session = session
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            deadline = context.eventLoop.scheduleTask(in: handshakeTime) {
                let (handler, context) = bound.value
                handler.fail(TLSFailure(.timeout, "the handshake took too long"), context)
            }
            try session.start()
            send(context, flushes: true)
        } catch {
            guard session == nil else { return fail(error, context) }
            // There is no memory for one.
            end(error)
            onFailure(error)
            context.close(promise: nil)
        }
    }

    /// Lets go of everything: keys, what waits in the clear, the deadline.
    private func end(_ error: any Error) {
        isClosing = true
        session = nil
        deadline?.cancel()
        deadline = nil
        outgoing.drop(error)
    }

    /// Says the alert, if there is one, and closes.
    private func fail(_ failure: TLSFailure, _ context: ChannelHandlerContext) {
        guard let session, !isClosing else { return }
        let isHandshake = !session.isEstablished
        send(context, flushes: false)
        context.flush()
        end(failure)
        if isHandshake { onFailure(failure) }
        context.fireErrorCaught(failure)
        context.close(promise: nil)
    }

    // MARK: Inbound

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let session, !session.isInputClosed else { return }
        let wasEstablished = session.isEstablished
        let ciphertext = unwrapInboundIn(data)
        var plaintext = ByteBuffer()
        var failure: TLSFailure?
        do {
            try session.receive(ciphertext.readableBytesSpan) { plaintext.writeBytes($0) }
        } catch {
            failure = error
        }
        let replies = send(context, flushes: false)
        if !wasEstablished, session.isEstablished { established(context, session) }
        if plaintext.readableBytes > 0 {
            (fired, wantsRead) = (true, false)
            context.fireChannelRead(wrapInboundOut(plaintext))
        }
        if let failure { return fail(failure, context) }
        if wasEstablished { bound(replies, context) }
        if session.isInputClosed { inputClosed(context) }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if wroteReply { context.flush() }
        wroteReply = false
        // Who asked for bytes in the clear got none of what came: a handshake, or a part of a record.
        if wantsRead, session != nil { context.read() }
        guard fired else { return }
        fired = false
        context.fireChannelReadComplete()
    }

    /// Bytes in the clear are wanted, which can take more than one read.
    package func read(context: ChannelHandlerContext) {
        wantsRead = true
        context.read()
    }

    /// The end of the other side's bytes on the wire.
    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        // With close_notify it was said already.
        guard let session, !session.isInputClosed else { return }
        fail(TLSFailure(.truncated, "the connection ended without close_notify"), context)
    }

    private func established(_ context: ChannelHandlerContext, _ session: TLSSession) {
        deadline?.cancel()
        deadline = nil
        context.fireUserInboundEventTriggered(TLSEstablished(version: session.version))
        guard !outgoing.isEmpty || wantsFlush else { return }
        encrypt(context)
        if wantsFlush { context.flush() }
        wantsFlush = false
    }

    /// A client that has us answer, and reads none of the answers, is cut off.
    private func bound(_ replies: Int, _ context: ChannelHandlerContext) {
        unreadReplies = context.channel.isWritable ? 0 : unreadReplies + replies
        guard unreadReplies > Self.unreadReplies else { return }
        fail(
            TLSFailure(.protocolError, "what has to be answered comes, and the answers are not read"),
            context
        )
    }

    /// The other side's close_notify.
    private func inputClosed(_ context: ChannelHandlerContext) {
        guard !isClosing else { return }
        let allowed = try? context.channel.syncOptions?.getOption(.allowRemoteHalfClosure)
        guard allowed == true else { return close(context: context, mode: .all, promise: nil) }
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    // MARK: Outbound

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let session, !isClosing else {
            guard session == nil, !isClosing else {
                promise?.fail(ChannelError.ioOnClosedChannel)
                return
            }
            return outgoing.append(unwrapOutboundIn(data), promise)
        }
        if session.isOutputClosed {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        outgoing.append(unwrapOutboundIn(data), promise)
        // More would not be seen by who looks at whether the channel is writable.
        if session.isEstablished, outgoing.bytes >= TLSSession.recordBytes { encrypt(context) }
    }

    package func flush(context: ChannelHandlerContext) {
        guard session?.isEstablished == true else {
            wantsFlush = true
            return context.flush()
        }
        encrypt(context)
        context.flush()
    }

    /// Says close_notify, then closes.
    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode != .input else { return context.close(mode: mode, promise: promise) }
        if let session, !isClosing {
            encrypt(context)
            session.close()
            send(context, flushes: true)
        }
        if mode == .all { end(ChannelError.ioOnClosedChannel) }
        context.close(mode: mode, promise: promise)
    }

    /// Encrypts all that was written, and passes it on.
    private func encrypt(_ context: ChannelHandlerContext) {
        guard let session, session.isEstablished, !session.isOutputClosed else { return }
        while let (plaintext, promise) = outgoing.next(atMost: TLSSession.recordBytes) {
            do {
                try session.send(plaintext.readableBytesSpan)
            } catch {
                promise?.fail(error)
                return fail(error, context)
            }
            context.write(wrapOutboundOut(ciphertext(session)), promise: promise)
        }
    }

    /// Passes on what the session itself has to say; how many bytes.
    @discardableResult
    private func send(_ context: ChannelHandlerContext, flushes: Bool) -> Int {
        guard let session else { return 0 }
        let bytes = ciphertext(session)
        guard bytes.readableBytes > 0 else { return 0 }
        context.write(wrapOutboundOut(bytes), promise: nil)
        if flushes { context.flush() } else { wroteReply = true }
        return bytes.readableBytes
    }

    private func ciphertext(_ session: TLSSession) -> ByteBuffer {
        ByteBuffer(bytes: session.takeCiphertext())
    }
}
