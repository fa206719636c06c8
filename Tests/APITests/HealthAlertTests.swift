import TestSupport
import Testing

@Suite("Health alerts")
struct HealthAlertTests {
    @Test("no channel is chosen at first; one is chosen, changed and turned off")
    func choose() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            func shown() async throws -> JSON? {
                try await server.call("getHealthAlerts", path, key: people.bob).json["channel_id"]
            }
            #expect(try await shown() == .null)
            let channels = [try await people.channel("One"), try await people.channel("Two")]
            for channel in channels.map({ JSON.string($0) }) + [.null, .string(channels[0])] {
                let answer = try await server.call(
                    "putHealthAlerts",
                    path,
                    body: ["channel_id": channel],
                    key: people.erin
                )
                #expect(answer.status == 200)
                #expect(answer.json == ["account_id": .string(people.account), "channel_id": channel])
                #expect(try await shown() == channel)
            }
        }
    }

    @Test(
        "what is no channel of the account is refused, and the choice stays",
        arguments: [
            .object([:]), ["channel_id": 7], ["channel_id": "chan_x"],
            ["channel_id": "chan_01m7vw4by8es8r65rzyjka792g"],
        ] as [JSON]
    )
    func refused(body: JSON) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            let chosen: JSON = ["channel_id": .string(try await people.channel("One"))]
            try await server.call("putHealthAlerts", path, body: chosen, key: people.erin)
            let answer = try await server.call("putHealthAlerts", path, body: body, key: people.erin)
            #expect(answer.status == 422)
            let pointers = (answer.json["errors"]?.array ?? []).map { $0["pointer"]?.string }
            #expect(pointers == ["/channel_id"], "\(answer.text)")
            let shown = try await server.call("getHealthAlerts", path, key: people.bob)
            #expect(shown.json["channel_id"] == chosen["channel_id"])
        }
    }
}
