import TestSupport
import Testing

@Suite("Source rules of integrations")
struct SourceFieldsTests {
    /// Changes an integration.
    private func update(_ people: People, _ id: String, _ body: JSON) async throws -> SpecAnswer {
        try await people.server.call(
            "updateIntegration",
            ["account_id": people.account, "integration_id": id],
            body: body,
            key: people.erin
        )
    }

    @Test("are empty unless given, kept by a change of other fields, and replaced whole")
    func edited() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let id = try await people.shared("ARMS").id
            let path = ["account_id": people.account, "integration_id": id]
            func expect(_ cidrs: JSON, _ pinned: JSON) async throws {
                let found = try await server.call("getIntegration", path, key: people.bob)
                #expect(found.json["source_cidrs"] == cidrs)
                #expect(found.json["pinned_labels"] == pinned)
            }
            try await expect([], [:])
            let cidrs: JSON = ["10.0.0.0/8", "2001:DB8::/32", "203.0.113.7"]
            let changed = try await update(
                people,
                id,
                ["source_cidrs": cidrs, "pinned_labels": ["user": "7"]]
            )
            #expect(changed.json["source_cidrs"] == cidrs)
            try await expect(cidrs, ["user": "7"])
            #expect(try await update(people, id, ["name": "Other"]).status == 200)
            try await expect(cidrs, ["user": "7"])
            #expect(try await update(people, id, ["pinned_labels": ["region": "hz"]]).status == 200)
            try await expect(cidrs, ["region": "hz"])
            #expect(try await update(people, id, ["source_cidrs": []]).status == 200)
            try await expect([], ["region": "hz"])
        }
    }

    @Test("can be given when an integration is created, and are listed")
    func created() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let body: JSON = [
                "type": "aliyun-arms", "mode": "shared", "name": "ARMS",
                "source_cidrs": ["::1", "127.0.0.0/8"],
                "pinned_labels": ["user": "7"],
            ]
            let path = ["account_id": people.account]
            let made = try await server.call("createIntegration", path, body: body, key: people.erin)
            #expect(made.status == 201, "\(made.text)")
            let list = try await server.call("listIntegrations", path, key: people.bob)
            for found in [made.json, list.json["items"]?[0]] {
                #expect(found?["source_cidrs"] == ["::1", "127.0.0.0/8"])
                #expect(found?["pinned_labels"] == ["user": "7"])
            }
        }
    }

    @Test("are part of the configuration's document")
    func document() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let id = try await people.shared("ARMS").id
            let rules: [String: JSON] = ["source_cidrs": ["10.0.0.0/8"], "pinned_labels": ["user": "7"]]
            #expect(try await update(people, id, .object(rules)).status == 200)
            let path = ["account_id": people.account]
            let document = try await server.call("getConfiguration", path, key: people.erin)
            let found = document.json["integrations"]?["ARMS"]
            for (name, value) in rules { #expect(found?[name] == value) }
            #expect(try await update(people, id, ["source_cidrs": [], "pinned_labels": [:]]).status == 200)
            let applied = try await server.call(
                "putConfiguration",
                path,
                body: document.json,
                key: people.erin
            )
            #expect(applied.json["changes"]?.array?.count == 1, "\(applied.text)")
            let again = try await server.call("getConfiguration", path, key: people.erin)
            #expect(again.body == document.body)
        }
    }

    @Test("what is no network or no label is named, all at once")
    func bad() async throws {
        let many = JSON.array(Array(repeating: "10.0.0.0/8", count: 51))
        let names = JSON.object(Dictionary(uniqueKeysWithValues: (0..<11).map { ("l\($0)", "v") }))
        let cases: [(JSON, [String])] = [
            (["source_cidrs": ["10.0.0.0/8", "x", "10.0.0.0/33"]], ["/source_cidrs/1", "/source_cidrs/2"]),
            (["source_cidrs": ["example.com", "10.0.0.1-9", "", 7]], (0..<4).map { "/source_cidrs/\($0)" }),
            (["source_cidrs": "10.0.0.0/8"], ["/source_cidrs"]), (["source_cidrs": .null], ["/source_cidrs"]),
            (["source_cidrs": many], ["/source_cidrs"]), (["pinned_labels": names], ["/pinned_labels"]),
            (["pinned_labels": .null], ["/pinned_labels"]), (["pinned_labels": []], ["/pinned_labels"]),
            (["pinned_labels": ["user": "", "id": 7]], ["/pinned_labels/id", "/pinned_labels/user"]),
            (["pinned_labels": ["": "v"]], ["/pinned_labels/"]),
            (
                ["pinned_labels": ["a/b": .string(String(repeating: "v", count: 2_049))]],
                ["/pinned_labels/a~1b"]
            ),
        ]
        try await TestServer.with { server in
            let people = try await People(server)
            let id = try await people.shared("ARMS").id
            for (body, pointers) in cases {
                let answer = try await update(people, id, body)
                #expect(answer.status == 422, "\(body)")
                let found = (answer.json["errors"]?.array ?? []).compactMap { $0["pointer"]?.string }
                #expect(found.sorted() == pointers, "\(body)")
            }
            let long: JSON = ["pinned_labels": ["user": .string(String(repeating: "v", count: 2_048))]]
            #expect(try await update(people, id, long).status == 200)
        }
    }
}
