import Domain
import Formats
import Logging
import Native
import SQL
import Storage

/// An opened data directory: locked, its root secret checked, its store recovered and brought to the newest schema.
package struct Installation: Sendable {
    package let store: Store
    package let settings: Settings
    /// Whether the whole database was checked on opening; a large one is checked later, in the background.
    package let isChecked: Bool
    private let lock: FileLock

    /// Why a data directory can't be used: for the person who started the program.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
        /// Another process has it, and may give it back.
        package var isInUse = false
    }

    /// Bytes of a database up to which it is checked before it is used: about a millisecond for each MiB, while senders wait.
    private static let checkedAtOnce: Int64 = 256 << 20
    private static let readers = 2
    /// Accounts whose configuration is kept in memory.
    private static let snapshots = 20_000

    /// Opens it, in an order in which each step may rely on the ones before: lock, log made durable, database, log emptied, schema, root
    /// secret and key check, damage check.
    ///
    /// - Rule: the log is written again before it is read, and the folder synced after. Why: what a failed sync left in memory only would
    ///   be carried over into the database. Otherwise: a power cut in between leaves a damaged database.
    ///
    /// `failStop` ends the process when the disk did not confirm a sync of the writer, whoever asked for it.
    package static func open(
        _ settings: Settings,
        clock: WallClock = SystemClock.wall,
        failStop: @escaping @Sendable (String) -> Void = { _ in endProcess(code: 70) }
    ) throws -> Installation {
        keepFilesPrivate()
        try PrivateFile.makeFolder(settings.dataDirectory)
        guard let lock = try FileLock(settings.dataDirectory + "/lock") else {
            throw Problem(
                description: "\(settings.dataDirectory) is in use by another process",
                isInUse: true
            )
        }
        let path = databasePath(settings)
        try PrivateFile.rewrite(path + "-wal")
        let writer = try SQLiteConnection(path: path, purpose: .writer)
        try writer.truncateLog()
        try PrivateFile.syncFolder(of: path)
        try Migrator.migrate(writer, Schema.migrations, now: clock.now().milliseconds)
        let (keys, lastSeen) = try identity(settings, clock, on: writer)
        let isChecked = try check(writer)
        let database = try Database(readerCount: readers) { isWriter throws(SQLError) in
            isWriter ? writer : try SQLiteConnection(path: path, purpose: .reader)
        } onSyncFailure: {
            failStop("the disk did not confirm a sync: what was written may be gone")
        }
        let cache = SnapshotCache(database: database, capacity: snapshots) { account, connection in
            try SnapshotLoader.load(account, on: connection)
        }
        let store = Store(
            database: database,
            snapshots: cache,
            identifiers: IdentifierSource(clock: clock, after: lastSeen),
            formats: PushFormats.all,
            pushTokenKeys: keys,
            publicURL: settings.publicURL,
            crashGuard: try CrashGuard(armedAt: settings.dataDirectory + "/crashes")
        )
        return Installation(store: store, settings: settings, isChecked: isChecked, lock: lock)
    }

    static func databasePath(_ settings: Settings) -> String { settings.dataDirectory + "/tocsin.db" }

    /// The keys of push tokens and the newest time that the store saw. Makes the installation's identity when it is new.
    private static func identity(
        _ settings: Settings,
        _ clock: WallClock,
        on connection: any SQLConnection
    ) throws -> (PushTokenKeys, UnixTime) {
        if let row = try Deployment.find(on: connection) {
            let roots = try RootSecrets.load(settings.rootSecretFile, mayCreate: false)
            let keys = PushTokenKeys(roots: roots, deploymentID: row.id)
            guard let kid = row.keyCheck.first, let check = keys.keyCheck(kid: kid),
                constantTimeEquals(check, row.keyCheck)
            else {
                throw Problem(
                    description: "\(settings.rootSecretFile) is not the root secret of the installation in "
                        + settings.dataDirectory
                )
            }
            return (keys, row.newestAt)
        }
        let roots = try RootSecrets.load(settings.rootSecretFile, mayCreate: true)
        let id = SecureRandom.bytes(16)
        let keys = PushTokenKeys(roots: roots, deploymentID: id)
        guard let check = keys.keyCheck(kid: keys.newestKid) else {
            throw Problem(description: "there is no root secret")
        }
        let now = clock.now()
        try Deployment.create(id: id, keyCheck: check, at: now, on: connection)
        return (keys, now)
    }

    private static let size = SQLStatement(
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    )
    private static let quickCheck = SQLStatement("PRAGMA quick_check(1)")

    /// Whether the database was checked; throws when it is damaged.
    private static func check(_ connection: any SQLConnection) throws -> Bool {
        let bytes = try connection.row(size, []) { row throws(SQLError) in row.integer(0) } ?? 0
        guard bytes <= checkedAtOnce else { return false }
        try checkNow(connection)
        return true
    }

    /// Throws when the database is damaged. Reads all of it.
    static func checkNow(_ connection: any SQLConnection) throws {
        let verdict = try connection.row(quickCheck, []) { row throws(SQLError) in
            String(decoding: row.bytes(0), as: UTF8.self)
        }
        guard verdict == "ok" else {
            throw Problem(description: "the database is damaged: \(verdict ?? "no verdict")")
        }
    }

    /// Makes the first operator key and writes it to `operator.key`; nil when there is one already.
    ///
    /// The file is written before the key is stored: what a crash leaves between the two is taken up at the next start.
    @discardableResult
    package func bootstrap() async throws -> (path: String, secret: APIKeySecret)? {
        let first = PageRequest<APIKeyKind>(limit: 1, before: nil)
        let known = try await store.apiKeys.list(first, filter: ConfigurationFilter(), in: .installation)
        guard known.items.isEmpty else { return nil }
        let path = settings.dataDirectory + "/operator.key"
        let secret: APIKeySecret
        if let bytes = try PrivateFile.read(path),
            let known = APIKeySecret(Text(trusted: bytes).trimmed.bytes)
        {
            secret = known
        } else {
            var random = SecureRandom()
            secret = APIKeySecret(kind: .operator, random: &random)
            try PrivateFile.create(path, secret.bytes + [0x0A])
        }
        let draft = APIKeyStore.Draft(
            name: Name(trusted: "bootstrap"),
            expiresAt: nil,
            externalID: nil,
            labels: Labels()
        )
        let actor = Actor(key: nil, role: "command-line", requestID: "bootstrap")
        _ = try await store.apiKeys.insert(draft, for: .operator, by: actor, secret: secret)
        return (path, secret)
    }

    /// A new operator key, for someone who holds the data directory.
    package func resetOperatorKey() async throws -> APIKeySecret {
        let actor = Actor(key: nil, role: "command-line", requestID: "operator-key-reset")
        return try await store.apiKeys.replaceOperatorKeys(by: actor).secret
    }

    /// Closes the store and gives the directory back.
    package func close() async throws {
        try await store.database.close()
        lock.release()
    }
}

extension Installation {
    /// Throws when the database is damaged. Reads all of it on a connection of its own, while others go on.
    func checkInBackground() async throws {
        let path = Self.databasePath(settings)
        let inspector = try Database(readerCount: 1) { isWriter throws(SQLError) in
            try SQLiteConnection(path: path, purpose: isWriter ? .reader : .inspector)
        }
        try await inspector.read { try Self.checkNow($0) }
        try await inspector.close()
    }
}
