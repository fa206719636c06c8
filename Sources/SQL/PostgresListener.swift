#if PostgreSQL
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Hears what connections `announce` on a database, on a thread and a session of its own.
///
/// `@unchecked Sendable`: (1) the session is touched only by closures that run on the pool's single thread; (2) the pool runs them one after
/// the other.
package final class PostgresListener: @unchecked Sendable {
    /// What was heard.
    package struct News: Sendable {
        package let texts: [String]
        /// Whether the session is new, so that something may have been missed.
        package let isNew: Bool
    }

    private static let limit = Duration.seconds(3)

    private let url: String
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var link: PostgresLink?

    /// Connects with the first `next`. `url` is a connection string of libpq, never to be logged.
    package init(url: String) {
        self.url = url
        pool.start()
    }

    /// Waits for announcements, at most for `milliseconds`. Throws `SQLError` while the server is away, at once.
    package func next(within milliseconds: Int32) async throws -> News {
        try await pool.runIfActive { [self] in
            do throws(SQLError) {
                return try hear(milliseconds)
            } catch {
                link = nil
                throw error
            }
        }
    }

    private func hear(_ milliseconds: Int32) throws(SQLError) -> News {
        guard let link else {
            let new = try PostgresLink(url: url, within: Self.limit)
            try new.run(script: "LISTEN tocsin", within: Self.limit)
            link = new
            return News(texts: [], isNew: true)
        }
        var poll = pollfd(fd: link.socket, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return News(texts: [], isNew: false) }
        return News(texts: try link.takeAnnouncements(), isNew: false)
    }

    /// Ends the session and the thread.
    package func close() async throws {
        try await pool.runIfActive { [self] in link = nil }
        try await pool.shutdownGracefully()
    }
}
#endif
