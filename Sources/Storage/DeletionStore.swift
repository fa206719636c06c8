import Domain
import Native
import SQL

/// The deletion of an account, from the call that asked for it to the proof that nothing is left.
package struct Deletion: Sendable {
    /// Whether rows are still being removed.
    package enum Status: String, Sendable, CaseIterable {
        case running, finished
    }

    package let account: AccountID
    package let requestedAt: UnixTime
    /// nil: not by a key.
    package let requestedBy: APIKeyID?
    /// Bytes of raw deliveries that it held when it was deleted.
    package let storedBytes: Int64
    /// When a transaction saw that no table holds a row of it; nil: rows are still being removed.
    package let finishedAt: UnixTime?
    /// How many rows of each table were removed so far: `DeletionStore.tables`, in their order.
    package fileprivate(set) var removed: [(table: StaticString, count: Int64)]

    package var status: Status { finishedAt == nil ? .running : .finished }

    /// One that was asked for just now.
    init(of account: Account, by actor: Actor, at time: UnixTime) {
        self.account = account.id
        requestedAt = time
        requestedBy = actor.key
        storedBytes = account.storedBytes
        finishedAt = nil
        removed = DeletionStore.tables.map { ($0, 0) }
    }

    fileprivate init(_ row: any SQLRow) throws(SQLError) {
        account = try row.id(0)
        requestedAt = row.time(1)
        requestedBy = try row.optionalID(2)
        storedBytes = row.integer(3)
        finishedAt = row.optionalTime(4)
        removed = DeletionStore.tables.map { ($0, 0) }
    }
}

/// Removes what deleted accounts hold, a batch at a time, so that no push waits long for the writer, and counts it.
///
/// - Order: history goes first, then configuration, children before parents, the record of changes last.
/// - The proof: a deletion is finished by a transaction in which every table was searched for rows of the account and none was found.
/// - What stays: the account's number and id, so that neither is given out again; its `Deletion`; and what the installation's own record
///   says of it.
package struct DeletionStore: Sendable {
    let store: Store

    private static let select = """
        SELECT id, requested_at, requested_by, stored_bytes, finished_at, account_id FROM account_deletions
        """
    static let findByID = SQLStatement("\(select) WHERE id = $1")
    static let list = SQLStatement("\(select) WHERE id < $1 ORDER BY id DESC LIMIT $2")
    static let next = SQLStatement(
        "\(select) WHERE finished_at IS NULL ORDER BY account_id LIMIT 1"
    )
    static let counts = SQLStatement(
        "SELECT table_name, row_count FROM account_deletion_counts WHERE account_id = $1"
    )
    static let insert = SQLStatement(
        """
        INSERT INTO account_deletions (account_id, id, requested_at, requested_by, stored_bytes)
        VALUES ($1, $2, $3, $4, $5)
        """
    )
    static let count = SQLStatement(
        """
        INSERT INTO account_deletion_counts (account_id, table_name, row_count) VALUES ($1, $2, $3)
        ON CONFLICT (account_id, table_name)
        DO UPDATE SET row_count = account_deletion_counts.row_count + excluded.row_count
        """
    )
    static let finish = SQLStatement("UPDATE account_deletions SET finished_at = $2 WHERE account_id = $1")
    static let blank = SQLStatement(
        "UPDATE accounts SET name = '', external_id = NULL, labels = '{}' WHERE account_id = $1"
    )

    static let platformStatements = [findByID, list, next, counts, insert, count, finish, blank]

    /// What accounts hold, in the order in which it is removed: a table and the column by which some of its rows are chosen.
    private static let order: [(StaticString, StaticString)] = [
        ("notifications", "id"), ("events", "id"), ("alerts", "id"), ("early_recoveries", "received_at"),
        ("pending_deliveries", "delivery_id"), ("delivery_slices", "delivery_id"), ("deliveries", "id"),
        ("notifiers", "id"),
        ("notifier_states", "notifier_id"), ("route_channels", "route_id"), ("routes", "id"),
        ("integration_defaults", "integration_id"), ("push_urls", "id"), ("refusals", "integration_id"),
        ("integration_activity", "integration_id"), ("integrations", "id"), ("integration_numbers", "number"),
        ("channels", "id"), ("severity_tables", "integration_type"), ("api_keys", "id"),
        ("idempotency_keys", "scope"), ("usage_days", "day"), ("usage_refusals", "day"),
        ("account_usage", "account_id"), ("audit", "id"),
    ]
    /// The tables that hold rows of accounts.
    package static let tables = order.map(\.0)
    /// As `tables`; `$2` is how many rows, or how many parents' rows, may go.
    static let purges = order.map { table, column in
        SQLStatement(
            """
            DELETE FROM \(table) WHERE account_id = $1
                AND \(column) IN (SELECT \(column) FROM \(table) WHERE account_id = $1 ORDER BY \(column) LIMIT $2)
            """
        )
    }

    /// What one transaction did.
    package struct Batch: Sendable {
        /// Rows that were removed.
        package let removed: Int
        /// The deletion that it finished.
        package let finished: AccountID?
        /// For how long the writer was busy, without the commit.
        package let work: Duration

        /// Whether there was nothing to do.
        package var isIdle: Bool { removed == 0 && finished == nil }
    }

    /// The deletion of an account. Throws `notFound` when it was not deleted.
    package func find(_ account: AccountID) async throws -> Deletion {
        try await store.database.read(.platform) { connection in
            let found = try connection.row(Self.findByID, [.id(account)]) { row throws(SQLError) in
                (try Deletion(row), row.integer(5))
            }
            guard let (deletion, number) = found else { throw StoreError.notFound }
            return try Self.counted(deletion, number, on: connection)
        }
    }

    /// A page of the deletions, newest accounts first; of one status, or all.
    package func list(
        _ request: PageRequest<AccountKind>,
        status: Deletion.Status?
    ) async throws -> Page<Deletion, AccountKind> {
        try await store.database.read(.platform) { connection in
            let page = try PageScan.page(request, isFiltered: status != nil, id: \.deletion.account) {
                before,
                limit in
                try connection.rows(Self.list, [.id(before), .int(limit)]) { row throws(SQLError) in
                    (deletion: try Deletion(row), number: row.integer(5))
                }
            } matches: {
                status == nil || $0.deletion.status == status
            }
            return Page(
                items: try page.items.map { try Self.counted($0.deletion, $0.number, on: connection) },
                next: page.next
            )
        }
    }

    /// Removes about `limit` rows of one deleted account, or finishes its deletion when there are none.
    package func purge(limit: Int) async throws -> Batch {
        let identifiers = store.identifiers
        return try await store.database.transaction(.platform, .later) { connection in
            let start = ContinuousClock.now
            let found = try connection.row(Self.next, []) { row throws(SQLError) in
                (try Deletion(row), AccountNumber(UInt32(truncatingIfNeeded: row.integer(5))))
            }
            guard let (deletion, number) = found else { return Batch(removed: 0, finished: nil, work: .zero) }
            try AccountLock.usage(of: number, on: connection)
            let removed = try Self.purge(number, limit: limit, on: connection)
            if removed == 0 {
                try Self.finish(deletion, of: number, identifiers, on: connection)
            }
            return Batch(
                removed: removed,
                finished: removed == 0 ? deletion.account : nil,
                work: start.duration(to: .now)
            )
        }
    }

    static func insert(
        _ deletion: Deletion,
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) {
        try connection.run(
            insert,
            [
                .account(account), .id(deletion.account), .time(deletion.requestedAt),
                .id(deletion.requestedBy),
                .integer(deletion.storedBytes),
            ]
        )
    }

    /// Answers how many rows went: 0 when no table holds one.
    private static func purge(
        _ account: AccountNumber,
        limit: Int,
        on connection: any SQLConnection
    ) throws(SQLError) -> Int {
        var total = 0
        for (table, statement) in zip(tables, purges) where total < limit {
            let count = try connection.run(statement, [.account(account), .int(limit - total)])
            guard count > 0 else { continue }
            total += count
            try connection.run(Self.count, [.account(account), .text("\(table)"), .int(count)])
        }
        return total
    }

    private static func finish(
        _ deletion: Deletion,
        of account: AccountNumber,
        _ identifiers: IdentifierSource,
        on connection: any SQLConnection
    ) throws {
        let now = identifiers.now
        try connection.run(blank, [.account(account)])
        try connection.run(finish, [.account(account), .time(now)])
        let write = Mutation(
            connection: connection,
            account: .installation,
            actor: Actor(key: nil, role: "system", requestID: ""),
            now: now,
            identifiers: identifiers,
            effects: Mutation.Effects()
        )
        let counted = try counted(deletion, Int64(account.value), on: connection)
        try write.note("account.purge", deletion.account.description) { $0.removed(counted) }
    }

    private static func counted(
        _ deletion: Deletion,
        _ number: Int64,
        on connection: any SQLConnection
    ) throws(SQLError) -> Deletion {
        var deletion = deletion
        try connection.forEachRow(counts, [.integer(number)]) { row throws(SQLError) in
            let table = row.text(0).string
            if let index = deletion.removed.firstIndex(where: { "\($0.table)" == table }) {
                deletion.removed[index].count = row.integer(1)
            }
            return true
        }
        return deletion
    }
}

extension JSONWriter {
    /// `removed`: how many rows of each table.
    package mutating func removed(_ deletion: Deletion) {
        object("removed") { object in
            for (table, count) in deletion.removed { object.field(table, count) }
        }
    }
}
