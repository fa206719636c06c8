import App
import Domain
import NIOCore
import NIOPosix
import Storage
import TestDatabases
import Testing
import Web

/// One request without a body, whole.
private let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite(
    "Connections of many clients",
    .timeLimit(.minutes(10)),
    .needsSQLite("has no store: the run on SQLite is enough")
)
struct ConnectionTests {
    private static func limits(
        total: Int = 4_096,
        address: Int = 64,
        fresh: TimeAmount = .milliseconds(100)
    ) -> OpenConnections.Limits {
        var limits = OpenConnections.Limits()
        limits.total = total
        limits.address = address
        limits.fresh = fresh
        return limits
    }

    @Test("what is too much of one address is closed at once, and other addresses are served")
    func perAddress() async throws {
        let losses = Losses()
        try await Site.serving(
            "served",
            limits: Self.limits(address: 2),
            onLoss: losses.note
        ) { site in
            try await Client.with(site.port, from: "127.0.0.9") { first in
                try await Client.with(site.port, from: "127.0.0.9") { second in
                    for _ in 0..<2 {
                        try await first.say(request)
                        try await first.hear("served")
                        try await second.say(request)
                        try await second.hear("served")
                    }
                    try await Client.with(site.port, from: "127.0.0.9") { third in
                        let end = try await third.hearEnd()
                        #expect(end.isEmpty)
                    }
                    try await Client.with(site.port, from: "127.0.0.8") { other in
                        try await other.say(request)
                        try await other.hear("served")
                    }
                }
            }
            #expect(losses.all == [.overAddress])
            await site.stop()
        }
    }

    @Test("one that ended makes room for another of its address")
    func givesBack() async throws {
        try await Site.serving("served", limits: Self.limits(address: 1)) { site in
            for _ in 0..<5 {
                // The server hears of the end of the one before a moment later.
                for attempt in 0... {
                    let isServed = try await Client.with(site.port, from: "127.0.0.7") { client in
                        try? await client.say(request)
                        return (try? await client.hear("served")) != nil
                    }
                    if isServed { break }
                    try #require(attempt < 1_000)
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            await site.stop()
        }
    }

    @Test("the address of a client on this machine, and those of proxies, carry as many as there is room for")
    func spares() async throws {
        var limits = Self.limits(address: 1)
        limits.proxies = [try #require(Network("127.0.0.5"))]
        try await Site.serving("served", limits: limits) { site in
            for address in ["127.0.0.1", "127.0.0.5"] {
                try await Client.with(site.port, from: address) { first in
                    try await Client.with(site.port, from: address) { second in
                        for _ in 0..<2 {
                            try await first.say(request)
                            try await first.hear("served")
                            try await second.say(request)
                            try await second.hear("served")
                        }
                    }
                }
            }
            await site.stop()
        }
    }

    @Test("where all are taken, the one that is idle for longest makes room")
    func makesRoom() async throws {
        let losses = Losses()
        try await Site.serving(
            "served",
            limits: Self.limits(total: 2, fresh: .zero),
            onLoss: losses.note
        ) { site in
            try await Client.with(site.port) { older in
                try await older.say(request)
                try await older.hear("served")
                try await Client.with(site.port) { idle in
                    try await idle.say(request)
                    try await idle.hear("served")
                    // Now the one that came later is idle for longest.
                    try await older.say(request)
                    try await older.hear("served")
                    try await Client.with(site.port) { new in
                        try await new.say(request)
                        try await new.hear("served")
                        #expect(try await idle.hearEnd().isEmpty)
                        try await older.say(request)
                        try await older.hear("served")
                    }
                }
            }
            #expect(losses.all == [.madeRoom])
            await site.stop()
        }
    }

    @Test("where a request is under way on all of them, the next ones wait, and are served in their turn")
    func waits() async throws {
        let half = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
        try await Site.serving("served", limits: Self.limits(total: 1)) { site in
            try await Client.with(site.port) { first in
                try await first.say(half)
                try await first.hear("served")
                try await Client.with(site.port) { second in
                    try await second.say(half)
                    try await Client.with(site.port) { third in
                        try await third.say(half)
                        try await Client.with(site.port) { fourth in
                            try await fourth.say(half)
                            try await first.say("x")
                            try await second.hear("served")
                            try await second.say("x")
                            try await third.hear("served")
                            try await third.say("x")
                            try await fourth.hear("served")
                        }
                    }
                }
            }
            await site.stop()
        }
    }
}

/// Which connections were closed for others.
private final class Losses: Sendable {
    private let noted = Lock<[OpenConnections.Loss]>([])

    var all: [OpenConnections.Loss] { noted.withLock { $0 } }

    @Sendable
    func note(_ loss: OpenConnections.Loss) {
        noted.withLock { $0.append(loss) }
    }
}
