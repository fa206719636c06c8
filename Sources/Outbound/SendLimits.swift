/// How long sending may take, and how much of an answer is read. Tests pass shorter ones.
package struct SendLimits: Sendable {
    /// For a connection by HTTP, TLS included.
    package let connect: Duration
    /// For a message by HTTP that has its place, from the look-up of the name to the end of the answer.
    package let http: Duration
    /// For a mail that has its place, from the look-up of the name to the last reply.
    package let mail: Duration
    /// How long an address counts as looked up while a connection to it stands.
    package let addressLife: Duration
    /// Connections to one receiver at a time, and kept for the next message.
    package let connections: Int

    package init(
        connect: Duration = .seconds(5),
        http: Duration = .seconds(15),
        mail: Duration = .seconds(20),
        addressLife: Duration = .seconds(60),
        connections: Int = 8
    ) {
        self.connect = connect
        self.http = http
        self.mail = mail
        self.addressLife = addressLife
        self.connections = connections
    }

    /// Bytes of an answer that are read; the connection is dropped when there are more.
    static let answerBytes = 64 << 10
    /// Bytes of an answer that are kept for people.
    static let excerptBytes = 512
}

/// Time was up.
struct TimeIsUp: Error {}

/// Runs `work` for at most `limit`, then cancels it and throws `TimeIsUp`. Waits until it ended, so it must heed cancellation.
func within<Result: Sendable>(
    _ limit: Duration,
    _ work: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else { throw TimeIsUp() }
        return result
    }
}
