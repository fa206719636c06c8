import Domain
import Synchronization
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

/// A clock that begins on the day of the examples in openapi.yaml and that a test can move on.
final class SetClock: Sendable {
    private let ahead = Atomic<Int64>(1_795_161_600_000)
    private let start = ContinuousClock.now

    /// For the server.
    var wall: WallClock {
        WallClock {
            let elapsed = self.start.duration(to: .now) / .milliseconds(1)
            return UnixTime(milliseconds: self.ahead.load(ordering: .relaxed) + Int64(elapsed))
        }
    }

    /// Moves it on.
    func advance(seconds: Int64) {
        ahead.add(seconds * 1_000, ordering: .relaxed)
    }
}

extension SpecAnswer {
    /// The body without what differs from request to request, for comparing two answers byte by byte.
    var withoutRequestID: String {
        guard let id = header("X-Request-Id") else { return text }
        return text.replacing(id, with: "REQUEST")
    }
}

/// A clock that stands still, so that no bucket fills up again.
enum WallClockAtRest {
    static let wall = WallClock { UnixTime(milliseconds: 1_795_161_600_000) }
}
