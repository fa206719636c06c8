import Domain
import SQL

/// What a node looks up on a database that it shares with others.
package struct NodeWatch: Sendable {
    private let store: Store

    static let revisions = SQLRowsStatement(
        "a.account_id, a.revision",
        from: "accounts a",
        where: "a.account_id = v.column1 AND a.revision > v.column2",
        leading: 0,
        types: ["BIGINT", "BIGINT"]
    )
    static let ping = SQLStatement("SELECT 1")
    static let statements = revisions.statements + [ping]

    package init(store: Store) {
        self.store = store
    }

    /// Drops the snapshots that the database has newer ones of. Throws when the database is away.
    package func refresh() async throws {
        let known = store.snapshots.revisions.map { [SQLValue.account($0), .integer($1.value)] }
        let newer = try await store.database.read(.platform) { connection in
            _ = try connection.row(Self.ping, []) { _ throws(SQLError) in true }
            return try connection.rows(Self.revisions, [], keys: known) { row throws(SQLError) in
                (AccountNumber(UInt32(truncatingIfNeeded: row.integer(0))), Revision(row.integer(1)))
            }
        }
        for (account, revision) in newer { await store.renew(account, to: revision) }
    }

    /// Takes in what another node announced.
    package func hear(_ text: String) async {
        switch Announcement(text) {
        case .configuration(let account, let revision): await store.renew(account, to: revision)
        case .outbox(let keys): store.outboxSignal.heard(keys)
        case nil: break
        }
    }

    /// Tells the other nodes what was committed to the outbox here since the last call. What can't be told is found by those who work the
    /// outbox.
    package func announce() async throws {
        let keys = Array(store.outboxSignal.takeUnannounced())
        guard !keys.isEmpty else { return }
        let texts = stride(from: 0, to: keys.count, by: Announcement.outboxLimit).map { start in
            Announcement.outbox(Array(keys[start..<min(start + Announcement.outboxLimit, keys.count)])).text
        }
        try await store.database.transaction(.platform) { connection in
            for text in texts { try connection.announce(text) }
        }
    }
}
