import TestSupport
import Testing

@Suite("Deletion of accounts over the API")
struct DeletionTests {
    @Test("answers 202 with where to look, and ends with what was removed")
    func proof() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let account = try #require(estate.path["account_id"])
            let path = ["account_id": account, "deleted_account_id": account]
            let dry = try await server.call(
                "deleteAccount",
                path,
                query: [("dry_run", "true")],
                key: server.operatorKey
            )
            #expect(dry.status == 202 && dry.json["status"] == "running")
            #expect(try await server.call("getDeletion", path, key: server.operatorKey).status == 404)
            #expect(try await server.call("getAccount", path, key: estate.viewer).status == 200)

            let deleted = try await server.call("deleteAccount", path, key: server.operatorKey)
            #expect(deleted.status == 202)
            #expect(deleted.header("Location") == "/v1/deletions/\(account)")
            #expect(deleted.json["finished_at"] == .null)
            #expect(try await server.push(estate.shared.url, Array("{}".utf8)).status == 401)
            let again = try await server.call("deleteAccount", path, key: server.operatorKey)
            #expect(again.status == 404 && again.text.contains("/v1/deletions/\(account)"))
            let running = try await server.call("getDeletion", path, key: server.operatorKey)
            // Its rows go already.
            for field in ["account_id", "requested_at", "requested_by", "stored_bytes"] {
                #expect(running.json[field] == deleted.json[field], "\(field)")
            }

            try await server.purgeDeleted()
            let end = try await server.call("getDeletion", path, key: server.operatorKey)
            #expect(end.json["status"] == "finished" && end.json["finished_at"]?.string != nil)
            let expected: [String: JSON] = [
                "deliveries": 1, "events": 1, "alerts": 1, "integrations": 2, "channels": 3,
            ]
            for (table, count) in expected { #expect(end.json["removed"]?[table] == count, "\(table)") }
            #expect(end.json["stored_bytes"] == deleted.json["stored_bytes"])
            #expect(end.text.contains(estate.owner) == false)
            try await listed(account, server)
        }
    }

    private func listed(_ account: String, _ server: TestServer) async throws {
        let key = server.operatorKey
        let finished = try await server.call("listDeletions", query: [("status", "finished")], key: key)
        #expect(finished.json["items"]?.array?.contains { $0["account_id"]?.string == account } == true)
        let running = try await server.call("listDeletions", query: [("status", "running")], key: key)
        #expect(running.json["items"]?.array?.isEmpty == true)
        let query = [("action", "account.purge"), ("resource", account)]
        let record = try await server.call("listInstallationAudit", query: query, key: key)
        #expect(record.json["items"]?[0]?["detail"]?["removed"]?["events"] == 1)
    }

    @Test("is the operator's to see, and nothing is told of an account that is there")
    func visibility() async throws {
        try await TestServer.with { server in
            let estate = try await Estate(server)
            let path = ["deleted_account_id": estate.deletedID]
            #expect(try await server.call("getDeletion", path, key: estate.admin).status == 403)
            #expect(try await server.call("listDeletions", key: estate.admin).status == 403)
            let there = ["deleted_account_id": estate.path["account_id"] ?? ""]
            #expect(try await server.call("getDeletion", there, key: server.operatorKey).status == 404)
        }
    }
}
