import Domain
import SQL

/// What only one process does at a time, whichever it is: it holds the lease of the work's name and renews it while it works. Who dies loses
/// it when the lease ends.
package struct WorkerLease: Sendable {
    /// The works.
    package enum Name: String, Sendable, CaseIterable {
        case retention
        case accountPurge = "account-purge"
        case healthWatch = "health-watch"
        case pendingPushes = "pending-pushes"
    }

    static let add = SQLStatement(
        "INSERT INTO worker_leases (name, until) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING"
    )
    static let claim = SQLStatement(
        """
        UPDATE worker_leases SET owner = $2, until = $4 WHERE name IN (
            SELECT l.name FROM worker_leases l WHERE l.name = $1 AND (l.owner = $2 OR l.until < $3)
            FOR UPDATE SKIP LOCKED)
        """
    )
    static let statements = [add, claim]

    /// Milliseconds.
    private static let length: Int64 = 30_000

    private let store: Store
    private let name: Name
    /// Names the node.
    private let owner: [UInt8]

    package init(_ name: Name, store: Store, owner: [UInt8]) {
        self.name = name
        self.store = store
        self.owner = owner
    }

    /// Whether the work is this process's for the next half a minute. An embedded database has no other.
    package func hold() async throws -> Bool {
        guard store.database.dialect == .postgres else { return true }
        let (now, name, owner) = (store.now, SQLValue.text(name.rawValue), SQLValue.blob(owner))
        let end = now.adding(milliseconds: Self.length)
        return try await store.database.transaction(.platform) { connection in
            try connection.batch(Self.add, [[name]])
            return try connection.run(Self.claim, [name, owner, .time(now), .time(end)]) > 0
        }
    }
}
