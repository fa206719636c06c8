import Domain
import NIOCore
import NIOHTTP1
import Native
import Storage
import Web

/// Takes the pushes of one connection: `POST /p/{token}`, `POST /p` and `POST /event/push/alert/{type}`. Other requests pass.
///
/// Lives on the connection's event loop; a push costs no task and one change of thread, from the writer back. What takes long goes
/// elsewhere: the load of a snapshot, and whatever is not small (`PushEffort`).
///
/// Nothing is logged per push: neither the address nor the headers may reach a log, they hold the token.
///
/// Before it in the pipeline one request at a time is let in: the next head comes only after the answer and the end of this request.
package final class PushDoor: ChannelInboundHandler {
    package typealias InboundIn = HTTPServerRequestPart
    package typealias InboundOut = HTTPServerRequestPart
    package typealias OutboundOut = HTTPServerResponsePart

    /// What it takes, as in openapi.yaml.
    package static let paths = ["/p/{token}", "/p", "/event/push/alert/{type}"]

    private enum State {
        /// No push is under way: parts go on.
        case passing
        /// The snapshot is being loaded; the body gathers.
        case admitting
        /// The body comes.
        case reading(PushIntake.Admission, taken: Int)
        /// The writer has it, or it waits for its account's turn.
        case storing
        /// Answered before the request was over: what is left of it is dropped.
        case dropping
    }

    /// The push that is under way.
    private struct Current {
        let head: PushHead
        let version: HTTPVersion
        let arrival: ContinuousClock.Instant
        let requestID: String
        var body = ByteBuffer()
        var isWhole = false
    }

    private let intake: PushIntake
    private let clientAddress: ClientAddress
    private let metrics: PushMetrics
    private let date: HTTPDate
    /// The last token of this connection whose MAC was right. A sender repeats it with every push.
    private var verified: (text: [UInt8], token: PushToken)?
    private var state = State.passing
    private var current: Current?
    private var context: ChannelHandlerContext?

    package init(intake: PushIntake, clientAddress: ClientAddress, metrics: PushMetrics, date: HTTPDate) {
        self.intake = intake
        self.clientAddress = clientAddress
        self.metrics = metrics
        self.date = date
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        giveBack()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard let target = PushTarget(head.uri) else { return context.fireChannelRead(data) }
            begin(head, target, context)
        case .body(let bytes):
            switch state {
            case .passing: context.fireChannelRead(data)
            case .admitting, .reading: take(bytes)
            case .storing, .dropping: break
            }
        case .end:
            switch state {
            case .passing: context.fireChannelRead(data)
            case .admitting: current?.isWhole = true
            case .reading(let admission, _): finishBody(admission)
            case .storing: break
            case .dropping: state = .passing
            }
        }
    }

    /// A request that broke off: what is left to do is to say so.
    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch state {
        case .admitting, .reading:
            giveBack()
            refuse(PushRefusal(.invalidParameter, "The body did not come whole.", .badRequest), closing: true)
        case .passing, .storing, .dropping:
            context.fireErrorCaught(error)
        }
    }

    // MARK: Head

    private func begin(_ request: HTTPRequestHead, _ target: PushTarget, _ context: ChannelHandlerContext) {
        let head = PushHead(request)
        current = Current(
            head: head,
            version: request.version,
            arrival: .now,
            requestID: head.requestID ?? RequestID.next()
        )
        state = .admitting
        guard request.method == .POST else { return refuseMethod(hasBody: request.method != .HEAD) }
        do throws(PushRefusal) {
            let token = try token(target.carried + head.tokens)
            if let account = intake.cached(token) {
                try admit(intake.admit(token, to: account, type: target.type))
            } else {
                load(token, target.type, context)
            }
        } catch {
            refuse(error)
        }
    }

    private func token(_ carried: [[UInt8]]) throws(PushRefusal) -> PushToken {
        if let verified, carried.count == 1, constantTimeEquals(carried[0], verified.text) {
            return verified.token
        }
        let token = try intake.token(carried)
        verified = carried.first.map { ($0, token) }
        return token
    }

    private func load(_ token: PushToken, _ type: IntegrationType?, _ context: ChannelHandlerContext) {
        let door = NIOLoopBound(self, eventLoop: context.eventLoop)
        let (loop, intake) = (context.eventLoop, intake)
        let arrival = current?.arrival ?? .now
        Task {
            let admission: Result<PushIntake.Admission, PushRefusal>
            do throws(PushRefusal) {
                admission = .success(try await intake.load(token, type: type, arrival: arrival))
            } catch {
                admission = .failure(error)
            }
            loop.execute { door.value.loaded(admission) }
        }
    }

    private func loaded(_ admission: Result<PushIntake.Admission, PushRefusal>) {
        guard case .admitting = state, context != nil else { return }
        do throws(PushRefusal) {
            try admit(admission.get())
        } catch {
            refuse(error)
        }
    }

    private func admit(_ admission: PushIntake.Admission) throws(PushRefusal) {
        guard let current, let context else { return }
        try intake.admitBody(current.head, admission)
        let taken = try intake.admitBody(of: current.body.readableBytes, taken: 0, admission)
        state = .reading(admission, taken: taken)
        if current.isWhole { return finishBody(admission) }
        if current.head.expectsContinue {
            let head = HTTPResponseHead(version: current.version, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        }
    }

    // MARK: Body

    private func take(_ bytes: ByteBuffer) {
        // One that is too large already is refused as soon as it is admitted.
        guard let held = current?.body.readableBytes, held <= Limits.pushBytes else { return }
        var bytes = bytes
        if held == 0 { current?.body = bytes } else { current?.body.writeBuffer(&bytes) }
        guard case .reading(let admission, let taken) = state, let count = current?.body.readableBytes else {
            return
        }
        do throws(PushRefusal) {
            state = .reading(admission, taken: try intake.admitBody(of: count, taken: taken, admission))
        } catch {
            giveBack()
            refuse(error)
        }
    }

    private func giveBack() {
        if case .reading(let admission, let taken) = state {
            intake.bodies.giveBack(taken, of: admission.token.account)
        }
    }

    private func finishBody(_ admission: PushIntake.Admission) {
        guard let current, let context else { return }
        self.current?.isWhole = true
        giveBack()
        state = .storing
        let received = PushIntake.Received(
            arrival: current.arrival,
            contentType: current.head.contentType,
            address: clientAddress.of(
                peer: context.channel.remoteAddress,
                forwardedFor: current.head.forwardedFor
            ),
            coding: current.head.coding,
            body: Array(current.body.readableBytesView)
        )
        self.current?.body = ByteBuffer()
        let (intake, loop, door) = (
            intake, context.eventLoop, NIOLoopBound(self, eventLoop: context.eventLoop)
        )
        intake.store(received, admission) { result in
            loop.execute { door.value.answer(result) }
        }
    }

    // MARK: Answer

    private func answer(_ result: Result<AcceptedPush, PushRefusal>) {
        switch result {
        case .success(let push):
            metrics.count(push.isTest ? .test : .accepted)
            write(.ok, PushAnswer.accepted(push, requestID: current?.requestID ?? ""))
        case .failure(let refusal):
            refuse(refusal)
        }
    }

    private func refuse(_ refusal: PushRefusal, closing: Bool = false) {
        metrics.count(refusal.result)
        let more: [(String, String)] = refusal.code == .serviceUnavailable ? [("Retry-After", "2")] : []
        let body = PushAnswer.refused(refusal, requestID: current?.requestID ?? "")
        write(refusal.code.status, body, more, closing: closing)
    }

    private func refuseMethod(hasBody: Bool) {
        let refusal = PushRefusal(
            .methodNotAllowed,
            "Push with POST: choose POST as the method of the webhook."
        )
        let body = hasBody ? PushAnswer.refused(refusal, requestID: current?.requestID ?? "") : []
        write(.methodNotAllowed, body, [("Allow", "POST")])
    }

    private func write(
        _ status: HTTPResponseStatus,
        _ body: [UInt8],
        _ more: [(String, String)] = [],
        closing: Bool = false
    ) {
        guard let context, let current else { return }
        let isClosing = closing || !current.head.isKeptAlive
        var headers = HTTPHeaders()
        headers.reserveCapacity(6)
        headers.add(name: "Content-Type", value: "application/json")
        headers.add(name: "Content-Length", value: String(body.count))
        headers.add(name: "Date", value: date.text(at: intake.now))
        headers.add(name: "X-Request-Id", value: current.requestID)
        for (name, value) in more { headers.add(name: name, value: value) }
        if isClosing { headers.add(name: "Connection", value: "close") }
        let head = HTTPResponseHead(version: current.version, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        let bytes = context.channel.allocator.buffer(bytes: body)
        if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil) }
        let written: EventLoopPromise<Void>? = isClosing ? context.eventLoop.makePromise() : nil
        if let written {
            let channel = context.channel
            written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        // An answer that comes before the end of the request leaves the rest to be dropped; `EdgeGuard` bounds that.
        let isOver = current.isWhole
        self.current = nil
        state = isOver ? .passing : .dropping
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }
}
