import Domain
import SQL

/// What accounts used, by day. Pushes are counted in the transaction that stores them, refusals within a second or two (`UsageTracker`).
package struct UsageStore: Sendable {
    let store: Store

    static let add = SQLStatement(
        """
        INSERT INTO usage_days (account_id, day, pushes, bytes, events) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id, day) DO UPDATE SET pushes = usage_days.pushes + excluded.pushes,
            bytes = usage_days.bytes + excluded.bytes, events = usage_days.events + excluded.events
        """
    )
    /// Not for an account that is deleted: what comes late would stay for ever.
    static let refuse = SQLStatement(
        """
        INSERT INTO usage_refusals (account_id, day, reason, count)
        SELECT a.account_id, $2::BIGINT, $3::SMALLINT, $4::BIGINT FROM accounts a
        WHERE a.account_id = $1 AND a.deleted_at IS NULL
        ON CONFLICT (account_id, day, reason) DO UPDATE SET count = usage_refusals.count + excluded.count
        """
    )
    /// A row of refusals has their count in the place of pushes; one of pushes has reason 0, which is no refusal's.
    static let list = SQLStatement(
        """
        SELECT day, 0, pushes, bytes, events FROM usage_days WHERE account_id = $1 AND day >= $2 AND day < $3
        UNION ALL
        SELECT day, reason, count, 0, 0 FROM usage_refusals WHERE account_id = $1 AND day >= $2 AND day < $3
        ORDER BY 1, 2
        """
    )

    static let statements = [add, refuse, list]

    /// The days from the first of `days` to before its last on which there was something, the earliest first. `days` spans at most some
    /// hundreds.
    package func list(_ days: Range<UTCDay>, in account: AccountNumber) async throws -> [Usage] {
        let values: [SQLValue] = [
            .account(account), .integer(days.lowerBound.number), .integer(days.upperBound.number),
        ]
        return try await store.database.read(.of(account)) { connection in
            var found: [Usage] = []
            try connection.forEachRow(Self.list, values) { row throws(SQLError) in
                let day = UTCDay(number: row.integer(0))
                if found.last?.day != day { found.append(Usage(of: day)) }
                if row.integer(1) == 0 {
                    found[found.count - 1].add(
                        pushes: row.integer(2),
                        bytes: row.integer(3),
                        events: row.integer(4)
                    )
                } else {
                    found[found.count - 1].refusals.append(
                        (try row.code(1, as: RefusalReason.self), row.integer(2))
                    )
                }
                return true
            }
            return found
        }
    }
}

/// What an account used on one day.
package struct Usage: Sendable {
    package let day: UTCDay
    /// Deliveries that were stored, whatever became of them.
    package private(set) var pushes: Int64 = 0
    /// Bytes of their bodies as they came.
    package private(set) var bytes: Int64 = 0
    /// Events that were decoded from them.
    package private(set) var events: Int64 = 0
    /// Each reason once.
    package fileprivate(set) var refusals: [(reason: RefusalReason, count: Int64)] = []

    init(of day: UTCDay) {
        self.day = day
    }

    mutating func add(pushes: Int64, bytes: Int64, events: Int64) {
        self.pushes += pushes
        self.bytes += bytes
        self.events += events
    }
}

/// What the pushes of one account in a batch add to its usage: one row for each day, however many they are.
struct UsageCount {
    private var days: [Usage] = []

    /// Counts a push that is stored now. Pushes of one batch are nearly always of one day.
    mutating func add(_ push: PreparedPush) {
        let day = UTCDay(of: push.receivedAt)
        let index = days.lastIndex { $0.day == day } ?? days.count
        if index == days.count { days.append(Usage(of: day)) }
        days[index].add(pushes: 1, bytes: Int64(push.size), events: Int64(push.eventCount))
    }

    func save(of account: AccountNumber, on connection: any SQLConnection) throws {
        try connection.batch(
            UsageStore.add,
            days.map {
                [
                    .account(account), .integer($0.day.number), .integer($0.pushes), .integer($0.bytes),
                    .integer($0.events),
                ]
            }
        )
    }
}
