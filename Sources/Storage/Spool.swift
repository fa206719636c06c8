import Domain
import Native
import SQL

/// Pushes on this node's own disk, taken while the database server is away, in the order in which they came: an embedded database of its own.
///
/// - Rule: while something waits here, every push goes behind it, and what is here is applied from the front. Why: a recovery must not pass
///   its firing. Otherwise: alerts that stay open for ever.
/// - Rule: a push has its delivery's id before anybody tries to store it. Why: whether a commit that got no answer took effect is found out by
///   the id. Otherwise: it is there twice, or not at all.
/// - What can't be applied although the database works is set aside and kept: it was acknowledged.
///
/// `@unchecked Sendable`: (1) the connection is touched only on the thread of the connection of pushes, and before it starts; (2) what others
/// read is behind a lock.
package final class Spool: @unchecked Sendable {
    /// A push with a right token. Who it belongs to is looked up when it is applied.
    package struct Entry: Sendable {
        let deliveryID: DeliveryID
        let account: AccountNumber
        let integration: IntegrationNumber
        let tag: PushTag
        let kid: UInt8
        let expiryDay: UInt16
        let receivedAt: UnixTime
        let contentType: Text?
        let remoteAddress: Text?
        /// Made by `Packing.pack`.
        let packedBody: [UInt8]
        /// Whether its use was noted when it came.
        let isCounted: Bool

        /// A push whose account is not known yet.
        package init(
            id: DeliveryID,
            token: PushToken,
            receivedAt: UnixTime,
            contentType: Text?,
            remoteAddress: Text?,
            body: [UInt8]
        ) {
            deliveryID = id
            account = token.account
            integration = token.integration
            (tag, kid, expiryDay) = (token.tag, token.kid, token.expiryDay)
            self.receivedAt = receivedAt
            self.contentType = contentType?.prefix(bytes: Limits.nameBytes)
            self.remoteAddress = remoteAddress?.prefix(bytes: Limits.nameBytes)
            packedBody = Packing.pack(body)
            isCounted = false
        }

        /// nil: it came by no push URL, or has no id yet.
        init?(_ push: PreparedPush) {
            guard let id = push.deliveryID, push.replay == nil,
                let credential = push.integration.credentials.first(where: { $0.id == push.credential })
            else { return nil }
            deliveryID = id
            account = push.account
            integration = push.integration.number
            (tag, kid, expiryDay) = (credential.tag, credential.kid, credential.expiryDay)
            (receivedAt, contentType, remoteAddress) = (push.receivedAt, push.contentType, push.remoteAddress)
            packedBody = push.packedBody
            isCounted = true
        }

        fileprivate init(_ row: any SQLRow) throws(SQLError) {
            deliveryID = try row.id(1)
            account = AccountNumber(UInt32(truncatingIfNeeded: row.integer(2)))
            integration = IntegrationNumber(UInt32(truncatingIfNeeded: row.integer(3)))
            tag = PushTag(value: UInt64(bitPattern: row.integer(4)))
            kid = UInt8(truncatingIfNeeded: row.integer(5))
            expiryDay = UInt16(truncatingIfNeeded: row.integer(6))
            receivedAt = row.time(7)
            contentType = row.optionalText(8)
            remoteAddress = row.optionalText(9)
            packedBody = row.bytes(10)
            isCounted = row.flag(11)
        }

        fileprivate var values: [SQLValue] {
            [
                .id(deliveryID), .account(account), .integer(Int64(integration.value)),
                .integer(Int64(bitPattern: tag.value)), .integer(Int64(kid)), .integer(Int64(expiryDay)),
                .time(receivedAt), .text(contentType), .text(remoteAddress), .blob(packedBody),
                .flag(isCounted),
            ]
        }

        /// About what its row takes.
        fileprivate var bytes: Int { packedBody.count + 200 }
    }

    /// An entry and its place.
    struct Waiting: Sendable {
        let sequence: Int64
        let entry: Entry
    }

    /// What waits, for whoever watches.
    package struct Status: Sendable {
        package fileprivate(set) var pushes = 0
        package fileprivate(set) var bytes = 0
        /// When the first of them came; nil: nothing waits.
        package fileprivate(set) var oldestAt: UnixTime?
        /// What was set aside.
        package fileprivate(set) var setAside = 0
        /// Since the start of the process.
        package fileprivate(set) var taken = 0
        package fileprivate(set) var applied = 0
    }

    private static let schema = """
        CREATE TABLE IF NOT EXISTS pushes (
            sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, delivery_id BLOB NOT NULL, account_number INTEGER NOT NULL,
            integration_number INTEGER NOT NULL, tag INTEGER NOT NULL, kid INTEGER NOT NULL, expiry_day INTEGER NOT NULL,
            received_at INTEGER NOT NULL, content_type TEXT, remote_address TEXT, body BLOB NOT NULL,
            is_counted INTEGER NOT NULL, is_set_aside INTEGER NOT NULL DEFAULT 0);
        CREATE INDEX IF NOT EXISTS pushes_waiting ON pushes (sequence) WHERE is_set_aside = 0;
        """
    private static let add = SQLStatement(
        """
        INSERT INTO pushes (delivery_id, account_number, integration_number, tag, kid, expiry_day, received_at, content_type,
            remote_address, body, is_counted)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """
    )
    private static let first = SQLStatement(
        """
        SELECT sequence, delivery_id, account_number, integration_number, tag, kid, expiry_day, received_at, content_type,
            remote_address, body, is_counted
        FROM pushes WHERE is_set_aside = 0 ORDER BY sequence LIMIT $1
        """
    )
    private static let remove = SQLStatement("DELETE FROM pushes WHERE sequence = $1")
    private static let putAside = SQLStatement("UPDATE pushes SET is_set_aside = 1 WHERE sequence = $1")
    private static let sums = SQLStatement(
        """
        SELECT COUNT(*), COALESCE(SUM(LENGTH(body) + 200), 0), MIN(received_at), (SELECT COUNT(*) FROM pushes WHERE is_set_aside = 1)
        FROM pushes WHERE is_set_aside = 0
        """
    )

    private let connection: SQLiteConnection
    private let limit: Int
    private let state = Lock(Status())

    /// Opens the file, which is made when it is missing. At most about `limit` bytes of pushes wait in it.
    package init(path: String, limit: Int) throws {
        try PrivateFile.rewrite(path + "-wal")
        connection = try SQLiteConnection(path: path, purpose: .writer)
        try connection.truncateLog()
        try connection.execute(script: Self.schema)
        try PrivateFile.syncFolder(of: path)
        self.limit = limit
        let found = try connection.row(Self.sums, []) { row throws(SQLError) in
            Status(pushes: row.int(0), bytes: row.int(1), oldestAt: row.optionalTime(2), setAside: row.int(3))
        }
        if let found { state.withLock { $0 = found } }
    }

    package var status: Status { state.withLock { $0 } }

    var isEmpty: Bool { status.pushes == 0 }

    /// Writes them, in order and on disk when it returns; answers which of them had room.
    func append(_ entries: [Entry]) throws -> [Bool] {
        var bytes = status.bytes
        let hasRoom = entries.map { entry in
            guard bytes + entry.bytes <= limit else { return false }
            bytes += entry.bytes
            return true
        }
        let rows = zip(entries, hasRoom).filter(\.1).map(\.0)
        guard !rows.isEmpty else { return hasRoom }
        try connection.transaction { try connection.batch(Self.add, rows.map(\.values)) }
        state.withLock { state in
            state.pushes += rows.count
            state.taken += rows.count
            state.bytes = bytes
            state.oldestAt = state.oldestAt ?? rows.first?.receivedAt
        }
        try maintain()
        return hasRoom
    }

    /// The first `count` that wait.
    func oldest(_ count: Int) throws(SQLError) -> [Waiting] {
        try connection.rows(Self.first, [.int(count)]) { row throws(SQLError) in
            Waiting(sequence: row.integer(0), entry: try Entry(row))
        }
    }

    /// They are in the database now.
    func applied(_ waiting: [Waiting]) throws {
        try connection.transaction {
            try connection.batch(Self.remove, waiting.map { [.integer($0.sequence)] })
        }
        try leave(waiting)
        state.withLock { $0.applied += waiting.count }
    }

    /// It can't be applied: it stays in the file and is in nobody's way.
    func setAside(_ waiting: Waiting) throws {
        try connection.transaction { try connection.batch(Self.putAside, [[.integer(waiting.sequence)]]) }
        try leave([waiting])
        state.withLock { $0.setAside += 1 }
    }

    /// A checkpoint that fails is tried again with the next write, unless the disk did not confirm a sync: then nothing can be trusted.
    private func maintain() throws(SQLError) {
        do throws(SQLError) {
            try connection.maintain()
        } catch {
            if error.kind == .syncFailed { throw error }
        }
    }

    private func leave(_ waiting: [Waiting]) throws {
        let next = try connection.row(Self.first, [.int(1)]) { row throws(SQLError) in row.time(7) }
        state.withLock { state in
            state.pushes -= waiting.count
            state.bytes -= waiting.reduce(0) { $0 + $1.entry.bytes }
            state.oldestAt = next
        }
        try maintain()
    }
}
