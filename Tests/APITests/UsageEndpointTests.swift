import TestSupport
import Testing

@Suite("Usage by day")
struct UsageEndpointTests {
    /// What `getUsage` answers.
    private func usage(_ people: People, _ query: [(String, String)] = []) async throws -> SpecAnswer {
        try await people.server.call(
            "getUsage",
            ["account_id": people.account],
            query: query,
            key: people.bob
        )
    }

    @Test("an account's pushes and refusals are told by day and in all, and nobody else's")
    func days() async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            let people = try await People(server)
            let channel = try await people.channel("Payments")
            let arms = try await people.dedicated("ARMS", channel: channel)
            let bodies = [ARMS.body([.init("a"), .init("b")]), Array("{".utf8), ARMS.body([.init("a")])]
            try await server.push(arms.url, bodies[0])
            try await server.push(arms.url, bodies[1])
            clock.advance(seconds: 86_400)
            try await server.push(arms.url, bodies[2])
            let answer = try await server.eventually("refusals") {
                try await usage(people).json
            } until: {
                $0["total"]?["refusals"]?[0] != nil
            }
            let refusals: JSON = [["reason": "quarantined", "count": 1]]
            let size = { (bodies: ArraySlice<[UInt8]>) in
                JSON.integer(Int64(bodies.map(\.count).reduce(0, +)))
            }
            #expect(answer["since"] == "2026-10-23")
            #expect(answer["until"] == "2026-11-22")
            #expect(
                answer["days"] == [
                    [
                        "day": "2026-11-20", "pushes": 2, "bytes": size(bodies[..<2]), "events": 2,
                        "refusals": refusals,
                    ],
                    [
                        "day": "2026-11-21", "pushes": 1, "bytes": size(bodies[2...]), "events": 1,
                        "refusals": [],
                    ],
                ]
            )
            #expect(
                answer["total"] == [
                    "pushes": 3, "bytes": size(bodies[...]), "events": 3, "refusals": refusals,
                ]
            )
            let one = try await usage(people, [("since", "2026-11-21"), ("until", "2026-11-22")])
            #expect(one.json["days"]?.array?.count == 1)
            #expect(one.json["total"]?["pushes"] == 1)
            let other = try await server.call(
                "getUsage",
                ["account_id": people.otherAccount],
                key: people.olga
            )
            #expect(other.json["days"] == [])
        }
    }

    @Test(
        "the days must be days, in order, and not too many",
        arguments: [
            ([("since", "2026-11-20")], 200), ([("since", "2026-11-21")], 422),
            ([("since", "2026-11-20"), ("until", "2026-11-20")], 422),
            ([("since", "2025-10-17")], 200), ([("since", "2025-10-16")], 422),
            ([("since", "1970-01-01"), ("until", "1971-02-05")], 200), ([("since", "2026-02-30")], 422),
            ([("until", "2026-11-20T00:00:00Z")], 422), ([("until", "9999-12-31")], 200),
            ([("until", "0000-01-02")], 200), ([("until", "0000-01-01")], 422),
            ([("until", "soon"), ("since", "2000-01-01")], 422),
        ]
    )
    func range(query: [(String, String)], status: Int) async throws {
        try await TestServer.with(clock: SetClock().wall) { server in
            let answer = try await usage(try await People(server), query)
            #expect(answer.status == status, "\(answer.text)")
            if status == 422 { #expect(answer.json["errors"]?.array?.count == 1, "\(answer.text)") }
        }
    }
}
