import NIOCore
import NIOEmbedded
import Native
import Synchronization
import TLS
import TestSupport
import Testing

/// A server's channel with the handler under test, a client's session on the other side, and what came out.
private final class Line {
    let channel = EmbeddedChannel()
    let client: TLSSession
    private let failures: Failures
    var atClient: [UInt8] = []

    init(halfClosure: Bool = true, authorities: PEMText? = nil) throws {
        let made = try TestCertificates.get()
        let failures = Failures()
        self.failures = failures
        client = try TLSSession(.client(authorities: made.authority))
        let server = try TLSContext.server(
            certificate: made.server.certificate,
            key: made.server.key,
            clientAuthorities: authorities
        )
        channel.allowRemoteHalfClosure = halfClosure
        let handler = TLSHandler(server, onFailure: { failures.note($0) })
        try channel.pipeline.syncOperations.addHandlers([handler, Recorder()])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    var reasons: [TLSFailure.Reason] { failures.all }

    func establish() throws {
        try client.start()
        try carry()
        try carry()
    }

    /// What the client has to say to the server, and back.
    func carry() throws {
        let bytes = client.takeCiphertext()
        if !bytes.isEmpty { try channel.writeInbound(ByteBuffer(bytes: bytes)) }
        try takeOutbound()
    }

    func takeOutbound() throws {
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) {
            try client.receive(Array(buffer: bytes), plaintext: &atClient)
        }
    }

    var received: [UInt8] {
        get throws {
            var all: [UInt8] = []
            while let bytes = try channel.readInbound(as: ByteBuffer.self) { all += Array(buffer: bytes) }
            return all
        }
    }

    var recorder: Recorder {
        get throws { try channel.pipeline.syncOperations.handler(type: Recorder.self) }
    }
}

private final class Failures: Sendable {
    private let noted = Mutex<[TLSFailure.Reason]>([])
    var all: [TLSFailure.Reason] { noted.withLock { $0 } }
    func note(_ failure: TLSFailure) { noted.withLock { $0.append(failure.reason) } }
}

/// Notes events and errors.
private final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var events: [String] = []
    var errors: [TLSFailure.Reason] = []

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case ChannelEvent.inputClosed: events.append("input closed")
        case is TLSEstablished: events.append("established")
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = error as? TLSFailure { errors.append(failure.reason) }
    }
}

@Suite("TLS on a connection", .timeLimit(.minutes(1)))
struct HandlerTests {
    @Test(
        "what is written before the end of the handshake waits for it; promises are kept when it is on the wire"
    )
    func writesWait() throws {
        let line = try Line()
        let early = line.channel.eventLoop.makePromise(of: Void.self)
        line.channel.writeAndFlush(ByteBuffer(string: "early"), promise: early)
        #expect(try line.channel.readOutbound(as: ByteBuffer.self) == nil)
        try line.establish()
        try early.futureResult.wait()
        #expect(line.atClient == Array("early".utf8))
        #expect(try line.recorder.events == ["established"])
        try line.client.send(Array("hello".utf8))
        try line.carry()
        #expect(try line.received == Array("hello".utf8))
    }

    @Test("small writes become one record, large ones several; nothing is lost")
    func records() throws {
        let line = try Line()
        try line.establish()
        let promises = (0..<3).map { _ in line.channel.eventLoop.makePromise(of: Void.self) }
        for promise in promises { line.channel.write(ByteBuffer(string: "abc"), promise: promise) }
        line.channel.flush()
        let record = try #require(try line.channel.readOutbound(as: ByteBuffer.self))
        #expect(try line.channel.readOutbound(as: ByteBuffer.self) == nil)
        #expect(record.readableBytes < 60)
        for promise in promises { try promise.futureResult.wait() }
        try line.client.receive(Array(buffer: record), plaintext: &line.atClient)
        let large = [UInt8](repeating: 9, count: 100_001)
        let written = line.channel.writeAndFlush(ByteBuffer(bytes: large))
        try line.takeOutbound()
        try written.wait()
        #expect(line.atClient == Array("abcabcabc".utf8) + large)
    }

    @Test("the client's end is half-closure, and it still gets its answer")
    func halfClosed() throws {
        let line = try Line()
        try line.establish()
        try line.client.send(Array("question".utf8))
        line.client.close()
        try line.carry()
        #expect(try line.received == Array("question".utf8))
        // The end of the socket says nothing new.
        line.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(try line.recorder.events == ["established", "input closed"])
        #expect(line.channel.isActive)
        try line.channel.writeAndFlush(ByteBuffer(string: "answer")).wait()
        try line.channel.close().wait()
        try line.takeOutbound()
        #expect(line.atClient == Array("answer".utf8))
        #expect(line.client.isInputClosed)
        #expect(try line.recorder.errors.isEmpty)
    }

    @Test("without half-closure the client's end closes the connection, after our own end")
    func closed() throws {
        let line = try Line(halfClosure: false)
        try line.establish()
        line.client.close()
        try line.carry()
        #expect(!line.channel.isActive)
        #expect(line.client.isInputClosed)
    }

    @Test("an end without close_notify is an error", arguments: [true, false])
    func truncated(byEvent: Bool) throws {
        let line = try Line()
        try line.establish()
        let recorder = try line.recorder
        if byEvent {
            line.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            #expect(!line.channel.isActive)
        } else {
            line.channel.pipeline.fireChannelInactive()
        }
        #expect(recorder.errors == [.truncated])
        #expect(!recorder.events.contains("input closed"))
        #expect(line.reasons.isEmpty, "the handshake was good")
    }

    @Test("a handshake has ten seconds")
    func deadline() throws {
        let line = try Line()
        line.channel.embeddedEventLoop.advanceTime(by: .milliseconds(9_900))
        #expect(line.channel.isActive)
        line.channel.embeddedEventLoop.advanceTime(by: .milliseconds(200))
        #expect(!line.channel.isActive)
        #expect(line.reasons == [.timeout])
        let other = try Line()
        try other.establish()
        other.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(other.channel.isActive)
    }

    @Test("plain HTTP closes the connection, and is counted")
    func wrongProtocol() throws {
        let line = try Line()
        try line.channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"))
        #expect(!line.channel.isActive)
        #expect(line.reasons == [.notTLS])
        #expect(try line.received.isEmpty)
    }

    @Test("a handshake that fails sends its alert before the end")
    func alert() throws {
        let line = try Line(authorities: TestCertificates.get().authority)
        try line.client.start()
        let failure = #expect(throws: TLSFailure.self) {
            for _ in 0..<4 { try line.carry() }
        }
        #expect(failure?.reason == .alert)
        #expect(line.reasons == [.certificate])
        #expect(!line.channel.isActive)
    }

    @Test("what is good is delivered before a broken record ends the connection")
    func broken() throws {
        let line = try Line()
        try line.establish()
        try line.client.send(Array("good".utf8))
        var bytes = line.client.takeCiphertext()
        try line.client.send(Array("bad".utf8))
        bytes += line.client.takeCiphertext()
        bytes[bytes.count - 1] ^= 1
        try line.channel.writeInbound(ByteBuffer(bytes: bytes))
        #expect(try line.received == Array("good".utf8))
        #expect(!line.channel.isActive)
    }

    @Test("after the end nothing is kept, and who still writes hears of it")
    func afterEnd() throws {
        let line = try Line()
        try line.establish()
        let unflushed = line.channel.write(ByteBuffer(string: "never flushed"))
        line.channel.pipeline.fireChannelInactive()
        #expect(throws: ChannelError.self) { try unflushed.wait() }
        #expect(throws: ChannelError.self) {
            try line.channel.writeAndFlush(ByteBuffer(string: "late")).wait()
        }
    }
}
