import Domain
import NIOCore
import Synchronization

/// The connections that are open: how many there may be, of one address and in all, and the moment at which all of them were told to end.
///
/// Those on which no request is under way stand in a list, the one that is idle for longest first, so that room is made in a constant
/// time. The list is touched when a connection is accepted or closed, and when a request begins or ends.
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

    /// How many there may be. Source: the README.
    package struct Limits: Sendable {
        /// In all. When they are taken, the one that is idle for longest is closed for a new one.
        package var total = 4_096
        /// Of one IPv4 address, or of one /64 of IPv6. What is over it is closed at once.
        package var address = 64
        /// One that is idle for less is not closed for another: its request may be on its way.
        package var fresh: TimeAmount = .milliseconds(100)
        /// The proxies in front, which carry the connections of many.
        package var proxies: [Network] = []

        package init() {}

        /// File descriptors that connections leave to files, the database, receivers, and the runtime:
        /// libdispatch looks at its threads now and then by opening files, and ends the process when it
        /// can't.
        private static let kept = 48

        /// The same for a process that may have so many descriptors.
        package func within(descriptors: Int) -> Limits {
            var limits = self
            limits.total = max(1, min(total, descriptors - Self.kept))
            return limits
        }

        /// Whether connections from `address` are not counted by address: those of the proxies, and of the two addresses that a proxy or a
        /// client on this very machine comes from. Other loopback addresses are counted like any.
        func spares(_ address: IPAddress) -> Bool {
            address == Self.loopback.0 || address == Self.loopback.1
                || proxies.contains { $0.contains(address) }
        }

        private static let loopback = (IPAddress(Array("127.0.0.1".utf8)), IPAddress(Array("::1".utf8)))
    }

    /// What a connection was closed for.
    package enum Loss: Sendable, CaseIterable {
        /// Its address had all that it may have.
        case overAddress
        /// It was idle for longest when another one came.
        case madeRoom
    }

    /// Tells a connection to end.
    struct Leave: Sendable {
        /// Until then it may begin another request.
        var quiet: NIODeadline
        /// Then it is closed.
        var last: NIODeadline
    }

    fileprivate struct Place {
        let channel: any NIOCore.Channel
        /// nil: it is not counted by address.
        let address: IPAddress?
        /// Whether it stands in the list, between these two.
        var isIdle = false
        var idleSince = NIODeadline.uptimeNanoseconds(0)
        var before: ObjectIdentifier?
        var after: ObjectIdentifier?
    }

    fileprivate struct State {
        var places: [ObjectIdentifier: Place] = [:]
        var ofAddress: [IPAddress: Int] = [:]
        /// The one that is idle for longest, and the one that became idle last.
        var first: ObjectIdentifier?
        var last: ObjectIdentifier?
        var leave: Leave?
        var ended: EventLoopPromise<Void>?
        /// Accepts again, when there is room.
        var wake: (@Sendable () -> Void)?
    }

    package let bounds: Bounds
    private let limits: Limits
    private let onLoss: @Sendable (Loss) -> Void
    private let state = Mutex(State())

    /// `onLoss` is called for each connection that is closed for others.
    package init(
        bounds: Bounds = Bounds(),
        limits: Limits = Limits(),
        onLoss: @escaping @Sendable (Loss) -> Void = { _ in }
    ) {
        self.bounds = bounds
        self.limits = limits
        self.onLoss = onLoss
    }

    /// What a connection that is only now being set up must know; nil while the server goes on.
    var leave: Leave? {
        guard var leave = state.withLock({ $0.leave }) else { return nil }
        leave.quiet = max(leave.quiet, .now() + bounds.quietWhenLate)
        leave.last = max(leave.last, leave.quiet)
        return leave
    }

    // MARK: Coming and going

    /// Counts a connection from the moment it is accepted until it is closed; false: its address has too many. Makes room where there is
    /// none.
    func add(_ channel: any NIOCore.Channel) -> Bool {
        let address = channel.remoteAddress?.ipAddress.flatMap { IPAddress(Array($0.utf8)) }
        let counted = address.flatMap { limits.spares($0) ? nil : $0.network }
        let id = ObjectIdentifier(channel)
        let (isTaken, idle) = state.withLock { state -> (Bool, (any NIOCore.Channel)?) in
            if let counted {
                let count = state.ofAddress[counted] ?? 0
                guard count < limits.address else { return (false, nil) }
                state.ofAddress[counted] = count + 1
            }
            var idle: (any NIOCore.Channel)?
            if state.places.count >= limits.total, let first = state.evictable(after: limits.fresh) {
                idle = state.places[first]?.channel
                state.leaveList(first)
            }
            state.places[id] = Place(channel: channel, address: counted)
            state.joinList(id)
            return (true, idle)
        }
        if let idle {
            idle.close(promise: nil)
            onLoss(.madeRoom)
        }
        if isTaken { channel.closeFuture.whenComplete { _ in self.remove(id) } } else { onLoss(.overAddress) }
        return isTaken
    }

    /// Whether one more may be accepted. If not, `wake` is called when one is closed; that one may be idle for long enough is to be looked for
    /// besides.
    func hasRoom(orWake wake: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard state.places.count >= limits.total, state.evictable(after: limits.fresh) == nil else {
                return true
            }
            state.wake = wake
            return false
        }
    }

    /// A request is under way on the connection.
    func began(_ channel: any NIOCore.Channel) {
        state.withLock { $0.leaveList(ObjectIdentifier(channel)) }
    }

    /// No request is under way on it any more.
    func ended(_ channel: any NIOCore.Channel) {
        state.withLock { $0.joinList(ObjectIdentifier(channel)) }
    }

    private func remove(_ id: ObjectIdentifier) {
        let (isLast, wake) = state.withLock { state in
            state.leaveList(id)
            if let address = state.places.removeValue(forKey: id)?.address {
                let left = (state.ofAddress[address] ?? 0) - 1
                state.ofAddress[address] = left > 0 ? left : nil
            }
            return (state.places.isEmpty && state.leave != nil, state.wake.take())
        }
        wake?()
        if isLast { finish() }
    }

    // MARK: The end

    /// Tells all of them to end, those that are still accepted, too; the future is fulfilled as soon as there is none.
    package func end(on loop: any EventLoop) -> EventLoopFuture<Void> {
        let now = NIODeadline.now()
        let leave = Leave(quiet: now + bounds.quiet, last: now + bounds.last)
        let promise = loop.makePromise(of: Void.self)
        let (channels, earlier) = state.withLock { state in
            let earlier =
                state.leave == nil ? nil : state.ended?.futureResult ?? loop.makeSucceededVoidFuture()
            if earlier == nil { (state.leave, state.ended) = (leave, promise) }
            return (state.places.values.map(\.channel), earlier)
        }
        if let earlier {
            promise.succeed()
            return earlier
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(leave) }
        if channels.isEmpty { finish() }
        return promise.futureResult
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

extension OpenConnections.State {
    /// Appends a connection to the list of those that are idle; nothing when it stands there, or is closed.
    fileprivate mutating func joinList(_ id: ObjectIdentifier) {
        guard var place = places[id], !place.isIdle else { return }
        (place.isIdle, place.before, place.after) = (true, last, nil)
        place.idleSince = .now()
        places[id] = place
        if let last { places[last]?.after = id } else { first = id }
        last = id
    }

    /// The connection that is closed for another one; nil: none is idle for so long.
    fileprivate func evictable(after time: TimeAmount) -> ObjectIdentifier? {
        guard let first, let place = places[first] else { return nil }
        return place.idleSince + time <= .now() ? first : nil
    }

    /// Takes a connection out of the list.
    fileprivate mutating func leaveList(_ id: ObjectIdentifier) {
        guard var place = places[id], place.isIdle else { return }
        if let before = place.before { places[before]?.after = place.after } else { first = place.after }
        if let after = place.after { places[after]?.before = place.before } else { last = place.before }
        (place.isIdle, place.before, place.after) = (false, nil, nil)
        places[id] = place
    }
}

/// Counts what a listening socket accepts, before it is set up, and closes what is too much of one address. Where every connection has a
/// request under way, no more are accepted until one ends: they wait in the socket's queue.
package final class AcceptedConnections: ChannelDuplexHandler {
    package typealias InboundIn = any NIOCore.Channel
    package typealias InboundOut = any NIOCore.Channel
    package typealias OutboundIn = Never
    package typealias OutboundOut = Never

    private let connections: OpenConnections
    private var retry: Scheduled<Void>?

    /// After so long it is looked again whether one is idle for long enough.
    private static let pause = TimeAmount.milliseconds(50)

    package init(_ connections: OpenConnections) {
        self.connections = connections
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        guard connections.add(channel) else { return channel.close(promise: nil) }
        context.fireChannelRead(data)
    }

    /// The socket is to be accepted from.
    package func read(context: ChannelHandlerContext) {
        retry?.cancel()
        retry = nil
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let again: @Sendable () -> Void = {
            let (handler, context) = bound.value
            if context.channel.isActive { handler.read(context: context) }
        }
        let hasRoom = connections.hasRoom { bound.eventLoop.execute(again) }
        if hasRoom { return context.read() }
        retry = context.eventLoop.scheduleTask(in: Self.pause, again)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        retry?.cancel()
        context.fireChannelInactive()
    }
}
