import Domain
import TestSupport
import Testing

@Suite("ARMS through a running server")
struct ARMSTableTests {
    /// What a push does to a fresh integration, in order: the alerts, and of each event severity, status and outcome.
    private static let table: [(name: String, alerts: [ARMS.Alert], results: [[String]])] = [
        ("P1", [.init("p1", "P1")], [["Critical", "Critical", "opened"]]),
        ("P2", [.init("p2", "P2")], [["Warning", "Warning", "opened"]]),
        ("P3", [.init("p3", "P3")], [["Warning", "Warning", "opened"]]),
        ("P4", [.init("p4", "P4")], [["Info", "Info", "opened"]]),
        ("error", [.init("e")], [["Warning", "Warning", "opened"]]),
        ("the same", [.init("e")], [["Warning", "Warning", "duplicate"]]),
        (
            "resolved", [.init("e", status: "resolved", endsAt: "2026-11-20T08:30:00.000000000Z")],
            [["Warning", "Ok", "recovered"]]
        ),
        (
            "resolved again", [.init("e", status: "resolved", endsAt: "2026-11-20T08:30:00.000000000Z")],
            [["Warning", "Ok", "duplicate"]]
        ),
        ("a late copy", [.init("e")], [["Warning", "Warning", "ignored"]]),
        (
            "a mixed group",
            [.init("g1", "critical"), .init("g2", "warning"), .init("g3", "page", status: "resolved")],
            [
                ["Critical", "Critical", "opened"], ["Warning", "Warning", "opened"],
                ["Info", "Ok", "ignored"],
            ]
        ),
        ("no severity, no fingerprint", [.init(nil, nil)], [["Warning", "Warning", "opened"]]),
        ("an unknown severity", [.init("u", "sev-zero")], [["Warning", "Warning", "opened"]]),
    ]

    @Test("a fresh dedicated integration takes the documented bodies with the documented results")
    func documentedResults() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let channel = try await people.channel("Payments")
            let integration = try await people.dedicated("ARMS", channel: channel)
            for (name, alerts, expected) in Self.table {
                let answer = try await server.push(integration.url, ARMS.body(alerts))
                #expect(answer.status == 200, "\(name)")
                let id = try #require(answer.json["data"]?["delivery_id"]?.string)
                let delivery = try await server.call(
                    "getDelivery",
                    ["account_id": people.account, "delivery_id": id],
                    key: people.bob
                )
                let results = delivery.json["results"]?.array ?? []
                let found = results.map { result in
                    ["severity", "status", "outcome"].map { result[$0]?.string ?? "" }
                }
                #expect(found == expected, "\(name)")
            }
        }
    }

    @Test(
        "the console's test button raises nothing and says that the URL works",
        arguments: ["$alertmanager_content", #"{"alert": "$alertmanager_content"}"#]
    )
    func testButton(body: String) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let integration = try await people.dedicated(
                "ARMS",
                channel: try await people.channel("Payments")
            )
            let answer = try await server.push(
                integration.url,
                Array(body.utf8),
                headers: [("Content-Type", "text/plain; charset=UTF-8")]
            )
            #expect(answer.status == 200)
            #expect(answer.json["data"]?["test"] == true)
            let alerts = try await server.call("listAlerts", ["account_id": people.account], key: people.bob)
            #expect(alerts.json["items"]?.array?.isEmpty == true)
        }
    }

    @Test("an account's own severity table changes only that account")
    func ownTable() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let mine = try await people.dedicated("ARMS", channel: try await people.channel("Payments"))
            let channel = try await people.channel("Theirs", in: people.otherAccount, key: people.charlie)
            let theirs = try await people.dedicated(
                "ARMS",
                channel: channel,
                in: people.otherAccount,
                key: people.charlie
            )
            try await server.call(
                "replaceSeverityTable",
                ["account_id": people.account, "integration_type": "aliyun-arms"],
                body: ["entries": [["level": "P2", "severity": "Critical"]], "fallback": "Info"],
                key: people.alice
            )
            for (url, account, key, expected) in [
                (mine.url, people.account, people.alice, "Critical"),
                (theirs.url, people.otherAccount, people.charlie, "Warning"),
            ] {
                try await server.push(url, ARMS.body([.init("a", "error")]))
                let alerts = try await server.call("listAlerts", ["account_id": account], key: key)
                #expect(alerts.json["items"]?[0]?["severity"]?.string == expected)
            }
        }
    }

    @Test("a route edited between firing and recovery leaves no alert open")
    func editedRoute() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let first = try await people.channel("First")
            let second = try await people.channel("Second")
            let integration = try await people.shared("ARMS all")
            let path = ["account_id": people.account, "integration_id": integration.id]
            func route(to channel: String) async throws {
                let routes: JSON = ["routes": [["conditions": [], "channel_ids": [.string(channel)]]]]
                try await server.call("replaceRoutes", path, body: routes, key: people.erin)
            }
            try await route(to: first)
            try await server.push(integration.url, ARMS.body([.init("a")]))
            try await route(to: second)
            try await server.push(
                integration.url,
                ARMS.body([.init("a", status: "resolved", endsAt: "2026-11-20T09:00:00Z")])
            )
            let open = try await server.call(
                "listAlerts",
                ["account_id": people.account],
                query: [("active", "true")],
                key: people.bob
            )
            #expect(open.json["items"]?.array?.isEmpty == true)
        }
    }
}
