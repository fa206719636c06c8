import Domain
import Native
import Outbound
import Testing

@Suite("Kinds of receivers")
struct KindsTests {
    @Test("each kind has a name of its own")
    func names() {
        let names = NotifierKinds.all.map { $0.kind.name }
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.utf8.allSatisfy { (0x61...0x7A).contains($0) } })
    }

    // MARK: Stored forms

    private static func url() throws -> EndpointURL {
        try EndpointURL(#"http://[2001:db8::1]:8080/a%20b?c="d""#)
    }

    private static let keys = [
        "fc28e1c3b4bc4e05f263abf9c92957de49476bba383fefd2a3a5bb50288c8c63",
        "eac54f562f1769b18673c0fbc6e16f52815b32ec987a461e740d014997015b2c",
    ]

    private static func bytes(_ text: String) throws -> [UInt8] {
        try #require(Hexadecimal.decode(Array(text.utf8)))
    }

    /// Stored settings as version 1 wrote them, and what they are. They are on the disks of others: none may
    /// change or go.
    private static let stored: [(String, @Sendable () throws -> any NotifierSettings)] = [
        (
            #"{"kind":"webhook","url":"http://[2001:db8::1]:8080/a%20b?c=\"d\"","headers":"#
                + #"[{"name":"X-Empty","value":""},{"name":"X-Q","value":"a\"b\\c/ü"}],"#
                + #""secrets":[{"key":"\#(keys[0])"},{"key":"\#(keys[1])","ends_at":1795086400000}]}"#,
            {
                Webhook(
                    url: try url(),
                    headers: [.init(name: "X-Empty", value: ""), .init(name: "X-Q", value: "a\"b\\c/ü")],
                    secrets: [
                        .init(bytes: try bytes(keys[0]), endsAt: nil),
                        .init(bytes: try bytes(keys[1]), endsAt: UnixTime(milliseconds: 1_795_086_400_000)),
                    ]
                )
            }
        ),
        (
            #"{"kind":"dingtalk","url":"http://[2001:db8::1]:8080/a%20b?c=\"d\"","secret":null}"#,
            { DingTalk(url: try url(), secret: nil) }
        ),
        (
            #"{"kind":"dingtalk","url":"http://[2001:db8::1]:8080/a%20b?c=\"d\"","secret":"s3cr3t"}"#,
            { DingTalk(url: try url(), secret: "s3cr3t") }
        ),
        (
            #"{"kind":"feishu","url":"http://[2001:db8::1]:8080/a%20b?c=\"d\"","secret":"中\u0001"}"#,
            { Feishu(url: try url(), secret: "中\u{1}") }
        ),
        (
            #"{"kind":"wecom","url":"http://[2001:db8::1]:8080/a%20b?c=\"d\""}"#,
            { WeCom(url: try url()) }
        ),
        (
            #"{"kind":"slack","url":"http://[2001:db8::1]:8080/a%20b?c=\"d\""}"#,
            { Slack(url: try url()) }
        ),
        (
            #"{"kind":"email","url":null,"host":"10.0.0.1","port":465,"security":"tls","username":null,"#
                + #""password":null,"from":"a@example.com","to":["b@example.com"]}"#,
            {
                Email(
                    host: "10.0.0.1",
                    port: 465,
                    security: .tls,
                    login: nil,
                    from: "a@example.com",
                    to: ["b@example.com"]
                )
            }
        ),
        (
            #"{"kind":"email","url":null,"host":"mail.example.com","port":587,"security":"starttls","#
                + #""username":"me","password":"s3cr3t","from":"tocsin@example.com","#
                + #""to":["a@example.com","b@example.com"]}"#,
            {
                Email(
                    host: "mail.example.com",
                    port: 587,
                    security: .starttls,
                    login: .init(name: "me", password: "s3cr3t"),
                    from: "tocsin@example.com",
                    to: ["a@example.com", "b@example.com"]
                )
            }
        ),
    ]

    @Test(
        "settings that are kept since version 1 are read, and written as they were",
        arguments: stored.indices
    )
    func storedForms(index: Int) throws {
        let (text, make) = Self.stored[index]
        let expected = try make()
        let read = try #require(try Self.read(text, as: type(of: expected)))
        #expect(read.isEqual(to: expected))
        let written = JSONWriter.encode { writer in
            writer.object { object in
                object.field("kind", read.kind.name)
                read.store(to: &object)
            }
        }
        #expect(String(decoding: written, as: UTF8.self) == text)
    }

    @Test("there is a stored form of every kind")
    func coverage() throws {
        let kinds = try Self.stored.map { try $0.1().kind }
        #expect(Set(kinds) == Set(NotifierKinds.all.map { $0.kind }))
    }

    @Test("what is no stored form of a kind is not read", arguments: NotifierKinds.all.map { $0.kind })
    func damaged(kind: Notifier.Kind) throws {
        let type = try #require(NotifierKinds.all.first { $0.kind == kind })
        for text in [
            #"{}"#, #"[]"#, #"{"url":"ftp://a"}"#, #"{"url":1,"host":1}"#, #"{"host":"a","port":"x"}"#,
        ] {
            #expect(try Self.read(text, as: type) == nil, "\(text)")
        }
    }

    private static func read(
        _ text: String,
        as kind: any NotifierSettings.Type
    ) throws -> (any NotifierSettings)? {
        try JSONParserPool(maximumBytes: 4_096).parse(Array(text.utf8), maximumDepth: 8) { root in
            kind.init(stored: root) as (any NotifierSettings)?
        }.get()
    }

    // MARK: One more

    @Test(
        "a kind is one type: it is checked, shown, rendered, posted and heard without anybody else knowing it"
    )
    func another() async throws {
        try await Receiver.with(Step.answer(200, "busy: code-1234567")) { receiver in
            try await withSender(kinds: NotifierKinds.all + [Gong.self]) { sender in
                #expect(sender.kinds.last?.kind == Notifier.Kind("gong"))
                let url = try EndpointURL(Text("http://127.0.0.1:\(receiver.port)/strike?code-1234567"))
                let news = message(news(title: "a=b"))
                let result = await sender.send(
                    news,
                    to: Gong(url: url),
                    template: template(title: "T", "{{title}}"),
                    at: newYear
                )
                #expect(result.failure == .limited)
                #expect(result.response == "busy: ***")
                #expect(receiver.requests.first?.line == "POST /strike?code-1234567 HTTP/1.1")
                #expect(receiver.requests.first?.text == #"{"strike":"a\\=b"}"#)
                let preview = sender.preview(news, kind: Gong.self, template: template("{{title}}"))
                #expect(preview.body == #"{"strike":"a\\=b"}"#)
                #expect(sender.preview(news, kind: Gong.self, template: english).body.contains("=Severity="))
                let secret = Gong(url: try EndpointURL("http://10.0.0.1/"))
                #expect(sender.check(secret).map(\.pointer) == ["/url"])
            }
        }
    }
}

/// A kind that nothing but these tests knows.
private struct Gong: AddressedKind {
    static let kind = Notifier.Kind("gong")
    static let markup = Markup(
        bold: "=",
        lineEnd: "\n",
        link: nil,
        escape: { $0.flatMap { $0 == UInt8(ascii: "=") ? [UInt8(ascii: "\\"), $0] : [$0] } }
    )

    let url: EndpointURL

    static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        JSONWriter.encode { writer in writer.object { $0.field("strike", rendered.text) } }
    }

    func verdict(on answer: Answer) -> Verdict {
        answer.body.starts(with: "busy".utf8)
            ? Verdict(failure: .limited, detail: "It is busy.") : .status(answer.status)
    }
}
