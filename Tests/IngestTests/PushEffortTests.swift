import Domain
import Storage
import TestSupport
import Testing

@testable import Ingest

@Suite("Where a push is decided")
struct PushEffortTests {
    @Test("what takes microseconds is decided at once, what may take longer in the account's turn")
    func sizes() async throws {
        try await TestServer.with { server in
            let sender = try await Sender(server)
            let id = try #require(AccountID(sender.people.account))
            let number = try await server.store.accounts.find(id).number
            let found = try await server.store.snapshots.snapshot(of: number, now: server.store.now)
            let account = try #require(found)
            let integration = try #require(account.integrations.values.first)
            func isSmall(_ body: String, _ contentType: Text? = "application/json") -> Bool {
                PushEffort.isSmall(Array(body.utf8), contentType, integration, account)
            }
            let one = String(decoding: Sender.body, as: UTF8.self)
            #expect(isSmall(one) && isSmall("") && isSmall("nonsense"))
            #expect(
                isSmall(one, "text/plain; charset=UTF-8") && isSmall(one, "a/b;charset=\"utf8\"")
                    && isSmall(one, nil)
            )
            // Many alerts, many bytes, and what the C library has to convert.
            #expect(!isSmall("[" + String(repeating: "{},", count: 10_000) + "{}]"))
            #expect(!isSmall("[" + String(repeating: "{},", count: 12) + "{}]"))
            #expect(!isSmall("{\"a\":\"" + String(repeating: "x", count: 20_000) + "\"}"))
            #expect(!isSmall(one, "application/json; charset=GBK"))
            #expect(!isSmall(one, "application/json; charset=gbk; x=utf-8"))
            // What a repair has to rewrite, and braces that are hidden in a string.
            #expect(!isSmall("{\"a\":\"" + String(repeating: "\t", count: 2_000) + "\"}"))
            #expect(!isSmall("\u{FEFF} \"\\u007b\\\"alerts\\\":[]\\u007d\""))
            #expect(!PushEffort.isSmall(Array(one.utf8) + [0xB1], nil, integration, account))
            #expect(!PushEffort.isSmall([0xFF, 0xFE, 0x7B, 0], nil, integration, account))
        }
    }
}
