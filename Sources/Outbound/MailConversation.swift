import Domain
import NIOCore
import Native

/// A reply of a mail server (RFC 5321, 4.2).
struct MailReply: Sendable {
    let code: Int
    /// The texts of its lines.
    let lines: [String]

    var isPositive: Bool { (200..<300).contains(code) }
    /// On one line, for people.
    var text: String { Excerpt.text(of: Array(lines.joined(separator: " ").utf8)) }
}

/// Bytes from a mail server, and whether they came by TLS.
struct MailBytes: Sendable {
    let buffer: ByteBuffer
    let isProtected: Bool
}

/// That the bytes to come are protected.
struct MailUpgrade: Sendable {}

/// Marks bytes by whether they came before or after TLS began, in the order of the pipeline: what somebody slipped in before can't pass
/// for a reply from inside (CVE-2011-0411).
final class MailProtection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = MailBytes

    private var isProtected: Bool

    init(isProtected: Bool) {
        self.isProtected = isProtected
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = MailBytes(buffer: unwrapInboundIn(data), isProtected: isProtected)
        context.fireChannelRead(wrapInboundOut(bytes))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is MailUpgrade { isProtected = true } else { context.fireUserInboundEventTriggered(event) }
    }
}

/// Commands and replies, one after the other.
struct MailConversation {
    /// Bytes of one reply.
    private static let replyLimit = 64 << 10

    private var inbound: NIOAsyncChannelInboundStream<MailBytes>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer: [UInt8] = []
    private var isProtected: Bool

    init(
        inbound: NIOAsyncChannelInboundStream<MailBytes>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        isProtected: Bool
    ) {
        self.inbound = inbound
        self.outbound = outbound
        self.isProtected = isProtected
    }

    /// Sends a command and waits for its reply.
    mutating func exchange(_ command: String) async throws -> MailReply {
        try await write(Array(command.utf8) + [0x0D, 0x0A])
        return try await reply()
    }

    /// Sends bytes as they are.
    func write(_ bytes: [UInt8]) async throws {
        try await outbound.write(ByteBuffer(bytes: bytes))
    }

    /// From now on only what came by TLS counts. Throws when the server said more than it should have before.
    mutating func beginProtected() throws {
        guard buffer.isEmpty else {
            throw SendFailure(.tls, "The mail server went on talking after it had agreed to STARTTLS.")
        }
        isProtected = true
    }

    /// The next reply.
    mutating func reply() async throws -> MailReply {
        var lines: [String] = []
        var size = 0
        while true {
            let line = try await line()
            size += line.count
            guard line.count >= 3, let code = Int(String(decoding: line[..<3], as: UTF8.self)),
                (200..<600).contains(code),
                line.count == 3 || line[3] == UInt8(ascii: " ") || line[3] == UInt8(ascii: "-"),
                size <= Self.replyLimit
            else { throw SendFailure(.broken, "The mail server answered with something that is not SMTP.") }
            lines.append(UTF8Scan.repairedText(Array(line.dropFirst(4))))
            if line.count == 3 || line[3] == UInt8(ascii: " ") { return MailReply(code: code, lines: lines) }
        }
    }

    private mutating func line() async throws -> [UInt8] {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = buffer[..<end]
                buffer = Array(buffer[(end + 1)...])
                return Array(line.last == 0x0D ? line.dropLast() : line)
            }
            guard buffer.count <= Self.replyLimit else {
                throw SendFailure(.broken, "The mail server answered with something that is not SMTP.")
            }
            guard let bytes = try await inbound.next() else {
                try Task.checkCancellation()
                throw SendFailure(.broken, "The mail server closed the connection.")
            }
            guard bytes.isProtected == isProtected else {
                throw SendFailure(.tls, "The mail server went on talking after it had agreed to STARTTLS.")
            }
            buffer += bytes.buffer.readableBytesView
        }
    }
}
