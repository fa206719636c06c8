import Domain
import Formats
import Logging
import NIOPosix
import Native
import Outbound
import SQL
import Storage

/// An opened data directory: locked, its root secret checked, its store recovered and brought to the newest schema.
package struct Installation: Sendable {
    package let store: Store
    package let settings: Settings
    /// Names this node among those on its database.
    let nodeID: [UInt8]
    /// With a database server: what it can't take is kept here.
    package let spool: Spool?
    #if PostgreSQL
    /// With a database server: hears the other nodes.
    let listener: PostgresListener?
    #endif
    /// Whether the whole database was checked on opening; a large one is checked later, in the background.
    package let isChecked: Bool
    private let lock: FileLock
    /// What is left to do before the database may be used, because it was away at the start: to be done once it is back, on a thread that may
    /// wait.
    let prepareLater: (@Sendable () throws -> Void)?

    /// Why a data directory can't be used: for the person who started the program.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
        /// Another process has it, and may give it back.
        package var isInUse = false
        /// The database server can't be reached, and may come back.
        package var isAway = false
    }

    /// Accounts whose configuration is kept in memory.
    private static let snapshots = 20_000

    /// Opens it: the data directory first, so that nobody else has it, then the store, whose tables are brought to the newest form, and the
    /// root secret, which must be the one of the store.
    ///
    /// `failStop` ends the process when the disk did not confirm a sync of the writer, whoever asked for it.
    package static func open(
        _ settings: Settings,
        clock: WallClock = SystemClock.wall,
        logger: Logger = Logger(label: "tocsin"),
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
        if let mode = settings.weakDatabaseMode {
            logger.warning(
                "the database is on another machine, and whoever is on the way can pass for it: set sslmode=verify-full",
                metadata: ["sslmode": "\(mode)"]
            )
        }
        let opened = try openStore(settings, clock, logger, failStop)
        let store = try store(over: opened, settings, clock)
        let spool = settings.databaseURL == nil ? nil : try openSpool(settings)
        #if PostgreSQL
        return Installation(
            store: store,
            settings: settings,
            nodeID: spool == nil ? SecureRandom.bytes(16) : try NodeIdentity.load(settings),
            spool: spool,
            listener: settings.databaseURL.map { PostgresListener(url: $0) },
            isChecked: opened.isChecked,
            lock: lock,
            prepareLater: opened.prepareLater
        )
        #else
        return Installation(
            store: store,
            settings: settings,
            nodeID: spool == nil ? SecureRandom.bytes(16) : try NodeIdentity.load(settings),
            spool: spool,
            isChecked: opened.isChecked,
            lock: lock,
            prepareLater: opened.prepareLater
        )
        #endif
    }

    private static func store(
        over opened: Opened,
        _ settings: Settings,
        _ clock: WallClock
    ) throws -> Store {
        let work = WorkPool()
        return Store(
            database: opened.database,
            work: work,
            snapshots: SnapshotCache(database: opened.database, work: work, capacity: snapshots),
            identifiers: IdentifierSource(clock: clock, after: opened.lastSeen),
            formats: PushFormats.all,
            notifierKinds: NotifierKinds.all,
            pushTokenKeys: opened.keys,
            publicURL: settings.publicURL,
            crashGuard: try CrashGuard(armedAt: settings.dataDirectory + "/crashes")
        )
    }

    private struct Opened {
        let database: Database
        let keys: PushTokenKeys
        let lastSeen: UnixTime
        let isChecked: Bool
        var prepareLater: (@Sendable () throws -> Void)?
    }

    private static func openStore(
        _ settings: Settings,
        _ clock: WallClock,
        _ logger: Logger,
        _ failStop: @escaping @Sendable (String) -> Void
    ) throws -> Opened {
        #if PostgreSQL
        if let url = settings.databaseURL {
            return try openServerStore(url, settings, clock, logger)
        }
        #endif
        let path = databasePath(settings)
        let (database, (keys, lastSeen), isChecked) = try EmbeddedStore.open(
            path,
            clock: clock,
            failStop: failStop
        ) { try identity(settings, clock, on: $0) }
        return Opened(database: database, keys: keys, lastSeen: lastSeen, isChecked: isChecked)
    }

    #if PostgreSQL
    /// A node that takes pushes and knows whose they are starts without its server, too: they wait in its spool.
    private static func openServerStore(
        _ url: String,
        _ settings: Settings,
        _ clock: WallClock,
        _ logger: Logger
    ) throws -> Opened {
        let prepare: @Sendable () throws -> (PushTokenKeys, UnixTime) = {
            try ServerStore.prepare(url, clock: clock, logger: logger) {
                let (keys, lastSeen) = try identity(settings, clock, on: $0)
                if let row = try Deployment.find(on: $0) {
                    try KnownDeployment(id: row.id, keyCheck: row.keyCheck, newestAt: row.newestAt).write(
                        settings
                    )
                }
                return (keys, lastSeen)
            }
        }
        do {
            let (keys, lastSeen) = try prepare()
            return Opened(
                database: try ServerStore.connect(url),
                keys: keys,
                lastSeen: lastSeen,
                isChecked: true
            )
        } catch let problem as Problem where problem.isAway && settings.role.takesPushes {
            guard let known = try KnownDeployment.read(settings) else { throw problem }
            logger.error("the node starts without its database", metadata: ["cause": "\(problem)"])
            return Opened(
                database: try ServerStore.connect(url),
                keys: try keys(settings, of: known.id, keyCheck: known.keyCheck),
                lastSeen: known.newestAt,
                isChecked: true,
                prepareLater: { _ = try prepare() }
            )
        }
    }
    #endif

    private static func openSpool(_ settings: Settings) throws -> Spool {
        try Spool(path: settings.dataDirectory + "/spool.db", limit: settings.spoolBytes)
    }

    static func databasePath(_ settings: Settings) -> String { settings.dataDirectory + "/tocsin.db" }

    /// The keys of push tokens and the newest time that the store saw. Makes the installation's identity when it is new.
    private static func identity(
        _ settings: Settings,
        _ clock: WallClock,
        on connection: any SQLConnection
    ) throws -> (PushTokenKeys, UnixTime) {
        if let row = try Deployment.find(on: connection) {
            return (try keys(settings, of: row.id, keyCheck: row.keyCheck), row.newestAt)
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

    /// The keys of an installation that exists, by its root secret.
    private static func keys(
        _ settings: Settings,
        of deployment: [UInt8],
        keyCheck: [UInt8]
    ) throws -> PushTokenKeys {
        let roots = try RootSecrets.load(settings.rootSecretFile, mayCreate: false)
        let keys = PushTokenKeys(roots: roots, deploymentID: deployment)
        guard let kid = keyCheck.first, let check = keys.keyCheck(kid: kid),
            constantTimeEquals(check, keyCheck)
        else {
            let place = settings.databaseURL == nil ? settings.dataDirectory : "the database"
            throw Problem(
                description:
                    "\(settings.rootSecretFile) is not the root secret of the installation in \(place)"
            )
        }
        return keys
    }

    /// Makes the first operator key and writes it to `operator.key`; nil when there is one already.
    ///
    /// The file is written before the key is stored: what a crash leaves between the two is taken up at the next start.
    @discardableResult
    package func bootstrap() async throws -> (path: String, secret: APIKeySecret)? {
        // It was there before, and has its key.
        guard prepareLater == nil else { return nil }
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
        do {
            _ = try await store.change(.installation, by: actor) { [store] change in
                try store.apiKeys.insert(draft, for: .operator, secret: secret, change)
            }
        } catch StoreError.nameTaken {
            // Another node was first: its key is the one.
            PrivateFile.remove(path)
            return nil
        }
        return (path, secret)
    }

    /// A new operator key, for someone who holds the data directory.
    package func resetOperatorKey() async throws -> APIKeySecret {
        let actor = Actor(key: nil, role: "command-line", requestID: "operator-key-reset")
        return try await store.apiKeys.replaceOperatorKeys(by: actor).secret
    }

    /// Does what is left to do before a database that was away at the start may be used; false: it is still away. Throws when the database
    /// is not for this program.
    @Sendable
    func prepare() async throws -> Bool {
        guard let prepareLater else { return true }
        do {
            try await NIOThreadPool.singleton.runIfActive(prepareLater)
            return true
        } catch let problem as Problem where problem.isAway {
            return false
        }
    }

    /// Closes the store and gives the directory back.
    package func close() async throws {
        #if PostgreSQL
        try await listener?.close()
        #endif
        try await store.database.close()
        lock.release()
    }
}
