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
}

extension Spec {
    /// The operations of the management API.
    var management: [Operation] { operations.filter { $0.path.hasPrefix("/v1") } }
    /// Those for senders.
    var pushes: [Operation] { operations.filter { $0.requiredRole == .push } }
}

extension Spec.Operation {
    /// Whether its path names an account.
    var isInAccount: Bool { pathParameterNames.contains("account_id") }
}
