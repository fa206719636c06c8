import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Native
import Testing

/// A request as a receiver got it.
struct ReceivedRequest: Sendable {
    /// `POST /hook HTTP/1.1`.
    let line: String
    /// By names in lower case.
    let headers: [String: String]
    let body: [UInt8]
    /// 0 for the first connection.
    let connection: Int

    var text: String { String(decoding: body, as: UTF8.self) }
}

/// What a receiver does next.
enum Step: Sendable {
    case send(String)
    case wait(Duration)
    /// Sends one block again and again, until the other side is gone.
    case sendForEver(every: Duration, String)
    case close

    /// A whole answer.
    static func answer(_ status: Int, _ body: String = "", headers: [String] = []) -> [Step] {
        let head = ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)"] + headers
        return [.send(head.joined(separator: "\r\n") + "\r\n\r\n" + body)]
    }
}

/// A server on this machine that takes the same steps for each request, byte by byte.
final class Receiver: Sendable {
    let port: Int
    private let server: LocalServer
    private let log: NIOLockedValueBox<[ReceivedRequest]>

    private init(port: Int, server: LocalServer, log: NIOLockedValueBox<[ReceivedRequest]>) {
        self.port = port
        self.server = server
        self.log = log
    }

    var requests: [ReceivedRequest] { log.withLockedValue { $0 } }
    /// Connections accepted so far.
    var connections: Int { server.connections }

    /// Listens while `body` runs. With `resets` a connection is closed although what it sent was not read: the other side gets a reset.
    static func with<Result: Sendable>(
        host: String = "127.0.0.1",
        tls: TLSContext? = nil,
        resets: Bool = false,
        _ steps: [Step] = Step.answer(200),
        _ body: (Receiver) async throws -> Result
    ) async throws -> Result {
        let log = NIOLockedValueBox([ReceivedRequest]())
        let (server, port, stop) = try await LocalServer.start(host: host, tls: tls, autoRead: !resets) {
            connection,
            number in
            try await serve(connection, number, resets: resets, steps, log)
        }
        do {
            let result = try await body(Receiver(port: port, server: server, log: log))
            await stop()
            return result
        } catch {
            await stop()
            throw error
        }
    }

    private static func serve(
        _ connection: LocalServer.Connection,
        _ number: Int,
        resets: Bool,
        _ steps: [Step],
        _ log: NIOLockedValueBox<[ReceivedRequest]>
    ) async throws {
        try await connection.executeThenClose { inbound, outbound in
            if resets { return try await Task.sleep(for: .milliseconds(100)) }
            var buffer: [UInt8] = []
            for try await part in inbound {
                buffer += part.readableBytesView
                while let request = take(&buffer, connection: number) {
                    log.withLockedValue { $0.append(request) }
                    for step in steps {
                        guard try await perform(step, outbound) else { return }
                    }
                }
            }
        }
    }

    /// Answers whether the connection goes on.
    private static func perform(
        _ step: Step,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async throws -> Bool {
        switch step {
        case .send(let text): try await outbound.write(ByteBuffer(string: text))
        case .wait(let duration): try await Task.sleep(for: duration)
        case .sendForEver(let pause, let text):
            while !Task.isCancelled {
                try await outbound.write(ByteBuffer(string: text))
                if pause > .zero { try await Task.sleep(for: pause) }
            }
        case .close: return false
        }
        return true
    }

    /// The first whole request of what arrived.
    private static func take(_ buffer: inout [UInt8], connection: Int) -> ReceivedRequest? {
        guard let end = buffer.indices.first(where: { buffer[$0...].starts(with: Array("\r\n\r\n".utf8)) })
        else { return nil }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n").map(String.init)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(
                line[line.index(after: colon)...].drop { $0 == " " }
            )
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard buffer.count >= end + 4 + length else { return nil }
        let body = Array(buffer[(end + 4)..<(end + 4 + length)])
        buffer = Array(buffer[(end + 4 + length)...])
        return ReceivedRequest(line: lines.first ?? "", headers: headers, body: body, connection: connection)
    }
}
