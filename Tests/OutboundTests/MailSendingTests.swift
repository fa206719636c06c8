import Domain
import Foundation
import Outbound
import Testing

@Suite("Sending by mail", .timeLimit(.minutes(1)))
struct MailSendingTests {
    private static let names = resolver([
        "mail.example.test": ["127.0.0.1"], "wrong.example.test": ["127.0.0.1"],
    ])
    private static let login = Email.Login(name: "user", password: "pass-word")

    private func settings(
        _ server: MailServer,
        host: Text = "mail.example.test",
        security: Email.Security = .starttls,
        login: Email.Login? = nil,
        to: [Text] = ["ops@example.com"]
    ) -> any NotifierSettings {
        Email(
            host: host,
            port: server.port,
            security: security,
            login: login,
            from: "tocsin@acme.example",
            to: to
        )
    }

    private func send(
        _ settings: any NotifierSettings,
        _ message: OutboundMessage = message(),
        template: MessageTemplate = english,
        limits: SendLimits = SendLimits(mail: .seconds(30))
    ) async throws -> SendResult {
        try await withSender(resolver: Self.names, limits: limits) { sender in
            await sender.send(message, to: settings, template: template, at: newYear)
        }
    }

    @Test("a mail goes out inside TLS, after STARTTLS and a login")
    func starttls() async throws {
        try await MailServer.with { server in
            let result = try await send(
                settings(server, login: Self.login, to: ["ops@example.com", "boss@example.com"])
            )
            #expect(result.failure == nil, "\(result.detail)")
            #expect(result.statusCode == 250)
            #expect(result.response == "2.0.0 taken")
            let token = Data("\0user\0pass-word".utf8).base64EncodedString()
            try await eventually { server.commands.last == "+QUIT" }
            #expect(
                server.commands == [
                    "EHLO [127.0.0.1]", "STARTTLS", "+EHLO [127.0.0.1]", "+AUTH PLAIN \(token)",
                    "+MAIL FROM:<tocsin@acme.example>", "+RCPT TO:<ops@example.com>",
                    "+RCPT TO:<boss@example.com>", "+DATA", "+QUIT",
                ]
            )
            #expect(server.mails.count == 1)
        }
    }

    @Test("TLS from the first byte, and AUTH LOGIN where there is no PLAIN; replies may come byte by byte")
    func implicitTLS() async throws {
        let script = MailServer.Script(inside: ["AUTH LOGIN CRAM-MD5"], isTLS: true, drips: true)
        try await MailServer.with(script) { server in
            let result = try await send(settings(server, security: .tls, login: Self.login))
            #expect(result.failure == nil, "\(result.detail)")
            #expect(
                server.commands.starts(with: [
                    "+EHLO [127.0.0.1]", "+AUTH LOGIN", "+dXNlcg==", "+cGFzcy13b3Jk",
                ])
            )
        }
    }

    @Test("the message is one that mail programs understand")
    func wellFormed() async throws {
        try await MailServer.with { server in
            let sample = news(
                title: Text("CPU hoch auf wéb-1 " + "很长的标题".repeated(10)),
                description: Text(".\n..two\nlong " + "x".repeated(200))
            )
            _ = try await send(settings(server), message(sample))
            let mail = try #require(server.mails.first)
            let (head, body) = try parts(mail)
            #expect(head["From"] == "<tocsin@acme.example>")
            #expect(head["To"] == "<ops@example.com>")
            #expect(head["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000")
            #expect(head["Message-ID"] == "<\(message().id)@acme.example>")
            #expect(head["References"] == "<\(sample.alertID)@acme.example>")
            #expect(head["Auto-Submitted"] == "auto-generated")
            #expect(try decodedSubject(head["Subject"]) == "[Critical] \(sample.title.string)")
            #expect(mail.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 78 })
            #expect(mail.utf8.allSatisfy { $0 < 0x80 })
            #expect(!mail.replacing("\r\n", with: "").contains { $0 == "\n" || $0 == "\r" })
            #expect(head["Content-Transfer-Encoding"] == "quoted-printable")
            let text = try unquoted(body)
            #expect(text.contains("\r\n.\r\n..two\r\nlong " + "x".repeated(200)))
            #expect(text.contains("Severity: Critical\r\n"))
        }
    }

    @Test("a text in Chinese is base64")
    func base64() async throws {
        try await MailServer.with { server in
            _ = try await send(
                settings(server),
                message(news(description: Text("磁盘已满。".repeated(100)))),
                template: chinese
            )
            let mail = try #require(server.mails.first)
            let (head, body) = try parts(mail)
            #expect(head["Content-Transfer-Encoding"] == "base64")
            let data = try #require(Data(base64Encoded: body.replacing("\r\n", with: "")))
            #expect(String(decoding: data, as: UTF8.self).contains("磁盘已满。".repeated(100)))
        }
    }

    @Test("no header comes from a title")
    func headerInjection() async throws {
        try await MailServer.with { server in
            let sample = news(
                title: "x\r\nBcc: evil@example.com\r\n\r\nbody",
                description: "\r\n.\r\nMAIL FROM:<evil@example.com>"
            )
            _ = try await send(settings(server), message(sample))
            let mail = try #require(server.mails.first)
            let (head, _) = try parts(mail)
            #expect(head["Bcc"] == nil)
            #expect(head["Subject"] == "[Critical] x  Bcc: evil@example.com    body")
            #expect(!server.commands.contains { $0.contains("evil") })
        }
    }

    @Test("the identity of a mail is the same at each attempt")
    func identity() async throws {
        try await MailServer.with { server in
            for _ in 0..<2 { _ = try await send(settings(server)) }
            #expect(server.mails.count == 2)
            let ids = try server.mails.map { try parts($0).0["Message-ID"] }
            #expect(Set(ids).count == 1)
        }
    }

    /// What a server says to which command, and what that is.
    static let answers: [(String, String?, SendResult.Failure?, Int?)] = [
        ("MAIL", "550 5.7.1 not you", .status, 550), ("RCPT", "550 5.1.1 no such user", .status, 550),
        ("RCPT", "451 4.7.1 greylisted", .status, 451), ("DATA", "452 4.3.1 full", .status, 452),
        ("DATA", "250 what", .status, 250),
        (".", "554 5.6.0 spam", .status, 554), (".", "421 4.3.0 later", .status, 421),
        ("AUTH", "535 5.7.8 wrong password", .status, 535),
        ("STARTTLS", "454 4.7.0 not now", .tls, 454), ("EHLO", "502 what", .status, 502),
        ("EHLO", "hello!", .broken, nil),
        ("EHLO", "999 x", .broken, nil), ("RCPT", nil, .timeout, nil), (".", nil, .timeout, nil),
        ("EHLO", nil, .timeout, nil),
        ("EHLO", "250-" + "x".repeated(70_000), .broken, nil),
        ("EHLO", ("250-" + "x".repeated(500) + "\r\n").repeated(200), .broken, nil),
    ]

    @Test("a refusal has its code; what is no answer has none", arguments: answers.indices)
    func refusals(row: Int) async throws {
        let (command, reply, failure, code) = Self.answers[row]
        try await MailServer.with(.init(replies: [command: reply])) { server in
            let limits = SendLimits(mail: reply == nil ? .milliseconds(900) : .seconds(30))
            let result = try await send(settings(server, login: Self.login), limits: limits)
            #expect(result.failure == failure, "\(command) \(reply ?? ""): \(result.detail)")
            #expect(result.statusCode == code)
            #expect(result.latency < .seconds(25))
            #expect(!result.detail.contains("pass"))
            if command != "." { #expect(server.mails.isEmpty) }
        }
    }

    @Test("a receiver that is refused does not keep the mail from the others, and is reported")
    func someRefused() async throws {
        try await MailServer.with(.init(replies: ["RCPT TO:<gone@": "550 5.1.1 no such user"])) { server in
            let result = try await send(settings(server, to: ["gone@example.com", "ops@example.com"]))
            #expect(result.failure == nil)
            #expect(result.response == "Refused: 1 of 2 receivers (550 5.1.1 no such user). 2.0.0 taken")
            #expect(server.mails.count == 1)
        }
    }

    @Test("without STARTTLS nothing is sent, and no password")
    func noStarttls() async throws {
        try await MailServer.with(.init(before: ["AUTH PLAIN LOGIN"])) { server in
            let result = try await send(settings(server, login: Self.login))
            #expect(result.failure == .tls)
            #expect(server.commands == ["EHLO [127.0.0.1]"])
        }
    }

    @Test(
        "what is slipped in before TLS does not count after it",
        arguments: [
            "250-mail\r\n250 AUTH PLAIN\r\n", "2",
            "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",
        ]
    )
    func injection(text: String) async throws {
        try await MailServer.with(.init(injection: text)) { server in
            let result = try await send(
                settings(server, login: Self.login),
                limits: SendLimits(mail: .seconds(30))
            )
            #expect(result.failure == .tls)
            #expect(server.mails.isEmpty)
            #expect(!server.commands.contains { $0.contains("AUTH") })
        }
    }

    @Test(
        "the certificate is checked for the server's name",
        arguments: [Email.Security.starttls, .tls]
    )
    func certificate(security: Email.Security) async throws {
        try await MailServer.with(.init(isTLS: security == .tls)) { server in
            let wrong = try await send(
                settings(server, host: "wrong.example.test", security: security, login: Self.login)
            )
            #expect(wrong.failure == .tls)
            #expect(wrong.detail.contains("the certificate was not accepted"), "\(wrong.detail)")
            #expect(!server.commands.contains { $0.contains("AUTH") })
            let right = try await send(settings(server, host: "127.0.0.1", security: security))
            #expect(right.failure == nil)
        }
    }

    @Test(
        "a mail that has a login does not go out without one",
        arguments: [
            "AUTH=PLAIN LOGIN", "auth plain login", "AUTH CRAM-MD5 XOAUTH2", "AUTHX PLAIN", "8BITMIME",
        ]
    )
    func noLogin(offer: String) async throws {
        try await MailServer.with(.init(inside: [offer])) { server in
            let result = try await send(settings(server, login: Self.login))
            #expect(result.failure == .refused)
            #expect(result.detail.contains("neither AUTH PLAIN nor AUTH LOGIN"))
            #expect(!server.commands.contains { $0.contains("MAIL") })
        }
    }

    @Test("a server that repeats the password is not quoted")
    func passwordEcho() async throws {
        let token = Data("\0user\0pass-word".utf8).base64EncodedString()
        try await MailServer.with(.init(replies: ["AUTH": "535 no: \(token) pass-word"])) { server in
            let result = try await send(settings(server, login: Self.login))
            #expect(result.response == "no: *** ***")
        }
    }

    @Test(
        "a server that never answers QUIT, and one that falls silent, hold up no other mail",
        arguments: ["EHLO", "DATA", "."]
    )
    func silentServers(command: String) async throws {
        try await MailServer.with(.init(replies: [command: String?.none])) { silent in
            try await MailServer.with(.init(replies: ["QUIT": String?.none])) { server in
                try await withSender(resolver: Self.names) { sender in
                    let stalled = Task {
                        await sender.send(message(), to: settings(silent), template: english, at: newYear)
                    }
                    try await eventually {
                        silent.commands.last?.contains(command == "." ? "DATA" : command) == true
                    }
                    let start = ContinuousClock.now
                    for _ in 0..<5 {
                        let result = await sender.send(
                            message(),
                            to: settings(server),
                            template: english,
                            at: newYear
                        )
                        #expect(result.failure == nil, "\(result.detail)")
                    }
                    #expect(start.duration(to: .now) < .seconds(20))
                    stalled.cancel()
                    let ended = await stalled.value
                    // Nothing that looks like the end of a mail was sent for it.
                    #expect(silent.mails.count == (command == "." ? 1 : 0))
                    #expect(ended.failure == .broken, "\(ended.detail)")
                }
            }
        }
    }

    @Test("a mail server is held to the addresses that may be reached")
    func policyHolds() async throws {
        try await MailServer.with { server in
            for host in ["127.0.0.1", "mail.example.test"] as [Text] {
                let result = try await withSender(policy: policy("10.0.0.0/8"), resolver: Self.names) {
                    sender in
                    await sender.send(
                        message(),
                        to: settings(server, host: host),
                        template: english,
                        at: newYear
                    )
                }
                #expect(result.failure == .forbidden)
            }
            #expect(server.connections == 0)
        }
    }

    @Test("where no mail server is, no connection is made")
    func nobody() async throws {
        let gone = try await MailServer.with { $0 }
        #expect(try await send(settings(gone)).failure == .connect)
    }

    // MARK: Reading mails

    private func parts(_ mail: String) throws -> ([String: String], String) {
        let end = try #require(mail.firstRange(of: "\r\n\r\n"))
        let lines = mail[..<end.lowerBound].replacing("\r\n ", with: " ").split(separator: "\r\n")
        let pairs = try lines.map { line in
            let colon = try #require(line.firstIndex(of: ":"))
            return (String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
        }
        return (Dictionary(pairs, uniquingKeysWith: { $0 + $1 }), String(mail[end.upperBound...]))
    }

    private func decodedSubject(_ subject: String?) throws -> String {
        let words = try #require(subject).split(separator: " ")
        #expect(words.allSatisfy { $0.utf8.count <= 75 })
        let texts = try words.map { word in
            let code = String(word.dropFirst("=?utf-8?B?".count).dropLast(2))
            let data = try #require(Data(base64Encoded: code))
            return String(decoding: data, as: UTF8.self)
        }
        return texts.joined()
    }

    /// Quoted-printable without the doubled dots.
    private func unquoted(_ body: String) throws -> String {
        var bytes: [UInt8] = []
        let joined = body.replacing("\r\n..", with: "\r\n.").replacing("=\r\n", with: "")
        var rest = Array(joined.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "=") {
                bytes.append(try #require(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)))
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    /// It, so many times.
    func repeated(_ count: Int) -> String { String(repeating: self, count: count) }
}
