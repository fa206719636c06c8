import TestSupport
import Testing

@Suite("The record of changes")
struct AuditTests {
    @Test("is listed newest first, filtered, and exported line by line; nothing writes it")
    func lists() async throws {
        try await TestServer.with { server in
            let people = try await People(server)
            let path = ["account_id": people.account]
            for name in ["A", "B", "C"] { _ = try await people.channel(name, key: people.erin) }
            let all = try await server.call("listAudit", path, key: people.alice)
            let actions = all.json["items"]?.array?.compactMap { $0["action"]?.string } ?? []
            #expect(actions.prefix(3) == ["channel.create", "channel.create", "channel.create"])
            #expect(actions.last == "account.create")
            let me = try await server.call("getMe", key: people.erin)
            let erin = try #require(me.json["api_key_id"]?.string)
            let query = [("actor_id", erin), ("action", "channel"), ("limit", "2")]
            let page = try await server.call("listAudit", path, query: query, key: people.alice)
            #expect(page.json["items"]?.array?.count == 2)
            let cursor = try #require(page.json["next_cursor"]?.string)
            let rest = try await server.call(
                "listAudit",
                path,
                query: query + [("cursor", cursor)],
                key: people.alice
            )
            #expect(rest.json["items"]?.array?.count == 1)
            let entry = try #require(rest.json["items"]?[0])
            #expect(entry["before"] == .null)
            #expect(entry["after"]?["name"] == "A")
            #expect(entry["address"] == "127.0.0.1")
            #expect(entry["actor_role"] == "editor")
            let export = try await server.call("exportAudit", path, key: people.alice)
            let lines = export.text.split(separator: "\n")
            #expect(lines.count == actions.count)
            #expect(try JSON(parsing: Array(lines[0].utf8)) == all.json["items"]?[0])
            let operations = server.spec.operations.filter { $0.path.contains("/audit") }
            #expect(operations.allSatisfy { $0.method == "GET" })
        }
    }

    @Test("holds no secret of what was made, changed or shown")
    func secrets() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let made = try await server.call(
                "createAPIKey",
                estate.path,
                body: ["name": "one more"],
                key: estate.admin
            )
            let revealed = try await server.call("revealPushURL", estate.path, key: estate.admin)
            let rotated = try await server.call("rotateNotifierSecret", estate.path, key: estate.admin)
            let export = try await server.call("exportAudit", estate.path, key: estate.admin)
            #expect(export.text.contains("notifier.rotate_secret"))
            let url = try #require(revealed.json["url"]?.string)
            let token = url.split(separator: "/").last.map { String($0) }
            let secrets = [
                made.json["secret"]?.string, token, rotated.json["signing_secret"]?.string,
                "Bearer \(estate.owner)", String(estate.owner.filter { $0 != " " }),
            ]
            for secret in secrets { #expect(!export.text.contains(try #require(secret))) }
        }
    }

    @Test("one call makes an account with all that it needs, and one bad part makes none of it")
    func onboarding() async throws {
        try await TestServer.with { server in
            let body: JSON = [
                "account": ["name": "Example Shop"], "api_key": ["name": "ci", "role": "editor"],
                "channel": ["name": "Payments"], "integration": ["type": "aliyun-arms", "name": "ARMS"],
            ]
            let answer = try await server.call("onboard", body: body, key: server.operatorKey)
            #expect(answer.status == 201, "\(answer.text)")
            let url = try #require(answer.json["integration"]?["push_url"]?.string)
            let key = try #require(answer.json["api_key"]?["secret"]?.string)
            let account = try #require(answer.json["account"]?["id"]?.string)
            #expect(try await server.push(url, ARMS.body([.init("a")])).status == 200)
            let alerts = try await server.call("listAlerts", ["account_id": account], key: key)
            let alert = try #require(alerts.json["items"]?[0])
            #expect(alert["channel_id"] == answer.json["channel"]?["id"])
            let count = { (answer: SpecAnswer) in answer.json["items"]?.array?.count ?? 0 }
            let before = count(try await server.call("listAccounts", key: server.operatorKey))
            var bad = try #require(body.object)
            bad["integration"] = ["type": "zabbix", "name": "ARMS"]
            let refused = try await server.call("onboard", body: .object(bad), key: server.operatorKey)
            #expect(refused.status == 422)
            #expect(refused.json["errors"]?[0]?["pointer"] == "/integration/type")
            bad = try #require(body.object)
            bad["account"] = ["name": "Example Shop", "limits": ["calls_per_second": 10, "call_burst": 5]]
            let bounded = try await server.call("onboard", body: .object(bad), key: server.operatorKey)
            #expect(bounded.json["errors"]?[0]?["pointer"] == "/account/limits/call_burst", "\(bounded.text)")
            #expect(count(try await server.call("listAccounts", key: server.operatorKey)) == before)
        }
    }
}
