import Domain
import Native

/// One mail by SMTP (RFC 5321), with STARTTLS (RFC 3207) and authentication (RFC 4954).
struct MailSession {
    var talk: MailConversation
    let settings: Email
    /// For `EHLO`.
    let ourName: String
    private var extensions: [String] = []

    init(talk: MailConversation, settings: Email, ourName: String) {
        self.talk = talk
        self.settings = settings
        self.ourName = ourName
    }

    /// From the greeting to the point where mail may be handed over: inside TLS and authenticated.
    ///
    /// `protect` begins TLS; `verify` throws unless the server is the one that was meant, and is called when TLS stands.
    mutating func begin(protect: () async throws -> Void, verify: () async throws -> Void) async throws {
        try Self.accept(try await talk.reply(), to: "the connection")
        try await hello()
        if settings.security == .starttls {
            guard extensions.contains("STARTTLS") else {
                throw SendFailure(.tls, "The mail server does not offer STARTTLS.")
            }
            try Self.accept(try await talk.exchange("STARTTLS"), to: "STARTTLS", as: .tls)
            try talk.beginProtected()
            try await protect()
            // What it offered before is forgotten: it may have been somebody else who offered it.
            try await hello()
        }
        try await verify()
        if let login = settings.login { try await authenticate(login) }
    }

    /// Hands over one mail. Throws when no receiver is accepted.
    mutating func deliver(_ message: [UInt8]) async throws -> MailResult {
        try Self.accept(try await talk.exchange("MAIL FROM:<\(settings.from.string)>"), to: "the sender")
        var refusals: [MailReply] = []
        for receiver in settings.to {
            let reply = try await talk.exchange("RCPT TO:<\(receiver.string)>")
            if !reply.isPositive { refusals.append(reply) }
        }
        if refusals.count == settings.to.count, let refusal = refusals.first {
            try Self.accept(refusal, to: "every receiver")
        }
        let go = try await talk.exchange("DATA")
        guard go.code == 354 else { throw Self.failure(go, "the mail", .status) }
        try await talk.write(Self.dotted(message) + [UInt8(ascii: "."), 0x0D, 0x0A])
        let reply = try await talk.reply()
        try Self.accept(reply, to: "the mail")
        guard let refusal = refusals.first else { return MailResult(code: reply.code, text: reply.text) }
        let note =
            "Refused: \(refusals.count) of \(settings.to.count) receivers (\(refusal.code) \(refusal.text)). "
        return MailResult(
            code: reply.code,
            text: Text(note + reply.text).prefix(bytes: SendLimits.excerptBytes).string
        )
    }

    /// Says good-bye.
    mutating func end() async throws {
        try await talk.write(Array("QUIT\r\n".utf8))
    }

    private mutating func hello() async throws {
        let reply = try await talk.exchange("EHLO \(ourName)")
        try Self.accept(reply, to: "EHLO")
        extensions = reply.lines.dropFirst().map { $0.uppercased() }
    }

    private mutating func authenticate(_ login: Email.Login) async throws {
        let methods = extensions.flatMap { line -> [Substring] in
            let words = line.split { $0 == " " || $0 == "=" }
            return words.first == "AUTH" ? Array(words.dropFirst()) : []
        }
        if methods.contains("PLAIN") {
            let token = Base64.text([0] + login.name.bytes + [0] + login.password.bytes)
            return try Self.accept(try await talk.exchange("AUTH PLAIN \(token)"), to: "the login")
        }
        guard methods.contains("LOGIN") else {
            throw SendFailure(.refused, "The mail server offers neither AUTH PLAIN nor AUTH LOGIN.")
        }
        for line in ["AUTH LOGIN", Base64.text(login.name.bytes)] {
            let reply = try await talk.exchange(line)
            guard reply.code == 334 else { throw Self.failure(reply, "the login", .status) }
        }
        try Self.accept(try await talk.exchange(Base64.text(login.password.bytes)), to: "the login")
    }

    private static func accept(
        _ reply: MailReply,
        to what: String,
        as failure: SendResult.Failure = .status
    ) throws {
        if !reply.isPositive { throw Self.failure(reply, what, failure) }
    }

    private static func failure(
        _ reply: MailReply,
        _ what: String,
        _ failure: SendResult.Failure
    ) -> SendFailure {
        SendFailure(
            failure,
            "The mail server answered \(reply.code) to \(what).",
            code: reply.code,
            response: reply.text
        )
    }

    /// Lines that begin with a dot get another one (RFC 5321, 4.5.2). Ends with CR LF.
    private static func dotted(_ message: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(message.count + 64)
        var isLineStart = true
        for byte in message {
            if isLineStart, byte == UInt8(ascii: ".") { result.append(byte) }
            result.append(byte)
            isLineStart = byte == 0x0A
        }
        if !isLineStart { result += [0x0D, 0x0A] }
        return result
    }
}
