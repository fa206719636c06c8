import TestSupport
import Testing

@Suite("Deliveries, events and alerts")
struct HistoryTests {
    /// What happened: at 8:00 `a` fired, at 9:00 `b`, at 10:00 `a` recovered, at 11:00 `c` fired; then came a
    /// body that is no JSON and a test.
    private struct History: Sendable {
        let people: People
        let clock: SetClock
        /// What stands for what in the queries of the tables.
        private(set) var ids: [String: String] = [:]

        init(_ server: TestServer, _ clock: SetClock) async throws {
            self.clock = clock
            people = try await People(server)
            let payments = try await people.channel("Payments")
            let search = try await people.channel("Search")
            let arms = try await people.dedicated("ARMS", channel: payments)
            let standard = try await people.dedicated("Standard", type: "standard", channel: search)
            let labels = [("alertname", "CPU high"), ("namespace", "shop")]
            let first = try await server.push(arms.url, ARMS.body([.init("a", "critical", labels: labels)]))
            clock.advance(seconds: 3_600)
            let disk = #"{"title_rule":"Disk 100% full","event_status":"Warning","alert_key":"b","#
            try await server.push(standard.url, Array((disk + #""labels":{"host":"db-7"}}"#).utf8))
            clock.advance(seconds: 3_600)
            let over = ARMS.Alert(
                "a",
                "critical",
                status: "resolved",
                endsAt: "2026-11-20T09:59:00Z",
                labels: labels
            )
            try await server.push(arms.url, ARMS.body([over]))
            clock.advance(seconds: 3_600)
            let other = [("alertname", "cpu low"), ("namespace", "pay")]
            try await server.push(arms.url, ARMS.body([.init("c", "P4", labels: other)]))
            try await server.push(arms.url, Array("{".utf8))
            try await server.push(arms.url, Array("$alertmanager_content".utf8))
            ids = ["PAYMENTS": payments, "SEARCH": search, "ARMS": arms.id, "STANDARD": standard.id]
            ids["DELIVERY"] = first.json["data"]?["delivery_id"]?.string
            let a = try await call("listAlerts", [("alert_key", "a")])
            ids["ALERT"] = a.first?["id"]?.string
        }

        /// The items of a list.
        func call(_ operation: String, _ query: [(String, String)]) async throws -> [JSON] {
            let answer = try await people.server.call(
                operation,
                ["account_id": people.account],
                query: query.map { ($0.0, ids[$0.1] ?? $0.1) },
                key: people.bob
            )
            #expect(answer.status == 200, "\(answer.text)")
            return answer.json["items"]?.array ?? []
        }
    }

    private func withHistory(_ body: @Sendable (History) async throws -> Void) async throws {
        let clock = SetClock()
        try await TestServer.with(clock: clock.wall) { server in
            try await body(try await History(server, clock))
        }
    }

    @Test(
        "alerts are listed by each filter",
        arguments: [
            ([], ["c", "b", "a"]), ([("active", "true")], ["c", "b"]), ([("active", "false")], ["a"]),
            ([("severity", "Warning")], ["b"]), ([("severity", "Critical")], ["a"]),
            ([("status", "Ok")], ["a"]), ([("status", "Info")], ["c"]), ([("status", "Critical")], []),
            ([("alert_key", "b")], ["b"]), ([("label", "host:db-7")], ["b"]),
            ([("label", "namespace:shop"), ("label", "alertname:CPU high")], ["a"]),
            ([("label", "namespace:shop"), ("label", "host:db-7")], []), ([("q", "CPU")], ["c", "a"]),
            ([("q", "100%")], ["b"]), ([("q", "1%f")], []), ([("q", "_")], []),
            ([("channel_id", "PAYMENTS")], ["c", "a"]), ([("channel_id", "SEARCH")], ["b"]),
            ([("integration_id", "STANDARD")], ["b"]), ([("since", "2026-11-20T08:30:00Z")], ["c", "b"]),
            ([("until", "2026-11-20T16:30:00+08:00")], ["a"]),
            ([("since", "2026-11-20T08:30:00Z"), ("until", "2026-11-20T10:30:00Z")], ["b"]),
            ([("active", "true"), ("channel_id", "PAYMENTS")], ["c"]), ([("limit", "2")], ["c", "b"]),
        ]
    )
    func alerts(query: [(String, String)], keys: [String]) async throws {
        try await withHistory { history in
            let items = try await history.call("listAlerts", query)
            #expect(items.map { $0["alert_key"]?.string } == keys)
        }
    }

    @Test(
        "events are listed by each filter",
        arguments: [
            ([], ["c", "a", "b", "a"]), ([("severity", "Critical")], ["a", "a"]), ([("status", "Ok")], ["a"]),
            ([("status", "Warning")], ["b"]), ([("alert_key", "a")], ["a", "a"]),
            ([("alert_id", "ALERT")], ["a", "a"]), ([("delivery_id", "DELIVERY")], ["a"]),
            ([("channel_id", "PAYMENTS")], ["c", "a", "a"]), ([("integration_id", "STANDARD")], ["b"]),
            ([("since", "2026-11-20T09:30:00Z")], ["c", "a"]),
            ([("until", "2026-11-20T09:30:00Z")], ["b", "a"]),
            ([("alert_id", "ALERT"), ("since", "2026-11-20T09:30:00Z")], ["a"]),
        ]
    )
    func events(query: [(String, String)], keys: [String]) async throws {
        try await withHistory { history in
            let items = try await history.call("listEvents", query)
            #expect(items.map { $0["alert_key"]?.string } == keys)
        }
    }

    @Test(
        "deliveries are listed by each filter",
        arguments: [
            ([], 6), ([("outcome", "accepted")], 4), ([("outcome", "quarantined")], 1),
            ([("outcome", "test")], 1), ([("outcome", "refused")], 0), ([("integration_id", "STANDARD")], 1),
            ([("since", "2026-11-20T10:30:00Z")], 3), ([("until", "2026-11-20T08:30:00Z")], 1),
            ([("outcome", "accepted"), ("integration_id", "ARMS")], 3),
        ]
    )
    func deliveries(query: [(String, String)], count: Int) async throws {
        try await withHistory { history in
            let items = try await history.call("listDeliveries", query)
            #expect(items.count == count)
        }
    }

    @Test(
        "a bad filter is named",
        arguments: [
            ("listAlerts", "active", "yes"), ("listAlerts", "severity", "critical"),
            ("listAlerts", "since", "now"), ("listAlerts", "channel_id", "intg_01m7vw4by8es8r65rzyjka792g"),
            ("listEvents", "status", "ok"), ("listEvents", "delivery_id", "1"), ("listEvents", "q", "x"),
            ("listDeliveries", "outcome", "ok"), ("listDeliveries", "until", "1"),
            ("listDeliveries", "severity", "Info"),
        ]
    )
    func badFilter(operation: String, name: String, value: String) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let answer = try await server.call(
                operation,
                ["account_id": people.account],
                query: [(name, value)],
                key: people.bob
            )
            #expect(answer.status == 422)
            #expect(answer.json["errors"]?[0]?["pointer"]?.string == "#/query/\(name)")
        }
    }

    @Test("an event has its trace and says which channels and alerts it reached")
    func oneEvent() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let event = try await server.call("getEvent", estate.path, key: estate.viewer).json
            #expect(event["outcome"] == "opened")
            #expect(event["channels"]?[0]?["alert_id"]?.string == estate.path["alert_id"])
            #expect(event["trace"]?.array?.compactMap { $0["step"]?.string }.contains("reduce") == true)
        }
    }

    @Test("an alert is closed by whom and when; a later firing opens a new one")
    func close() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let me = try await server.call("getMe", key: estate.editor).json
            let closed = try await server.call("closeAlert", estate.path, key: estate.editor)
            #expect(closed.status == 200)
            #expect(closed.json["closed_by"] == me["api_key_id"])
            #expect(closed.json["closed_at"] != .null)
            #expect(closed.json["recovered_at"] == .null)
            let again = try await server.call("closeAlert", estate.path, key: estate.editor)
            #expect(again.status == 409)
            #expect(again.json["code"] == "conflict")
            let key = "key of \(estate.owner)"
            try await server.push(estate.dedicated.url, ARMS.body([.init(key)]))
            let open = try await server.call(
                "listAlerts",
                estate.path,
                query: [("active", "true")],
                key: estate.viewer
            )
            #expect(open.json["items"]?.array?.count == 1)
            #expect(open.json["items"]?[0]?["id"]?.string != estate.path["alert_id"])
        }
    }
}
