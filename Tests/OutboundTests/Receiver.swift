import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
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

/// A server on 127.0.0.1 that does what a script says for each request, byte by byte.
final class Receiver: Sendable {
    typealias Script = @Sendable (_ index: Int, _ request: ReceivedRequest) -> [Step]
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let port: Int
    private let script: Script
    private let state = NIOLockedValueBox((requests: [ReceivedRequest](), connections: 0))

    private init(port: Int, script: @escaping Script) {
        self.port = port
        self.script = script
    }

    var requests: [ReceivedRequest] { state.withLockedValue { $0.requests } }
    /// Connections accepted so far.
    var connections: Int { state.withLockedValue { $0.connections } }

    /// Listens while `body` runs.
    ///
    /// - Parameter resets: a connection is closed although what it sent was not read: the other side gets a reset.
    static func with<Result: Sendable>(
        host: String = "127.0.0.1",
        tls: NIOSSLContext? = nil,
        resets: Bool = false,
        _ script: @escaping Script = { _, _ in Step.answer(200) },
        _ body: (Receiver) async throws -> Result
    ) async throws -> Result {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: !resets)
            .bind(host: host, port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
        let receiver = Receiver(port: try #require(server.channel.localAddress?.port), script: script)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await receiver.serve(server, resets: resets) }
            let result: Result
            do {
                result = try await body(receiver)
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
            return result
        }
    }

    private func serve(_ server: NIOAsyncChannel<Connection, Never>, resets: Bool) async throws {
        try? await server.executeThenClose { connections in
            await withDiscardingTaskGroup { group in
                do {
                    for try await connection in connections {
                        let number = state.withLockedValue { state in
                            state.connections += 1
                            return state.connections - 1
                        }
                        group.addTask { try? await self.serve(connection, number, resets: resets) }
                    }
                } catch {}
                group.cancelAll()
            }
        }
    }

    private func serve(_ connection: Connection, _ number: Int, resets: Bool) async throws {
        try await connection.executeThenClose { inbound, outbound in
            if resets { return try await Task.sleep(for: .milliseconds(100)) }
            var buffer: [UInt8] = []
            for try await part in inbound {
                buffer += part.readableBytesView
                while let request = Self.take(&buffer, connection: number) {
                    let index = state.withLockedValue { state in
                        state.requests.append(request)
                        return state.requests.count - 1
                    }
                    for step in script(index, request) {
                        guard try await perform(step, outbound) else { return }
                    }
                }
            }
        }
    }

    /// Answers whether the connection goes on.
    private func perform(
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
        guard let end = buffer.indices.first(where: { buffer[$0...].starts(with: Array("\r\n\r\n".utf8)) }) else { return nil }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n").map(String.init)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard buffer.count >= end + 4 + length else { return nil }
        let body = Array(buffer[(end + 4)..<(end + 4 + length)])
        buffer = Array(buffer[(end + 4 + length)...])
        return ReceivedRequest(line: lines.first ?? "", headers: headers, body: body, connection: connection)
    }
}
