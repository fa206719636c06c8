import Domain
import Foundation
import NIOConcurrencyHelpers
import Outbound
import Testing

@Suite("What must not be reached")
struct ReachTests {
    /// Addresses of this machine and of others that are nobody's business; `PORT` is where somebody listens.
    static let urls: [Text] = [
        "http://127.0.0.1:PORT/", "https://127.0.0.1:PORT/", "https://127.0.0.1/", "http://127.0.0.1/",
        "http://127.1:PORT/",
        "http://127.0.1:PORT/", "http://2130706433:PORT/", "http://017700000001:PORT/",
        "http://0x7f000001:PORT/",
        "http://0x7F.0.0.1:PORT/", "http://0177.0.0.1:PORT/", "http://127.0.0.01:PORT/", "http://0:PORT/",
        "http://0.0.0.0:PORT/",
        "http://127.0.0.1.:PORT/", "http://localhost:PORT/", "http://LOCALHOST:PORT/",
        "http://localhost.:PORT/",
        "http://ip6-localhost:PORT/", "http://[::1]:PORT/", "http://[::]:PORT/",
        "http://[0:0:0:0:0:0:0:1]:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/", "http://[::ffff:7f00:1]:PORT/", "http://[::127.0.0.1]:PORT/",
        "http://[64:ff9b::127.0.0.1]:PORT/", "http://[64:ff9b::7f00:1]:PORT/",
        "http://[64:ff9b:1::7f00:1]:PORT/",
        "http://[2002:7f00:1::1]:PORT/", "http://[2001:0:7f00:1::80ff:fffe]:PORT/",
        "http://[2a00::5efe:7f00:1]:PORT/",
        "http://[::1%25lo]:PORT/", "http://[::1%lo]:PORT/", "http://[fe80::1]:PORT/",
        "http://[fd00:ec2::254]:PORT/",
        "http://１２７.０.０.１:PORT/", "http://①②⑦.⓪.⓪.①:PORT/", "http://127。0。0。1:PORT/",
        "http://ｌocalhost:PORT/",
        "http://user@127.0.0.1:PORT/", "http://a.example@127.0.0.1:PORT/", "http://127.0.0.1:PORT@a.example/",
        "http://a.example#@127.0.0.1:PORT/", "http://a.example\\@127.0.0.1:PORT/",
        "http://127.0.0.1:PORT\\@a.example/",
        "http://%31%32%37.0.0.1:PORT/", "http://127.0.0.1%00.a.example:PORT/",
        "http://127.0.0.1%2f.a.example:PORT/",
        "http://127.0.0.1:PORT%40a.example/", "http:127.0.0.1:PORT/", "http:/127.0.0.1:PORT/",
        "http:///127.0.0.1:PORT/",
        "http:\\\\127.0.0.1:PORT/", "//127.0.0.1:PORT/", "HTTP://127.0.0.1:PORT/",
        "http://127.0.0.1:PORT/#https://a.example/",
        "http+unix://127.0.0.1:PORT/", "unix:///run/docker.sock", "gopher://127.0.0.1:PORT/",
        "ftp://127.0.0.1:PORT/",
        "file:///etc/passwd", "http://10.0.0.1:PORT/", "http://172.16.0.1:PORT/", "http://192.168.0.1:PORT/",
        "http://100.100.100.200/latest/meta-data/", "https://100.100.100.200/",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/",
        "http://[::ffff:a9fe:a9fe]/", "http://[64:ff9b::a9fe:a9fe]/", "http://168.63.129.16/",
        "http://192.0.0.192/",
        "https://[::ffff:100.100.100.200]/", "https://metadata.google.internal/", "https://inside.example/",
        "https://mixed.example/",
        "https://six.example/", "https://mapped.example/", "https://nat64.example/", "https://own.example/",
        "https://zero.example/",
        "http://loop.example:PORT/", "https://metadata.example/", "https://many.example/",
        "https://nowhere.example/",
        "http://public.example:PORT/", "https://public.example:PORT/",
    ]

    static let answers: [String: [String]] = [
        "localhost": ["127.0.0.1", "::1"], "ip6-localhost": ["::1"],
        "metadata.google.internal": ["169.254.169.254"],
        "inside.example": ["10.0.0.7"], "mixed.example": ["1.1.1.1", "127.0.0.1"], "six.example": ["::1"],
        "mapped.example": ["::ffff:127.0.0.1"], "nat64.example": ["64:ff9b::7f00:1"],
        "own.example": ["8.8.8.8"],
        "zero.example": ["0.0.0.0"], "loop.example": ["127.0.0.1"], "metadata.example": ["100.100.100.200"],
        "many.example": (1...15).map { "1.1.1.\($0)" } + ["127.0.0.1"], "public.example": ["1.1.1.1"],
        "a.example": ["1.1.1.1"],
    ]

    @Test("no connection is made to any of many addresses")
    func noConnects() async throws {
        #expect(Self.urls.count >= 80)
        let own = try #require(IPAddress(octets: [8, 8, 8, 8]))
        let policy = AddressPolicy(allowed: [], own: AddressPolicy.ownAddresses().union([own]))
        try await Receiver.with { receiver in
            try await withSender(policy: policy, resolver: resolver(Self.answers)) { sender in
                for text in Self.urls {
                    let text = Text(text.string.replacing("PORT", with: String(receiver.port)))
                    // Refused when it is saved, or else when something is sent.
                    guard let url = try? EndpointURL(text) else { continue }
                    let result = await sender.send(
                        message(),
                        to: Webhook(url: url, headers: [], secrets: []),
                        template: english,
                        at: newYear
                    )
                    #expect([.forbidden, .unresolved].contains(result.failure), "\(text)")
                }
            }
            #expect(receiver.connections == 0)
        }
    }

    @Test("an address that no port or scheme keeps away is denied for what it is", arguments: urls)
    func denials(text: Text) async throws {
        let text = Text(text.string.replacing(":PORT", with: "").replacing("http://", with: "https://"))
        guard let url = try? EndpointURL(text), !url.host.hasPrefix("public") else { return }
        try await withSender(
            policy: AddressPolicy(allowed: [], own: [try #require(IPAddress(octets: [8, 8, 8, 8]))]),
            resolver: resolver(Self.answers)
        ) { sender in
            let settings = Webhook(url: url, headers: [], secrets: [])
            let result = await sender.send(message(), to: settings, template: english, at: newYear)
            #expect(result.detail.contains("not a public one") || result.failure == .unresolved, "\(text)")
        }
    }

    @Test("a name that leads elsewhere after the check leads nowhere")
    func rebinding() async throws {
        // 127.0.0.2 stands for a public address, 127.0.0.1 for one inside.
        let calls = NIOLockedValueBox(0)
        let rebinding = Resolver { _, _ in
            let call = calls.withLockedValue { calls in
                calls += 1
                return calls
            }
            return [call == 1 ? "127.0.0.2" : "127.0.0.1"].compactMap { IPAddress(Array($0.utf8)) }
        }
        try await Receiver.with(host: "0.0.0.0", Step.answer(200, headers: ["Connection: close"])) {
            receiver in
            try await withSender(policy: policy("127.0.0.2"), resolver: rebinding) { sender in
                let url = try EndpointURL(Text("http://rebind.example:\(receiver.port)/"))
                let settings = Webhook(url: url, headers: [], secrets: [])
                let first = await sender.send(message(), to: settings, template: english, at: newYear)
                #expect(first.failure == nil)
                try await eventually {
                    await sender.send(message(), to: settings, template: english, at: newYear).failure
                        == .forbidden
                }
                #expect(
                    receiver.requests.allSatisfy { $0.headers["host"]?.hasPrefix("rebind.example") == true }
                )
            }
        }
    }

    @Test(
        "while a connection stands the name is looked up again only when the address has grown old",
        arguments: [(Duration.seconds(60), 1), (.zero, 4)]
    )
    func addressLife(life: Duration, lookUps: Int) async throws {
        let calls = NIOLockedValueBox(0)
        let counting = Resolver { _, _ in
            calls.withLockedValue { $0 += 1 }
            return [IPAddress(octets: [127, 0, 0, 1])].compactMap { $0 }
        }
        try await Receiver.with { receiver in
            try await withSender(resolver: counting, limits: SendLimits(addressLife: life)) { sender in
                let url = try EndpointURL(Text("http://hook.example:\(receiver.port)/"))
                let settings = Webhook(url: url, headers: [], secrets: [])
                for _ in 0..<4 {
                    _ = await sender.send(message(), to: settings, template: english, at: newYear)
                }
                #expect(calls.withLockedValue { $0 } == lookUps)
                #expect(receiver.connections == 1)
                #expect(receiver.requests.count == 4)
            }
        }
    }

    @Test("the system's resolver knows this machine and not what can't exist")
    func system() async throws {
        let resolver = Resolver.system()
        let addresses = try await resolver.resolve("localhost", AccountNumber(1))
        #expect(addresses.contains { $0.text == "127.0.0.1" || $0.text == "0:0:0:0:0:0:0:1" })
        let unknown = try? await resolver.resolve("nothing.invalid", AccountNumber(1))
        #expect(unknown ?? [] == [])
    }

    @Test("an account whose name servers are dead holds a few threads, and its neighbour finds its names")
    func deadNameServers() async throws {
        let (a, b) = (AccountNumber(1), AccountNumber(2))
        let gate = NIOLockedValueBox((held: 0, most: 0, isOpen: false))
        let resolver = Resolver.system(limit: .milliseconds(400)) { name in
            guard name == "dead.example" else {
                return [IPAddress(octets: [127, 0, 0, 9])].compactMap { $0 }
            }
            gate.withLockedValue { gate in
                gate.held += 1
                gate.most = max(gate.most, gate.held)
            }
            while !gate.withLockedValue({ $0.isOpen }) { Thread.sleep(forTimeInterval: 0.005) }
            gate.withLockedValue { $0.held -= 1 }
            return []
        }
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<64 {
                group.addTask { (try? await resolver.resolve("dead.example", a)) == nil }
            }
            for await isUnanswered in group { #expect(isUnanswered) }
        }
        // Nobody waits any more, and the threads are held still.
        #expect(gate.withLockedValue { $0.held } == Resolver.threadsPerAccount)
        let found = try await resolver.resolve("hook.example", b)
        #expect(found.map(\.text) == ["127.0.0.9"])
        await #expect(throws: (any Error).self) { try await resolver.resolve("hook.example", a) }
        gate.withLockedValue { $0.isOpen = true }
        try await eventually { (try? await resolver.resolve("hook.example", a))?.isEmpty == false }
        #expect(gate.withLockedValue { $0.most } == Resolver.threadsPerAccount)
    }

    @Test(
        "a connection that stands is that of a host and a port: another port is looked up, and judged, anew"
    )
    func ports() async throws {
        let calls = NIOLockedValueBox(0)
        let counting = Resolver { _, _ in
            calls.withLockedValue { $0 += 1 }
            return [IPAddress(octets: [127, 0, 0, 1])].compactMap { $0 }
        }
        try await Receiver.with { first in
            try await Receiver.with { second in
                try await withSender(resolver: counting) { sender in
                    for port in [first.port, second.port, first.port, second.port] {
                        let url = try EndpointURL(Text("http://hook.example:\(port)/"))
                        let settings = Webhook(url: url, headers: [], secrets: [])
                        let result = await sender.send(
                            message(),
                            to: settings,
                            template: english,
                            at: newYear
                        )
                        #expect(result.failure == nil)
                    }
                    #expect(calls.withLockedValue { $0 } == 2)
                    #expect(first.requests.count == 2 && second.requests.count == 2)
                }
            }
        }
    }
}

/// Tries until it holds, for at most 5 s.
func eventually(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<100 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    Issue.record("it did not come to hold within 5 s")
}
