import Domain
import SQL

/// What the conditions of routes and notifiers cost, kept in each row, so that an account's sum is read off an index and nothing is compiled
/// in a transaction.
///
/// Rows from before costs were kept have none (null). A change of conditions estimates those of its account by their texts, `batch` at a time.
extension ConditionCost {
    /// In the order of `init(row:)` and `values`.
    static let columns = "condition_bytes, pattern_count, pattern_bytes, program_size, unindexed_count"

    static let ofRoutes = sum("routes")
    static let ofNotifiers = sum("notifiers")
    static let uncountedRoutes = uncounted("routes")
    static let uncountedNotifiers = uncounted("notifiers")
    static let setOfRoute = set("routes")
    static let setOfNotifier = set("notifiers")

    /// All statements, for the plan test.
    static let statements = [
        ofRoutes, ofNotifiers, uncountedRoutes, uncountedNotifiers, setOfRoute, setOfNotifier,
    ]

    /// Rows without a cost that one change looks at, at most: a matter of a few milliseconds.
    private static let batch = 500

    private static func sum(_ table: String) -> SQLStatement {
        let sums = columns.split(separator: ", ").map { "CAST(COALESCE(SUM(\($0)), 0) AS BIGINT)" }
        return SQLStatement(
            "SELECT \(sums.joined(separator: ", ")) FROM \(table) WHERE account_id = $1"
        )
    }

    private static func uncounted(_ table: String) -> SQLStatement {
        SQLStatement(
            "SELECT id, conditions FROM \(table) WHERE account_id = $1 AND condition_bytes IS NULL LIMIT \(batch)"
        )
    }

    private static func set(_ table: String) -> SQLStatement {
        SQLStatement(
            """
            UPDATE \(table) SET condition_bytes = $3, pattern_count = $4, pattern_bytes = $5, program_size = $6,
                unindexed_count = $7
            WHERE account_id = $1 AND id = $2
            """
        )
    }

    /// The cost of conditions that are about to be stored. Compiles them: not for a transaction.
    init(of conditions: [[ConditionSource]], for use: ConditionUse) {
        self.init(of: conditions, for: use, bytes: PackedConfiguration.encode(conditions).bytes.count)
    }

    /// The columns from `column` on; nil: not counted yet.
    init?(_ row: any SQLRow, _ column: Int) {
        guard !row.isNull(column) else { return nil }
        self.init(
            patterns: row.int(column + 1),
            patternBytes: row.int(column + 2),
            programSize: row.int(column + 3),
            unindexed: row.int(column + 4),
            bytes: row.int(column)
        )
    }

    /// The columns.
    var values: [SQLValue] {
        [.int(bytes), .int(patterns), .int(patternBytes), .int(programSize), .int(unindexed)]
    }

    /// The columns of a row whose cost may not be known.
    static func values(_ cost: ConditionCost?) -> [SQLValue] {
        cost?.values ?? Array(repeating: .null, count: 5)
    }

    /// Of all routes and notifiers of the account.
    static func sum(of account: AccountNumber, on connection: any SQLConnection) throws -> ConditionCost {
        var sum = ConditionCost()
        for statement in [ofRoutes, ofNotifiers] {
            let part = try connection.row(statement, [.account(account)]) { row throws(SQLError) in
                ConditionCost(row, 0)
            }
            if let part { sum += part ?? ConditionCost() }
        }
        return sum
    }

    /// Estimates the cost of rows that have none.
    fileprivate static func estimate(_ write: Mutation) throws {
        for (rows, update, use) in [
            (uncountedRoutes, setOfRoute, ConditionUse.route),
            (uncountedNotifiers, setOfNotifier, ConditionUse.notifier),
        ] {
            let found = try write.connection.rows(rows, [.account(write.account)]) {
                row throws(SQLError) -> [SQLValue] in
                let (id, bytes): (Identifier<RouteKind>, [UInt8]) = (try row.id(0), row.bytes(1))
                let conditions = PackedConfiguration.conditions(bytes) ?? []
                let cost = ConditionCost(estimating: conditions, for: use, bytes: bytes.count)
                return [.account(write.account), .id(id)] + cost.values
            }
            try write.connection.batch(update, found)
        }
    }
}

/// What a change writes and removes of conditions.
struct ConditionMeter: Sendable {
    private(set) var added = ConditionCost()
    private(set) var removed = ConditionCost()
    /// In the order of the body.
    private var written: [Written] = []

    /// Conditions of one body.
    private struct Written {
        /// Where they stand: `/conditions`, or `/routes` for a list of which each element has conditions.
        let pointer: String
        let isList: Bool
        let costs: [ConditionCost]

        func pointer(of index: Int) -> String { isList ? "\(pointer)/\(index)/conditions" : pointer }
    }

    var isEmpty: Bool { written.isEmpty }

    /// Counts the conditions of one route or notifier.
    mutating func add(_ cost: ConditionCost, at pointer: String) {
        added += cost
        written.append(Written(pointer: pointer, isList: false, costs: [cost]))
    }

    /// Counts those of a list.
    mutating func add(_ costs: [ConditionCost], of list: String) {
        for cost in costs { added += cost }
        written.append(Written(pointer: list, isList: true, costs: costs))
    }

    /// Counts what other conditions take the place of.
    mutating func remove(_ costs: [ConditionCost?]) {
        for case let cost? in costs { removed += cost }
    }

    /// Counts all that `other` does.
    mutating func add(_ other: ConditionMeter) {
        added += other.added
        removed += other.removed
        written += other.written
    }

    /// Throws `costLimitReached` when the account has more than it may, and more than before.
    func check(
        before: ConditionCost,
        after: ConditionCost,
        within limits: AccountLimits
    ) throws(StoreError) {
        for kind in AccountLimits.Kind.ofConditions {
            guard let count = after[kind], let earlier = before[kind], count > limits[kind], count > earlier
            else { continue }
            let pointers = pointers(beyond: limits[kind], of: kind, having: count)
            throw .costLimitReached(kind, limits[kind], count, at: pointers)
        }
    }

    /// The first places, at most `Limits.errors`, at which what was written goes beyond `limit`; `count` is what the account has with it.
    private func pointers(beyond limit: Int, of kind: AccountLimits.Kind, having count: Int) -> [String] {
        var sum = count - (added[kind] ?? 0)
        var pointers: [String] = []
        for part in written {
            for (index, cost) in part.costs.enumerated() {
                guard let more = cost[kind], more > 0 else { continue }
                sum += more
                if sum > limit { pointers.append(part.pointer(of: index)) }
                if pointers.count == Limits.errors { return pointers }
            }
        }
        return pointers
    }
}

extension Mutation {
    /// Has to be called before the conditions of one route or notifier are written, which stand at `pointer` in the body.
    func meter(_ cost: ConditionCost, at pointer: String = "/conditions") throws {
        var meter = ConditionMeter()
        meter.add(cost, at: pointer)
        try add(meter)
    }

    /// Keeps the cost of a notifier's conditions with it.
    func keep(_ cost: ConditionCost, of id: NotifierID) throws {
        try connection.run(ConditionCost.setOfNotifier, [.account(account), .id(id)] + cost.values)
    }

    /// The same for all that a change writes. The account's limits are checked at the end of the transaction.
    func add(_ meter: ConditionMeter) throws {
        guard !meter.isEmpty else { return }
        if effects.meters[account] == nil {
            try ConditionCost.estimate(self)
            effects.meters[account] = (try ConditionCost.sum(of: account, on: connection), ConditionMeter())
        }
        effects.meters[account]?.meter.add(meter)
    }

    /// Throws `costLimitReached` when an account now has more conditions than it may, and more than before.
    func checkMeters() throws {
        for (account, (before, meter)) in effects.meters {
            let after = try ConditionCost.sum(of: account, on: connection)
            try meter.check(
                before: before,
                after: after,
                within: try AccountLimits.of(account, on: connection)
            )
        }
    }
}
