import Domain
import SQL

/// Deliveries that are too large for one short transaction: stored and acknowledged whole, and applied in slices.
///
/// - A delivery whose events cost more than a transaction may is stored with what fits of them; `pending_deliveries` says how many were
///   applied, and `PendingPushes` goes on from there, each slice in a transaction that moves the number along. So a crash loses nothing and
///   applies nothing twice.
/// - Rule: while an account has such a delivery, its further pushes are stored behind it and applied in their order. Why: a recovery must not
///   pass its firing. Otherwise: alerts that stay open for ever.
/// - What came of the events of such a delivery is kept in `delivery_slices`, `size` events a row.
package enum DeliverySlices {
    /// Events of a row, and the least that a transaction applies.
    package static let size = 16
    /// What the events of one push may cost in a transaction: a step each, and one for each channel and each notifier that hears of it.
    package static let budget = 512
    /// The same of a slice that was acknowledged before, which nobody waits for.
    package static let laterBudget = 128
    /// How long may be decided at once, looked at after each row.
    private static let time = Duration.milliseconds(50)

    static let pending = SQLStatement(
        "SELECT applied_to FROM pending_deliveries WHERE account_id = $1 AND delivery_id = $2"
    )
    static let addPending = SQLStatement(
        "INSERT INTO pending_deliveries (account_id, delivery_id, applied_to) VALUES ($1, $2, $3)"
    )
    static let movePending = SQLStatement(
        "UPDATE pending_deliveries SET applied_to = $3 WHERE account_id = $1 AND delivery_id = $2"
    )
    static let removePending = SQLStatement(
        "DELETE FROM pending_deliveries WHERE account_id = $1 AND delivery_id = $2"
    )
    static let noteLastEvent = SQLStatement(
        """
        UPDATE deliveries SET last_event_id = COALESCE($3::BYTEA, last_event_id) WHERE account_id = $1 AND id = $2
        """
    )
    static let put = SQLStatement(
        """
        INSERT INTO delivery_slices (account_id, delivery_id, position, decisions, outcomes) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id, delivery_id, position)
        DO UPDATE SET decisions = excluded.decisions, outcomes = excluded.outcomes
        """
    )
    static let read = SQLStatement(
        """
        SELECT position, decisions, outcomes FROM delivery_slices
        WHERE account_id = $1 AND delivery_id = $2 AND position >= $3 ORDER BY position LIMIT $4
        """
    )
    static let outcomes = SQLStatement(
        """
        SELECT position, outcomes FROM delivery_slices
        WHERE account_id = $1 AND delivery_id = $2 AND position >= $3 ORDER BY position LIMIT $4
        """
    )
    static let oldest = SQLStatement(
        """
        SELECT p.delivery_id, p.applied_to, d.integration_id, d.received_at, d.content_type, d.remote_address, d.body
        FROM pending_deliveries p LEFT JOIN deliveries d ON d.account_id = $1 AND d.id = p.delivery_id
        WHERE p.account_id = $1 ORDER BY p.delivery_id LIMIT 1
        """
    )
    static let statements = [
        pending, addPending, movePending, removePending, noteLastEvent, put, read, outcomes, oldest,
    ]

    static let nextAccount = SQLStatement(
        "SELECT account_id FROM pending_deliveries WHERE account_id > $1 ORDER BY account_id LIMIT 1"
    )
    static let platformStatements = [nextAccount]

    /// Decides on the first of `events`, whose place in their delivery is a multiple of `size`: as many rows of them as `budget` and the time
    /// allow, at least one row.
    package static func decide(
        _ events: ArraySlice<DecodedEvent>,
        budget: Int = budget,
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary,
        known: KnownContents
    ) -> [PreparedEvent] {
        var decided: [PreparedEvent] = []
        decided.reserveCapacity(min(events.count, budget))
        let start = ContinuousClock.now
        var cost = 0
        for event in events {
            if decided.count % size == 0, !decided.isEmpty,
                cost >= budget || start.duration(to: .now) >= time
            {
                break
            }
            let prepared = PreparedEvent(
                event,
                integration: integration,
                account: account,
                vocabulary: vocabulary,
                known: known
            )
            cost += prepared.cost(integration, account.notifiers)
            decided.append(prepared)
        }
        return decided
    }

    /// The results of the rows from the one on that has `position`, at most `rows` of them, with the position of each row.
    static func results(
        of delivery: DeliveryID,
        from position: Int,
        rows: Int,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> [(position: Int, results: [EventResult])] {
        let first = position - position % size
        return try connection.rows(
            read,
            [.account(account), .id(delivery), .int(first), .int(rows)]
        ) { row throws(SQLError) in
            let outcomes = EventOutcome.decode(row.bytes(2)) ?? []
            return (row.int(0), DecisionRecord.unpack(row.bytes(1), outcomes: outcomes) ?? [])
        }
    }
}
