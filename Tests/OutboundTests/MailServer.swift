import NIOConcurrencyHelpers
import NIOCore
import Native
import TLS

/// A mail server on 127.0.0.1 that follows a script.
final class MailServer: Sendable {
    /// How it behaves; by default it offers and takes everything.
    struct Script: Sendable {
        var greeting = "220 mail.example.test ready"
        var before = ["STARTTLS", "8BITMIME"]
        var inside = ["AUTH PLAIN LOGIN", "8BITMIME"]
        /// Replies that are not the usual ones, by the beginning of the command; nil: none at all.
        var replies: [String: String?] = [:]
        /// What is sent together with the reply to STARTTLS.
        var injection = ""
        var isTLS = false
        /// Whether replies come byte by byte.
        var drips = false
    }

    private struct Log {
        var commands: [String] = []
        var mails: [String] = []
    }

    private let script: Script
    private let log = NIOLockedValueBox(Log())
    private let place = NIOLockedValueBox<(server: LocalServer, port: Int)?>(nil)

    private init(script: Script) {
        self.script = script
    }

    var port: Int { place.withLockedValue { $0?.port ?? 0 } }
    var connections: Int { place.withLockedValue { $0?.server.connections ?? 0 } }
    /// With `+` before those that came by TLS.
    var commands: [String] { log.withLockedValue { $0.commands } }
    /// Messages between DATA and the dot, as sent.
    var mails: [String] { log.withLockedValue { $0.mails } }

    /// Listens while `body` runs.
    static func with<Result: Sendable>(
        _ script: Script = Script(),
        _ body: (MailServer) async throws -> Result
    ) async throws -> Result {
        let context = try Certificates.serverContext()
        let mail = MailServer(script: script)
        let (server, port, stop) = try await LocalServer.start(
            host: "127.0.0.1",
            tls: script.isTLS ? context : nil
        ) {
            connection,
            _ in
            try await mail.serve(connection, context)
        }
        mail.place.withLockedValue { $0 = (server, port) }
        do {
            let result = try await body(mail)
            await stop()
            return result
        } catch {
            await stop()
            throw error
        }
    }

    private func serve(_ connection: LocalServer.Connection, _ context: TLSContext) async throws {
        try await connection.executeThenClose { inbound, outbound in
            var isProtected = script.isTLS
            var buffer = ""
            var isData = false
            try await say(script.greeting, outbound)
            for try await part in inbound {
                buffer += String(buffer: part)
                while let end = buffer.range(of: isData ? "\r\n.\r\n" : "\r\n") {
                    let text = String(buffer[..<end.lowerBound])
                    buffer = String(buffer[end.upperBound...])
                    if isData {
                        isData = false
                        log.withLockedValue { $0.mails.append(text + "\r\n") }
                        try await say(reply(to: ".", usual: "250 2.0.0 taken"), outbound)
                        continue
                    }
                    log.withLockedValue { $0.commands.append((isProtected ? "+" : "") + text) }
                    let answer = reply(to: text, usual: usual(text, isProtected))
                    isData = text == "DATA" && answer?.hasPrefix("354") == true
                    if text == "STARTTLS", answer?.hasPrefix("220") == true {
                        let (channel, yes) = (connection.channel, (answer ?? "") + "\r\n" + script.injection)
                        // Together, so that TLS is there before anything of it comes.
                        try await channel.eventLoop.submit {
                            channel.writeAndFlush(ByteBuffer(string: yes), promise: nil)
                            let handler = TLSHandler(context)
                            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
                        }.get()
                        isProtected = true
                        continue
                    }
                    try await say(answer, outbound)
                    if text == "QUIT" { return }
                }
            }
        }
    }

    private func say(_ text: String?, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) async throws {
        guard let text else { return }
        guard script.drips else { return try await outbound.write(ByteBuffer(string: text + "\r\n")) }
        for byte in (text + "\r\n").utf8 {
            try await outbound.write(ByteBuffer(bytes: [byte]))
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    private func reply(to command: String, usual: String) -> String? {
        for (start, reply) in script.replies where command.hasPrefix(start) { return reply }
        return usual
    }

    private func usual(_ command: String, _ isProtected: Bool) -> String {
        let word = command.prefix { $0 != " " && $0 != ":" }
        switch word {
        case "EHLO":
            let lines = ["mail.example.test"] + (isProtected ? script.inside : script.before)
            return lines.enumerated().map { "250" + ($0.offset == lines.count - 1 ? " " : "-") + $0.element }
                .joined(separator: "\r\n")
        case "STARTTLS": return "220 go"
        case "AUTH": return command == "AUTH LOGIN" ? "334 VXNlcm5hbWU6" : "235 ok"
        case "DATA": return "354 go on"
        case "MAIL", "RCPT": return "250 ok"
        case "QUIT": return "221 bye"
        default: return command == "dXNlcg==" ? "334 UGFzc3dvcmQ6" : "235 ok"
        }
    }
}

extension String {
    /// Where `part` is first found.
    fileprivate func range(of part: String) -> Range<String.Index>? { firstRange(of: part) }
}
