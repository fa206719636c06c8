import App
import NIOCore
import Native
import Storage
import TestDatabases
import Testing
import Web

/// One request without a body, whole.
private let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite(
    "A listening socket that was handed in",
    .timeLimit(.minutes(10)),
    .needsSQLite("has no store: the run on SQLite is enough")
)
struct ListeningSocketTests {
    @Test(
        "is meant for the process that LISTEN_PID names",
        arguments: [
            ([:], nil), (["LISTEN_FDS": "1"], nil), (["LISTEN_PID": "7"], nil),
            (["LISTEN_PID": "8", "LISTEN_FDS": "1"], nil), (["LISTEN_PID": "x", "LISTEN_FDS": "1"], nil),
            (["LISTEN_PID": "7", "LISTEN_FDS": "0"], nil), (["LISTEN_PID": "7", "LISTEN_FDS": "1"], 1),
            (["LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"], 2),
        ] as [([String: String], Int?)]
    )
    func isCounted(environment: [String: String], count: Int?) throws {
        #expect(try ListeningSocket.count(environment, process: 7) == count)
    }

    @Test("a count that is no number is a mistake of the starter", arguments: ["many", "-1", ""])
    func countIsNumber(text: String) {
        #expect(throws: ListeningSocket.Problem.self) {
            try ListeningSocket.count(["LISTEN_PID": "7", "LISTEN_FDS": text], process: 7)
        }
    }

    @Test("has to listen", arguments: [0, 9_999])
    func mustListen(descriptor: Int32) {
        #expect(throws: ListeningSocket.Problem.self) { try ListeningSocket(descriptor: descriptor) }
    }

    @Test("stays open: a client that connects while nobody serves is answered by the next server")
    func outlivesServer() async throws {
        let held = try await HeldSocket()
        var bounds = OpenConnections.Bounds()
        bounds.quiet = .milliseconds(50)
        for turn in ["first", "second", "third"] {
            try await Client.with(held.port) { client in
                try await client.say(request)
                try await Site.serving(turn, on: held, bounds: bounds) { site in
                    #expect(site.port == held.port)
                    try await client.hear(turn)
                    await site.stop()
                }
                #expect(try await client.hearEnd().isEmpty)
            }
        }
        try await held.close()
    }
}

@Suite(
    "A server that stops",
    .timeLimit(.minutes(10)),
    .needsSQLite("has no store: the run on SQLite is enough")
)
struct FarewellTests {
    @Test("answers a request that is under way, and says that it closes the connection")
    func answersPending() async throws {
        var bounds = OpenConnections.Bounds()
        bounds.last = .seconds(20)
        try await Site.serving("late", late: true, bounds: bounds) { site in
            try await Client.with(site.port) { client in
                try await client.say(request)
                try await Task.sleep(for: .milliseconds(100))
                await site.stop()
                let text = try await client.hearEnd()
                #expect(text.hasSuffix("late"))
                #expect(text.lowercased().contains("connection: close"))
            }
        }
    }

    @Test("lets a connection without a request send one, or finish the one it began", arguments: [0, 18])
    func waits(begun: Int) async throws {
        try await Site.serving("served") { site in
            try await Client.with(site.port) { client in
                // A first request shows that the connection is accepted.
                try await client.say(request)
                try await client.hear("served")
                try await client.say(String(request.prefix(begun)))
                await site.stop()
                try await Task.sleep(for: .milliseconds(100))
                try await client.say(String(request.dropFirst(begun)))
                let text = try await client.hearEnd()
                #expect(text.hasSuffix("served"))
                #expect(text.lowercased().contains("connection: close"))
            }
        }
    }

    @Test("closes silent connections first, and those in the middle of a request when all patience is over")
    func closesSilent() async throws {
        var bounds = OpenConnections.Bounds()
        bounds.quiet = .milliseconds(300)
        // Far apart: on a machine that does much else at once, seconds pass before a test hears of an end.
        bounds.last = .seconds(12)
        try await Site.serving("served", bounds: bounds) { site in
            try await Client.with(site.port) { silent in
                try await Client.with(site.port) { halfway in
                    try await silent.say(request)
                    try await silent.hear("served")
                    try await halfway.say(request)
                    try await halfway.hear("served")
                    try await halfway.say("GET / HTTP/1.1\r\n")
                    try await Task.sleep(for: .milliseconds(100))
                    let began = ContinuousClock.now
                    await site.stop()
                    #expect(try await silent.hearEnd().isEmpty)
                    let quiet = ContinuousClock.now - began
                    #expect(try await halfway.hearEnd().isEmpty)
                    let last = ContinuousClock.now - began
                    #expect(quiet > .milliseconds(290) && quiet < .seconds(11))
                    #expect(last > .milliseconds(11_990))
                }
            }
        }
    }
}

@Suite("Connections that are handled", .timeLimit(.minutes(10)))
struct HandlingTests {
    @Test("the end comes once, whoever begins behind it")
    func end() async {
        let handling = Handling()
        for _ in 0..<20 {
            let (stream, finished) = AsyncStream<Void>.makeStream()
            handling.begin { try? await Task.sleep(for: .milliseconds(5)) }
            async let over: Void = handling.end()
            try? await Task.sleep(for: .milliseconds(10))
            handling.begin {
                await Task.yield()
                finished.finish()
            }
            for await _ in stream {}
            await over
        }
    }

    @Test("one that begins while the end is waited for is waited for, too")
    func late() async {
        let handling = Handling()
        let isDone = Lock(false)
        handling.begin {
            handling.begin {
                try? await Task.sleep(for: .milliseconds(100))
                isDone.withLock { $0 = true }
            }
        }
        await handling.end()
        #expect(isDone.withLock { $0 })
    }
}
