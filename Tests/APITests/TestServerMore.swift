import Domain
import Storage
import TestSupport
import Testing

extension TestServer {
    /// Calls `operation` with raw bytes as its body and checks the answer against openapi.yaml.
    func callRaw(
        _ operation: Spec.Operation,
        _ path: [String: String],
        query: String = "",
        headers: [(String, String)] = [],
        body: [UInt8]? = nil,
        key: String? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> SpecAnswer {
        var headers = headers
        if let key { headers.append(("Authorization", "Bearer \(key)")) }
        let answer = try await send(
            operation.method,
            try operation.path(path) + (query.isEmpty ? "" : "?\(query)"),
            headers: headers,
            body: body
        )
        coverage.record(operation.id, answer.status)
        for violation in spec.violations(of: answer, to: operation) {
            Issue.record(
                "\(operation.id) \(answer.status): \(violation) in \(answer.text.prefix(600))",
                sourceLocation: sourceLocation
            )
        }
        return answer
    }

    /// Gives up what waits for the notifier in `path`.
    func giveUp(_ path: [String: String]) async throws {
        let account = try #require(path["account_id"].flatMap { AccountID($0) })
        let notifier = try #require(path["notifier_id"].flatMap { NotifierID($0) })
        var work = Outbox.Work(
            OutboxSignal.Key(account: try await store.accounts.find(account).number, notifier: notifier)
        )
        work.givesUp = true
        try await store.outbox.write([work])
    }

    /// Removes all that deleted accounts hold.
    func purgeDeleted() async throws {
        while try await !store.deletions.purge(limit: 1_000).isIdle {}
    }

    /// What `read` answers once it fits `isDone`; fails after 40 s.
    func eventually<Value: Sendable>(
        _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ read: () async throws -> Value,
        until isDone: (Value) -> Bool
    ) async throws -> Value {
        let end = ContinuousClock.now.advanced(by: .seconds(40))
        var value = try await read()
        while !isDone(value) {
            guard ContinuousClock.now < end else {
                Issue.record("\(what): still \(value)", sourceLocation: sourceLocation)
                return value
            }
            try await Task.sleep(for: .milliseconds(20))
            value = try await read()
        }
        return value
    }
}

extension Spec {
    /// The operations of the management API that want a key.
    var management: [Operation] {
        operations.filter { $0.path.hasPrefix("/v1") && $0.requiredRole != .credential }
    }
    /// Those for senders.
    var pushes: [Operation] { operations.filter { $0.requiredRole == .push } }
}

extension Spec.Operation {
    /// Whether it is about what an account holds.
    var isInAccount: Bool { path.hasPrefix("/v1/accounts/{account_id}") }
}
