#if PostgreSQL
import Domain
import Logging
import Native
import SQL
import Storage

/// Carries an installation from its data directory over to a PostgreSQL server: all of it, in one transaction, proved before it is committed.
///
/// The source is left as it is. Its root secret goes on being the installation's: every node needs it, and push URLs keep working.
package enum Move {
    /// Moves the stopped installation in `directory` into the empty database at `url`, which is never shown. Throws `Installation.Problem` for
    /// the person who asked.
    package static func run(
        from directory: String,
        to url: String,
        clock: WallClock = SystemClock.wall,
        logger: Logger
    ) throws -> [StoreCopy.TableReport] {
        let path = directory + "/tocsin.db"
        guard PrivateFile.exists(path) else {
            throw Installation.Problem(description: "there is no store in \(directory)")
        }
        guard let lock = try FileLock(directory + "/lock") else {
            throw Installation.Problem(
                description: "\(directory) is in use by another process: stop it first",
                isInUse: true
            )
        }
        defer { lock.release() }
        try PrivateFile.rewrite(path + "-wal")
        let source = try SQLiteConnection(path: path, purpose: .writer)
        try source.truncateLog()
        try Migrator.migrate(source, Schema.migrations, now: clock.now().milliseconds)
        guard try Deployment.find(on: source) != nil else {
            throw Installation.Problem(description: "\(directory) holds no installation")
        }
        return try ServerStore.withTurn(url) { target in
            try ServerStore.prepare(target, clock, logger)
            guard try Deployment.find(on: target) == nil else {
                throw Installation.Problem(
                    description: "the database holds an installation already: move into an empty one"
                )
            }
            return try target.transaction { try StoreCopy.copy(from: source, to: target) }
        }
    }
}
#endif
