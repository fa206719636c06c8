import Domain
import Outbound
import Testing

@Suite("Settings, when they are saved")
struct SettingsCheckTests {
    private static let closed = policy()
    private static let open = policy("10.0.0.0/8")

    private func pointers(
        _ settings: any NotifierSettings,
        _ policy: AddressPolicy = closed
    ) async throws -> [String] {
        try await withSender(policy: policy) { $0.check(settings).map(\.pointer) }
    }

    @Test(
        "scheme, port and literal address",
        arguments: [
            ("https://a.example/", true, true), ("https://a.example:8443/", true, true),
            ("https://a.example:8080/", false, true),
            ("http://a.example/", false, true), ("https://10.0.0.1/", false, true),
            ("http://10.0.0.1:81/", false, true),
            ("https://192.168.0.1/", false, false), ("https://[::1]/", false, false),
            ("https://1.1.1.1/", true, true),
        ] as [(Text, Bool, Bool)]
    )
    func urls(text: Text, closed: Bool, open: Bool) async throws {
        let settings = Slack(url: try EndpointURL(text))
        #expect(try await pointers(settings).isEmpty == closed)
        #expect(try await pointers(settings, Self.open).isEmpty == open)
    }

    @Test(
        "header names",
        arguments: [
            ("X-Token", true), ("Authorization", true), ("x_y.z~", true), ("", false), ("a b", false),
            ("a:b", false), ("ü", false),
            ("a\r\nb", false), ("Host", false), ("HOST", false), ("Content-Length", false),
            ("content-type", false),
            ("Transfer-Encoding", false), ("Connection", false), ("webhook-id", false),
            ("Webhook-Anything", false),
            ("Proxy-Authorization", false), ("Cookie", false), ("User-Agent", false), ("Expect", false),
            ("Upgrade", false), ("TE", false),
        ] as [(Text, Bool)]
    )
    func names(name: Text, isGood: Bool) async throws {
        let header = Webhook.Header(name: name, value: "v")
        let settings = Webhook(
            url: try EndpointURL("https://a.example/"),
            headers: [header],
            secrets: []
        )
        #expect(try await pointers(settings) == (isGood ? [] : ["/headers/\(name)"]))
    }

    @Test(
        "header values",
        arguments: [
            ("v", true), ("", true), ("a b", true), (" a", false), ("a ", false), ("a\r\nX: y", false),
            ("a\nb", false), ("ü", false),
            ("a\u{7F}", false), ("a\tb", false),
        ] as [(Text, Bool)]
    )
    func values(value: Text, isGood: Bool) async throws {
        let header = Webhook.Header(name: "X-A", value: value)
        let settings = Webhook(
            url: try EndpointURL("https://a.example/"),
            headers: [header],
            secrets: []
        )
        #expect(try await pointers(settings) == (isGood ? [] : ["/headers/X-A"]))
    }

    @Test("a header is there once, and there are at most 20")
    func headers() async throws {
        let url = try EndpointURL("https://a.example/")
        let twice = ["X-A", "x-a"].map { Webhook.Header(name: $0, value: "v") }
        #expect(try await pointers(Webhook(url: url, headers: twice, secrets: [])) == ["/headers/x-a"])
        let many = (0..<21).map { Webhook.Header(name: Text("X-\($0)"), value: "v") }
        #expect(try await pointers(Webhook(url: url, headers: many, secrets: [])) == ["/headers"])
    }

    private static func mail(
        host: Text = "mail.example.com",
        port: Int = 587,
        from: Text = "tocsin@example.com",
        to: [Text] = ["ops@example.com"],
        login: Email.Login? = nil,
        security: Email.Security = .starttls
    ) -> any NotifierSettings {
        Email(host: host, port: port, security: security, login: login, from: from, to: to)
    }

    @Test(
        "how a mail server is protected must fit its port",
        arguments: [
            (25, .starttls, true), (25, .tls, false), (465, .starttls, false), (465, .tls, true),
            (587, .starttls, true), (587, .tls, false), (2_525, .starttls, true), (2_525, .tls, true),
        ] as [(Int, Email.Security, Bool)]
    )
    func protection(port: Int, security: Email.Security, isGood: Bool) async throws {
        let found = try await pointers(Self.mail(port: port, security: security))
        #expect(found == (isGood ? [] : ["/security"]))
    }

    @Test(
        "mail servers",
        arguments: [
            ("mail.example.com", 25, []), ("mail.example.com", 465, ["/security"]),
            ("mail.example.com", 2_525, []),
            ("mail.example.com", 22, ["/port"]),
            ("mail.example.com", 0, ["/port"]), ("127.0.0.1", 587, ["/host"]), ("10.0.0.1", 25, ["/host"]),
            ("a b", 25, ["/host"]), ("mail.example.com\r\n", 25, ["/host"]),
            (" mail.example.com", 25, ["/host"]),
            ("2130706433", 25, ["/host"]), ("1.1.1.1", 587, []),
        ] as [(Text, Int, [String])]
    )
    func servers(host: Text, port: Int, expected: [String]) async throws {
        #expect(try await pointers(Self.mail(host: host, port: port)) == expected)
    }

    @Test(
        "mail addresses",
        arguments: [
            ("ops@example.com", true), ("o.p-s+x@a.b.example", true), ("o'neil@example.com", true),
            ("", false), ("ops", false),
            ("@example.com", false), ("ops@", false), ("a@b@example.com", false), ("a b@example.com", false),
            (".a@example.com", false),
            ("a..b@example.com", false), ("a.@example.com", false), ("<ops@example.com>", false),
            ("\"a b\"@example.com", false),
            ("ops@example.com\r\nBcc: x@example.com", false), ("ops@example.com>\r\nDATA", false),
            ("öps@example.com", false),
            ("ops@127.0.0.1", false), ("ops@[127.0.0.1]", false), ("ops@-a.example", false),
            ("a,b@example.com", false), ("ops@example.com\r\n", false), ("ops@example.com\n", false),
            ("ops@example.com ", false), (" ops@example.com", false), ("ops@\texample.com", false),
        ] as [(Text, Bool)]
    )
    func addresses(address: Text, isGood: Bool) async throws {
        #expect(try await pointers(Self.mail(to: ["a@example.com", address])) == (isGood ? [] : ["/to/1"]))
        #expect(try await pointers(Self.mail(from: address)) == (isGood ? [] : ["/from"]))
    }

    @Test("a mail has 1 to 20 receivers", arguments: [(0, false), (1, true), (20, true), (21, false)])
    func receivers(count: Int, isGood: Bool) async throws {
        let to = (0..<count).map { Text("a\($0)@example.com") }
        #expect(try await pointers(Self.mail(to: to)) == (isGood ? [] : ["/to"]))
    }

    @Test("a login has a name and a password without controls")
    func login() async throws {
        #expect(try await pointers(Self.mail(login: .init(name: "u", password: "pä ss"))) == [])
        #expect(
            try await pointers(Self.mail(login: .init(name: "", password: "a\nb"))) == [
                "/username", "/password",
            ]
        )
    }
}
