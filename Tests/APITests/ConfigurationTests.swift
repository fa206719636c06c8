import TestSupport
import Testing

@Suite("The configuration as one document")
struct ConfigurationTests {
    /// Two accounts; Alice's has something of everything that a document holds, with names that YAML could misread.
    private struct Scene: Sendable {
        let people: People
        var path: [String: String] { ["account_id": people.account] }
        var other: [String: String] { ["account_id": people.otherAccount] }

        init(_ server: TestServer) async throws {
            people = try await People(server)
            let payments = try await people.channel("Payments")
            let odd = try await people.channel("yes: # \"no\" ~ 支付")
            _ = try await people.channel("007")
            let shared = try await create(
                "createIntegration",
                [
                    "type": "aliyun-arms", "mode": "shared", "name": "ARMS all",
                    "default_channel_ids": [.string(odd)], "labels": ["null": "true", "n": "1e3"],
                    "description": "two\nlines\tand a tab",
                ]
            )
            _ = try await create(
                "createIntegration",
                ["type": "prometheus", "mode": "dedicated", "name": "Prom", "channel_id": .string(payments)]
            )
            for name in ["first", "", "third"] {
                let body: JSON = [
                    "name": .string(name),
                    "conditions": [
                        [["key": "labels.namespace", "operator": "in", "values": ["pay", "/^a|b$/"]]],
                        [["key": "severity", "operator": "not_in", "values": ["Info"]]],
                    ],
                    "channel_ids": [.string(payments), .string(odd)], "on_match": "stop",
                ]
                try await call("createRoute", path.merging(["integration_id": shared]) { $1 }, body)
            }
            let table: JSON = [
                "entries": [["level": "P1", "severity": "Critical"], ["level": "off", "severity": "Info"]],
                "fallback": "Warning",
            ]
            try await call(
                "replaceSeverityTable",
                path.merging(["integration_type": "aliyun-arms"]) { $1 },
                table
            )
        }

        @discardableResult
        func call(
            _ operation: String,
            _ path: [String: String]? = nil,
            _ body: JSON? = nil,
            query: [(String, String)] = [],
            headers: [(String, String)] = [],
            key: String? = nil
        ) async throws -> SpecAnswer {
            try await people.server.call(
                operation,
                path ?? self.path,
                query: query,
                body: body,
                key: key ?? people.alice,
                headers: headers
            )
        }

        func create(_ operation: String, _ body: JSON) async throws -> String {
            let answer = try await call(operation, nil, body)
            return try #require(answer.json["id"]?.string, "\(answer.text)")
        }

        /// Sends a document as text.
        func send(
            _ operation: String,
            _ text: String,
            to path: [String: String],
            type: String,
            headers: [(String, String)] = [],
            key: String
        ) async throws -> SpecAnswer {
            let spec = people.server.spec
            return try await people.server.callRaw(
                try spec.operation(operation),
                path,
                headers: [("Content-Type", type)] + headers,
                body: Array(text.utf8),
                key: key
            )
        }

        func export(_ path: [String: String], _ format: String, key: String) async throws -> SpecAnswer {
            try await call("getConfiguration", path, query: [("format", format)], key: key)
        }
    }

    @Test(
        "export, plan on an empty account, apply, export: the same bytes; apply again: no change, no revision",
        arguments: [("json", "application/json"), ("yaml", "application/yaml")]
    )
    func roundTrip(format: String, type: String) async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            let charlie = scene.people.charlie
            let text = try await scene.export(scene.path, format, key: scene.people.alice).text
            let before = try await scene.export(scene.other, format, key: charlie)
            let plan = try await scene.send(
                "planConfiguration",
                text,
                to: scene.other,
                type: type,
                key: charlie
            )
            #expect(plan.status == 200, "\(plan.text)")
            #expect(try await scene.export(scene.other, format, key: charlie).text == before.text)
            let tag = try #require(before.header("ETag"))
            let applied = try await scene.send(
                "putConfiguration",
                text,
                to: scene.other,
                type: type,
                headers: [("If-Match", tag)],
                key: charlie
            )
            #expect(applied.status == 200, "\(applied.text)")
            let actions = { (answer: SpecAnswer) in
                answer.json["changes"]?.array?.map { $0["action"]?.string ?? "" } ?? []
            }
            #expect(actions(applied) == actions(plan))
            #expect(actions(applied).count == 11)
            let after = try await scene.export(scene.other, format, key: charlie)
            #expect(after.text == text)
            let again = try await scene.send(
                "putConfiguration",
                text,
                to: scene.other,
                type: type,
                key: charlie
            )
            #expect(again.json["changes"] == [])
            #expect(again.json["revision"] == applied.json["revision"])
            let untouched = try await scene.export(scene.other, format, key: charlie)
            #expect(untouched.header("ETag") == after.header("ETag"))
            let stale = try await scene.send(
                "putConfiguration",
                text,
                to: scene.other,
                type: type,
                headers: [("If-Match", tag)],
                key: charlie
            )
            #expect(stale.status == 412)
        }
    }

    @Test("every revision can be had again, after changes of each kind, and gone back to")
    func history() async throws {
        try await TestServer.with { server in
            let scene = try await Scene(server)
            let key = scene.people.alice
            var kept: [(revision: JSON, text: String)] = []
            func keep() async throws {
                let list = try await scene.call("listRevisions", query: [("limit", "1")])
                let revision = try #require(list.json["items"]?[0]?["revision"])
                kept.append((revision, try await scene.export(scene.path, "json", key: key).text))
            }
            try await keep()
            let integrations = try await scene.call("listIntegrations")
            let shared = try #require(
                integrations.json["items"]?.array?.first { $0["mode"] == "shared" }?["id"]?.string
            )
            let inside = scene.path.merging(["integration_id": shared]) { $1 }
            let routes = try #require(try await scene.call("listRoutes", inside).json["items"]?.array)
            let ids = routes.compactMap { $0["id"]?.string }
            let channels = try #require(try await scene.call("listChannels").json["items"]?.array)
            func channel(_ name: String) throws -> [String: String] {
                let id = channels.first { $0["name"]?.string == name }?["id"]?.string
                return scene.path.merging(["channel_id": try #require(id)]) { $1 }
            }
            func route(_ place: Int) -> [String: String] { inside.merging(["route_id": ids[place]]) { $1 } }
            func done(_ operation: String, _ path: [String: String], _ body: JSON? = nil) async throws {
                let query = operation == "deleteChannel" ? [("cascade", "true")] : []
                let answer = try await scene.call(operation, path, body, query: query)
                #expect(answer.status < 300, "\(operation): \(answer.text)")
                try await keep()
            }
            try await done("updateRoute", route(2), ["position": 0])
            try await done(
                "createRoute",
                inside,
                [
                    "position": 1, "conditions": [], "mode": "name_mapping",
                    "name_mapping_label": "team",
                ]
            )
            try await done("deleteRoute", route(1))
            let list: JSON = [
                "routes": [
                    ["conditions": [], "channel_ids": [.string(try channel("007")["channel_id"] ?? "")]],
                    [
                        "id": .string(ids[0]), "name": "kept", "conditions": [],
                        "channel_ids": [.string(try channel("Payments")["channel_id"] ?? "")],
                    ],
                ]
            ]
            try await done("replaceRoutes", inside, list)
            try await done("updateChannel", try channel("Payments"), ["name": "Pay", "status": "disabled"])
            try await done("deleteChannel", try channel("007"))
            let table = scene.path.merging(["integration_type": "aliyun-arms"]) { $1 }
            try await done("updateSeverityTable", table, ["entries": [["level": "off", "severity": .null]]])
            try await done("resetSeverityTable", table)
            try await done("deleteIntegration", inside)
            #expect(Set(kept.map(\.text)).count == kept.count)

            for (revision, text) in kept {
                let query = [("revision", revision.description)]
                let found = try await scene.call("getConfiguration", query: query)
                #expect(found.text == text, "revision \(revision)")
                let detail = try await scene.call(
                    "getRevision",
                    scene.path.merging(["revision": revision.description]) { $1 }
                )
                #expect(detail.json["diff"]?.array?.isEmpty == false)
            }
            for (revision, text) in [kept[0], kept[4], kept[7], kept[2]] {
                let restored = try await scene.call(
                    "restoreRevision",
                    scene.path.merging(["revision": revision.description]) { $1 },
                    query: [("note", "back")]
                )
                #expect(restored.status == 200, "\(restored.text)")
                #expect(try await scene.export(scene.path, "json", key: key).text == text)
                let made = try #require(restored.json["revision"])
                let detail = try await scene.call(
                    "getRevision",
                    scene.path.merging(["revision": made.description]) { $1 }
                )
                #expect(detail.json["note"] == "back")
            }
        }
    }

    @Test(
        "a bad document changes nothing, and all that is wrong is told with pointers",
        arguments: [
            (
                #"{"channels":{"A":{"status":"on"},"a":{}},"integrations":{},"severity_tables":{},"x":1}"#,
                ["/channels/A/status", "/channels/a", "/x"]
            ),
            (
                #"{"channels":{},"integrations":{"I":{"type":"aliyun-arms","mode":"dedicated","channel":"B"}}}"#,
                ["/integrations/I/channel", "/severity_tables"]
            ),
            (
                """
                {"channels":{"B":{}},"severity_tables":{"zabbix":{"entries":[],"fallback":"Info"}},"integrations":{"I/J":{
                "type":"aliyun-arms","mode":"shared","default_channels":["b","C"],"routes":[{"conditions":[],"channels":["D"]}]}}}
                """,
                [
                    "/severity_tables/zabbix", "/integrations/I~1J/default_channels/1",
                    "/integrations/I~1J/routes/0/channels/0",
                ]
            ),
        ]
    )
    func refusals(text: String, pointers: [String]) async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let answer = try await server.callRaw(
                try server.spec.operation("putConfiguration"),
                ["account_id": people.account],
                headers: [("Content-Type", "application/json")],
                body: Array(text.utf8),
                key: people.erin
            )
            #expect(answer.status == 422, "\(answer.text)")
            let told = answer.json["errors"]?.array?.compactMap { $0["pointer"]?.string } ?? []
            for pointer in pointers { #expect(told.contains(pointer), "\(pointer) in \(told)") }
            let list = try await server.call(
                "listChannels",
                ["account_id": people.account],
                key: people.bob
            )
            #expect(list.json["items"] == [])
        }
    }
}
