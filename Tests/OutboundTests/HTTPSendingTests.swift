import Domain
import NIOConcurrencyHelpers
import Outbound
import Testing

@Suite("Sending by HTTP", .timeLimit(.minutes(1)))
struct HTTPSendingTests {
    private static let quick = SendLimits(connect: .milliseconds(500), http: .milliseconds(600))

    @Test("a message is posted once, with the headers of its kind")
    func post() async throws {
        try await Receiver.with(Step.answer(202, "thanks")) { receiver in
            try await withSender { sender in
                let headers = [Webhook.Header(name: "Authorization", value: "Bearer abc")]
                let settings = try webhook(receiver.port, path: "/hook?x=1", headers: headers)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.failure == nil)
                #expect(result.statusCode == 202)
                #expect(result.response == "thanks")
                #expect(result.detail.isEmpty)
                #expect(result.latency > .zero)
                let request = try #require(receiver.requests.first)
                #expect(receiver.requests.count == 1)
                #expect(request.line == "POST /hook?x=1 HTTP/1.1")
                #expect(request.headers["host"] == "127.0.0.1:\(receiver.port)")
                #expect(request.headers["content-type"] == "application/json")
                #expect(request.headers["user-agent"] == "Tocsin/1.2.3")
                #expect(request.headers["authorization"] == "Bearer abc")
                #expect(request.headers["webhook-id"] == message().id.description)
                #expect(request.headers["webhook-timestamp"] == "1767225600")
                #expect(request.headers["accept-encoding"] == nil)
            }
        }
    }

    @Test("connections are kept and bounded")
    func pool() async throws {
        try await Receiver.with([.wait(.milliseconds(5))] + Step.answer(200)) { receiver in
            try await withSender(limits: SendLimits(connections: 3)) { sender in
                let settings = try webhook(receiver.port)
                await withTaskGroup(of: SendResult.self) { group in
                    for _ in 0..<100 {
                        group.addTask {
                            await sender.send(message(), to: settings, template: english, at: newYear)
                        }
                    }
                    for await result in group { #expect(result.failure == nil) }
                }
                #expect(receiver.requests.count == 100)
                #expect(receiver.connections <= 3)
            }
        }
    }

    @Test(
        "what a status means",
        arguments: [
            (200, nil), (204, nil), (299, nil), (301, .status), (302, .status), (304, .status),
            (307, .status), (308, .status),
            (400, .status), (401, .status), (404, .status), (408, .status), (410, .gone), (429, .limited),
            (500, .status),
            (503, .status),
        ] as [(Int, SendResult.Failure?)]
    )
    func statuses(status: Int, failure: SendResult.Failure?) async throws {
        try await Receiver.with { elsewhere in
            let location = "Location: http://127.0.0.1:\(elsewhere.port)/"
            try await Receiver.with(Step.answer(status, headers: [location])) { receiver in
                try await withSender { sender in
                    let settings = try webhook(receiver.port)
                    let result = await sender.send(message(), to: settings, template: english, at: newYear)
                    #expect(result.failure == failure)
                    #expect(result.statusCode == status)
                    #expect(result.detail.isEmpty == (failure == nil))
                }
                #expect(receiver.requests.count == 1)
            }
            #expect(elsewhere.connections == 0)
        }
    }

    @Test(
        "Retry-After is a number of seconds or a date",
        arguments: [
            ("7", 7), ("0", 0), ("  120 ", 120), ("Thu, 01 Jan 2026 00:01:30 GMT", 90),
            ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
            ("soon", nil), ("-5", nil), ("1.5", nil), ("", nil), ("99999999999", nil),
            ("Thu, 41 Jan 2026 00:01:30 GMT", nil),
        ] as [(String, Int64?)]
    )
    func retryAfter(value: String, seconds: Int64?) async throws {
        try await Receiver.with(Step.answer(503, headers: ["Retry-After: \(value)"])) {
            receiver in
            try await withSender { sender in
                let settings = try webhook(receiver.port)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.retryAfter == seconds)
            }
        }
    }

    /// What receivers do instead of answering, and what that is called.
    static let misdeeds: [(name: String, steps: [Step], failure: SendResult.Failure?, status: Int?)] = [
        ("stalls", [.wait(.seconds(30))], .timeout, nil),
        ("drips a head", [.sendForEver(every: .milliseconds(20), "H")], .broken, nil),
        (
            "drips headers",
            [.send("HTTP/1.1 200 OK\r\n"), .sendForEver(every: .milliseconds(20), "A: b\r\n")], .timeout, nil
        ),
        (
            "drips a body",
            [
                .send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
                .sendForEver(every: .milliseconds(20), "x"),
            ], .timeout, nil
        ),
        (
            "stalls in the body",
            [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), .wait(.seconds(30))], .timeout, nil
        ),
        (
            "answers 10 GB",
            [
                .send("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"),
                .sendForEver(every: .zero, String(repeating: "x", count: 65_536)),
            ], nil, 200
        ),
        (
            "fails with 10 GB",
            [
                .send("HTTP/1.1 500 No\r\nContent-Length: 10737418240\r\n\r\n"),
                .sendForEver(every: .zero, String(repeating: "x", count: 65_536)),
            ], .status, 500
        ),
        (
            "answers without end",
            [
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .sendForEver(every: .zero, "1000\r\n" + String(repeating: "x", count: 4_096) + "\r\n"),
            ], nil, 200
        ),
        ("closes", [.close], .broken, nil),
        ("closes in the head", [.send("HTTP/1.1 200 OK\r\nCont"), .close], .broken, nil),
        (
            "closes in the body", [.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), .close], .broken,
            nil
        ),
        ("is no HTTP server", [.send("SSH-2.0-OpenSSH_9.9\r\n"), .wait(.seconds(30))], .broken, nil),
        (
            "sends huge headers",
            [.send("HTTP/1.1 200 OK\r\n"), .sendForEver(every: .zero, "A: b\r\n".repeated(1_000))],
            .broken, nil
        ),
    ]

    @Test("a receiver that misbehaves is told apart within the time limit", arguments: misdeeds.indices)
    func misbehaviour(row: Int) async throws {
        let (name, steps, failure, status) = Self.misdeeds[row]
        try await Receiver.with(steps) { receiver in
            let limits = failure == .timeout ? Self.quick : SendLimits(http: .seconds(30))
            try await withSender(limits: limits) { sender in
                let settings = try webhook(receiver.port)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.failure == failure, "\(name): \(result.detail)")
                #expect(result.statusCode == status, "\(name)")
                #expect(result.latency < .seconds(45), "\(name)")
                #expect(result.response.utf8.count <= 512)
            }
        }
    }

    @Test("a reset is a broken connection")
    func reset() async throws {
        try await Receiver.with(resets: true) { receiver in
            try await withSender { sender in
                let result = await sender.send(
                    message(),
                    to: try webhook(receiver.port),
                    template: english,
                    at: newYear
                )
                #expect(result.failure == .broken)
            }
        }
    }

    @Test("where nobody listens no connection is made")
    func refused() async throws {
        let port = try await Receiver.with { $0.port }
        try await withSender { sender in
            let result = await sender.send(message(), to: try webhook(port), template: english, at: newYear)
            #expect(result.failure == .connect)
        }
    }

    @Test("a kept connection that the receiver closed costs no failure")
    func keptAndClosed() async throws {
        try await Receiver.with(Step.answer(200) + [.close]) { receiver in
            try await withSender { sender in
                let settings = try webhook(receiver.port)
                for _ in 0..<50 {
                    let result = await sender.send(message(), to: settings, template: english, at: newYear)
                    #expect(result.failure == nil)
                }
            }
        }
    }

    @Test("the record of an answer is printable, short and without the secrets that the receiver repeats")
    func excerpt() async throws {
        let answer =
            "got /hook/T00SECRET\u{7}\r\n\u{202E}key=TopSecretValue\u{0} "
            + String(repeating: "ü", count: 600)
        try await Receiver.with(Step.answer(500, answer)) { receiver in
            try await withSender { sender in
                let headers = [Webhook.Header(name: "X-Key", value: "TopSecretValue")]
                let settings = try webhook(receiver.port, path: "/hook/T00SECRET", headers: headers)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.response.hasPrefix("got *** key=*** üü"))
                #expect((500...512).contains(result.response.utf8.count))
                #expect(!result.detail.contains("SECRET") && !result.detail.contains("127.0.0.1"))
            }
        }
    }

    @Test("a body is never unpacked, whatever the receiver says of it")
    func packed() async throws {
        let head =
            "HTTP/1.1 500 No\r\nTransfer-Encoding: gzip, gzip, chunked\r\nContent-Encoding: deflate\r\n\r\n"
        try await Receiver.with([.send(head + "5\r\nplain\r\n0\r\n\r\n")]) { receiver in
            try await withSender { sender in
                let settings = try webhook(receiver.port)
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.statusCode == 500)
                #expect(result.response == "plain")
            }
        }
    }

    @Test("a task that is cancelled does not wait for the receiver")
    func cancellation() async throws {
        try await Receiver.with([.wait(.seconds(30))]) { receiver in
            try await withSender(limits: SendLimits(http: .seconds(30))) { sender in
                let settings = try webhook(receiver.port)
                let start = ContinuousClock.now
                let task = Task { await sender.send(message(), to: settings, template: english, at: newYear) }
                try await eventually { receiver.requests.count == 1 }
                task.cancel()
                #expect(await task.value.failure == .broken)
                #expect(start.duration(to: .now) < .seconds(25))
            }
        }
    }

    @Test("after a shutdown nothing is sent")
    func shutdown() async throws {
        try await Receiver.with { receiver in
            try await withSender { sender in
                await sender.shutdown()
                let result = await sender.send(
                    message(),
                    to: try webhook(receiver.port),
                    template: english,
                    at: newYear
                )
                #expect(result.failure == .broken)
            }
            #expect(receiver.connections == 0)
        }
    }

    @Test("many receivers by name: each has its own client, and those that are too many go")
    func manyNames() async throws {
        let everywhere = Resolver { _, _ in [IPAddress(octets: [127, 0, 0, 1])].compactMap { $0 } }
        try await Receiver.with { receiver in
            try await withSender(resolver: everywhere) { sender in
                for number in 0..<300 {
                    let url = try EndpointURL(Text("http://hook-\(number).example:\(receiver.port)/"))
                    let settings = Webhook(url: url, headers: [], secrets: [])
                    let result = await sender.send(message(), to: settings, template: english, at: newYear)
                    #expect(result.failure == nil)
                }
                #expect(receiver.connections == 300)
            }
        }
    }
}

@Suite("Sending by HTTPS", .timeLimit(.minutes(1)))
struct HTTPSSendingTests {
    private static let quick = SendLimits(connect: .milliseconds(500), http: .milliseconds(600))
    private static let names = resolver([
        "hook.example.test": ["127.0.0.1"], "other.example.test": ["127.0.0.1"],
        "wild.example.test": ["127.0.0.1"],
        "a.wild.example.test": ["127.0.0.1"], "a.b.wild.example.test": ["127.0.0.1"],
    ])

    @Test(
        "the certificate is checked for the name in the URL, at the address that was checked",
        arguments: [
            ("hook.example.test", nil), ("other.example.test", .tls), ("127.0.0.1", nil),
            ("a.wild.example.test", nil),
            ("wild.example.test", .tls), ("a.b.wild.example.test", .tls),
        ] as [(String, SendResult.Failure?)]
    )
    func names(host: String, failure: SendResult.Failure?) async throws {
        try await Receiver.with(tls: try Certificates.serverContext()) { receiver in
            try await withSender(resolver: Self.names) { sender in
                let url = try EndpointURL(Text("https://\(host):\(receiver.port)/"))
                let settings = Webhook(url: url, headers: [], secrets: [])
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(result.failure == failure, "\(result.detail)")
                #expect(receiver.requests.count == (failure == nil ? 1 : 0))
            }
        }
    }

    @Test("many refusals of a certificate at once leave the client in order")
    func manyRefusals() async throws {
        try await Receiver.with(tls: try Certificates.serverContext()) { receiver in
            try await withSender(resolver: Self.names) { sender in
                let url = try EndpointURL(Text("https://other.example.test:\(receiver.port)/"))
                let settings = Webhook(url: url, headers: [], secrets: [])
                await withTaskGroup(of: SendResult.self) { group in
                    for _ in 0..<50 {
                        group.addTask {
                            await sender.send(message(), to: settings, template: english, at: newYear)
                        }
                    }
                    for await result in group { #expect(result.failure == .tls) }
                }
            }
            #expect(receiver.requests.isEmpty)
        }
    }

    @Test("a certificate of an authority that nobody named is not accepted")
    func unknownAuthority() async throws {
        try await Receiver.with(tls: try Certificates.serverContext()) { receiver in
            let sender = Sender(
                policy: policy("127.0.0.0/8"),
                resolver: Self.names,
                trustRoots: try TrustRoots()
            )
            let url = try EndpointURL(Text("https://hook.example.test:\(receiver.port)/"))
            let settings = Webhook(url: url, headers: [], secrets: [])
            let result = await sender.send(message(), to: settings, template: english, at: newYear)
            #expect(result.failure == .tls)
            #expect(receiver.requests.isEmpty)
            await sender.shutdown()
        }
    }

    @Test("a server that does not speak TLS is not spoken to in the clear")
    func plainServer() async throws {
        try await Receiver.with(Step.answer(200)) { receiver in
            try await withSender(resolver: Self.names, limits: Self.quick) { sender in
                let url = try EndpointURL(Text("https://hook.example.test:\(receiver.port)/"))
                let settings = Webhook(url: url, headers: [], secrets: [])
                let result = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect([.tls, .timeout, .connect].contains(result.failure))
                #expect(receiver.requests.isEmpty)
            }
        }
    }

    @Test("a file of trust roots that can't be read is an error at the start")
    func badRoots() {
        #expect(throws: (any Error).self) { try TrustRoots(file: "/nonexistent.pem") }
    }
}
