import TestSupport
import Testing

@Suite("Calls that take effect outside of the store")
struct IdempotencyTests {
    @Test("a test message is sent once, and the same call while it is under way is told so")
    func underWay() async throws {
        try await Receiver.with { receiver in
            try await TestServer.with(options: ["outbound-allow": "127.0.0.0/8"]) { server in
                let people = try await People(server)
                var path = [
                    "account_id": people.account, "channel_id": try await people.channel("Payments"),
                ]
                let made = try await server.call(
                    "createNotifier",
                    path,
                    body: [
                        "name": "Relay", "kind": "webhook",
                        "settings": ["url": .string(receiver.base + "/hook")],
                    ],
                    key: people.erin
                )
                path["notifier_id"] = try #require(made.json["id"]?.string)
                let fixed = path
                func test() async throws -> SpecAnswer {
                    try await server.call(
                        "testNotifier",
                        fixed,
                        key: people.erin,
                        headers: [("Idempotency-Key", "t")]
                    )
                }
                receiver.holds()
                async let first = test()
                while receiver.posts.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
                let second = try await test()
                #expect(second.status == 409)
                #expect(second.json["code"] == "still_running")
                receiver.releases()
                let answer = try await first
                #expect(answer.json["sent"] == true, "\(answer.text)")
                #expect(try await test().text == answer.text)
                #expect(receiver.posts.count == 1)
            }
        }
    }
}
