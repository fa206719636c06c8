import App
import Domain
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Native
import Storage
import Synchronization
import TestDatabases
import Testing

/// A real server on a free port of 127.0.0.1, over a data directory of its own and on the engine of this run, spoken to by HTTP.
///
/// Every call is held against openapi.yaml: an undocumented status, header or field fails the test.
package struct TestServer: Sendable {
    /// `http://127.0.0.1:PORT`
    package let base: String
    package let dataDirectory: String
    /// The key of Olga, the operator.
    package let operatorKey: String
    package let store: Store
    package let spec: Spec
    package let coverage: SpecCoverage
    /// What the server logged, as text.
    package let log: CapturedLog

    /// Asks for nothing packed, and unpacks nothing.
    private static let client = TransferEngine(roots: CertificateStore())

    /// Pushes wait as long as it takes: a build for tests, beside all other tests, is no measure of time.
    package static var patient: GroupCommit.Bounds {
        var bounds = GroupCommit.Bounds()
        (bounds.wait, bounds.work) = (.seconds(100), .seconds(60))
        return bounds
    }

    /// Runs `body` with a server that is stopped, and whose directory is removed, when it returns or throws.
    package static func with<Result: Sendable>(
        options: [String: String] = [:],
        bounds: GroupCommit.Bounds = patient,
        clock: WallClock = SystemClock.wall,
        coverage: SpecCoverage = SpecCoverage(),
        _ body: @Sendable (TestServer) async throws -> Result
    ) async throws -> Result {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-"
            + SecureRandom.bytes(8).map(String.init).joined()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await with(
            folder: folder,
            options: options,
            bounds: bounds,
            clock: clock,
            coverage: coverage,
            body
        )
    }

    /// The same on a directory that stays; a database on a server does not.
    package static func with<Result: Sendable>(
        folder: String,
        options: [String: String] = [:],
        bounds: GroupCommit.Bounds = patient,
        clock: WallClock = SystemClock.wall,
        coverage: SpecCoverage = SpecCoverage(),
        _ body: @Sendable (TestServer) async throws -> Result
    ) async throws -> Result {
        guard TestEngine.general == .postgres else {
            return try await serve(folder, options, bounds, clock, coverage, body)
        }
        return try await PostgresDatabase.with { database in
            let options = options.merging(["database-url": database.url]) { $1 }
            return try await serve(folder, options, bounds, clock, coverage, body)
        }
    }

    private static func serve<Result: Sendable>(
        _ folder: String,
        _ options: [String: String],
        _ bounds: GroupCommit.Bounds,
        _ clock: WallClock,
        _ coverage: SpecCoverage,
        _ body: @Sendable (TestServer) async throws -> Result
    ) async throws -> Result {
        var all = ["data-dir": folder, "listen": "127.0.0.1:0", "log-level": "debug"]
        all.merge(options) { $1 }
        let settings = try await Settings.read(options: all, file: nil)
        let log = CapturedLog()
        let logger = Logger(label: "test") { JSONLogHandler(label: $0, level: .debug, sink: log.sink) }
        let installation = try Installation.open(settings, clock: clock)
        try await installation.bootstrap()
        let key = try #require(try PrivateFile.read(folder + "/operator.key"))
        let ports = AsyncStream<Int>.makeStream()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let server = try Server(installation, logger: logger, bounds: bounds) { _ in }
                do {
                    try await server.run { ports.continuation.yield($0) }
                } catch is CancellationError {}
                ports.continuation.finish()
            }
            var iterator = ports.stream.makeAsyncIterator()
            let port = try #require(await iterator.next(), "the server did not start: \(log.text)")
            let server = TestServer(
                base: "http://127.0.0.1:\(port)",
                dataDirectory: folder,
                operatorKey: String(decoding: key.dropLast(), as: UTF8.self),
                store: installation.store,
                spec: try Spec.shared(),
                coverage: coverage,
                log: log
            )
            let result = try await body(server)
            group.cancelAll()
            return result
        }
    }

    // MARK: Calls

    /// Calls an operation by its id and checks the answer against openapi.yaml.
    ///
    /// `path` has the values of the path parameters, `query` pairs in order, percent-encoded here; without a `key` none is sent.
    @discardableResult
    package func call(
        _ operationID: String,
        _ path: [String: String] = [:],
        query: [(String, String)] = [],
        body: JSON? = nil,
        key: String?,
        headers: [(String, String)] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> SpecAnswer {
        let operation = try spec.operation(operationID)
        var more = headers
        if body != nil { more.append(("Content-Type", "application/json")) }
        if let key { more.append(("Authorization", "Bearer \(key)")) }
        let text = query.map { "\($0.0)=\(Spec.percentEncoded($0.1))" }.joined(separator: "&")
        let answer = try await send(
            operation.method,
            try operation.path(path) + (text.isEmpty ? "" : "?" + text),
            headers: more,
            body: body?.bytes
        )
        check(answer, operation, sourceLocation)
        return answer
    }

    /// Pushes raw bytes to a push URL (whole, as the API gave it) and checks the answer.
    @discardableResult
    package func push(
        _ url: String,
        _ body: [UInt8],
        headers: [(String, String)] = [("Content-Type", "application/json")],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> SpecAnswer {
        let path = String(url.dropFirst(store.publicURL.base.count))
        let answer = try await send("POST", path, headers: headers, body: body)
        let id =
            path.hasPrefix("/p/") ? "push" : path.hasPrefix("/event") ? "pushCompatible" : "pushWithHeader"
        check(answer, try spec.operation(id), sourceLocation)
        return answer
    }

    /// Sends a request as it is; nothing is checked.
    package func send(
        _ method: String,
        _ path: String,
        headers: [(String, String)] = [],
        body: [UInt8]? = nil
    ) async throws -> SpecAnswer {
        let transfer = Transfer(
            url: base + path,
            message: .request(.init(method: method, headers: headers, body: body)),
            address: "127.0.0.1",
            connectLimit: .seconds(90),
            limit: .seconds(90),
            answerBytes: 64 << 20
        )
        let answer = try await Self.client.perform(transfer)
        return SpecAnswer(status: answer.status, headers: answer.headers, body: answer.body)
    }

    private func check(_ answer: SpecAnswer, _ operation: Spec.Operation, _ location: SourceLocation) {
        coverage.record(operation.id, answer.status)
        for violation in spec.violations(of: answer, to: operation) {
            Issue.record(
                "\(operation.id) \(answer.status): \(violation.pointer) \(violation.detail) in \(answer.text.prefix(600))",
                sourceLocation: location
            )
        }
    }
}

extension SpecAnswer {
    /// The body as text.
    package var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; `.null` when it is none.
    package var json: JSON { (try? JSON(parsing: body)) ?? .null }
}

/// Gathers log lines.
package final class CapturedLog: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    package init() {}

    /// Where the server's log handler writes.
    package var sink: LogSink { LogSink { line in self.bytes.withLock { $0 += line } } }

    /// All lines so far.
    package var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}
