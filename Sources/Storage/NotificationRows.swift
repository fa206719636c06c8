import Domain
import SQL

/// The statements of the table `notifications`, and how its rows are read and written.
enum NotificationRows {
    /// Columns of `insert`.
    static let insertCount = 19
    /// The code of a digest in the column `change`.
    static let digestCode: Int64 = 5

    static let columns = """
        n.id, n.notifier_id, n.channel_id, n.change, n.integration_id, n.alert_id, n.event_id, n.alert_key, n.title, n.severity,
        n.max_severity, n.first_seen_at, n.last_seen_at, n.event_count, n.at, n.state, n.next_at, n.attempts, n.sent_at, n.by_id, n.log
        """
    /// Columns before others that are selected after `columns`.
    static let columnCount = 21

    static let insert = SQLStatement(
        """
        INSERT INTO notifications (
            account_id, id, notifier_id, channel_id, change, integration_id, alert_id, event_id, alert_key, title, severity,
            max_severity, first_seen_at, last_seen_at, event_count, at, next_at, attempts, content, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, 0)
        """
    )

    static let statements = [insert]

    /// The row of a change, for `insert`. `content` is for an alert whose texts are in no event.
    static func append(
        _ change: Notification.Change,
        id: NotificationID,
        to notifier: NotifierID,
        of channel: ChannelID,
        title: Text,
        at now: UnixTime,
        content: [UInt8]? = nil,
        account: AccountNumber,
        rows: inout SQLRows
    ) {
        rows.append(.account(account))
        rows.append(.id(id))
        rows.append(.id(notifier))
        rows.append(.id(channel))
        rows.append(.integer(Int64(change.change.rawValue)))
        rows.append(.id(change.integrationID))
        rows.append(.id(change.alertID))
        rows.append(.id(change.eventID))
        rows.append(.text(change.alertKey))
        rows.append(.text(title))
        rows.append(.integer(Int64(change.severity.rawValue)))
        rows.append(.integer(Int64(change.maxSeverity.rawValue)))
        rows.append(.time(change.firstSeenAt))
        rows.append(.time(change.lastSeenAt))
        rows.append(.integer(change.eventCount))
        rows.append(.time(now))
        rows.append(.time(now))
        rows.append(.integer(0))
        rows.append(content.map { .blob($0) } ?? .null)
    }

    /// The row of a digest, for `insert`.
    static func values(
        digest id: NotificationID,
        to notifier: NotifierID,
        of channel: ChannelID,
        title: Text,
        at now: UnixTime,
        attempts: Int,
        content: [UInt8],
        account: AccountNumber
    ) -> [SQLValue] {
        [
            .account(account), .id(id), .id(notifier), .id(channel), .integer(digestCode), .null, .null,
            .null, .null,
        ]
            + [
                .text(title), .null, .null, .null, .null, .null, .time(now), .time(now), .int(attempts),
                .blob(content),
            ]
    }

    /// Reads `columns`.
    static func decode(_ row: any SQLRow) throws(SQLError) -> Notification {
        Notification(
            id: try row.id(0),
            notifierID: try row.id(1),
            channelID: try row.id(2),
            change: row.integer(3) == digestCode ? nil : try change(row),
            title: row.text(8),
            at: row.time(14),
            state: try row.code(15, as: Notification.State.self),
            nextAt: row.time(16),
            attempts: row.int(17),
            sentAt: row.optionalTime(18),
            by: try row.optionalID(19),
            log: row.optionalText(20)
        )
    }

    private static func change(_ row: any SQLRow) throws(SQLError) -> Notification.Change {
        Notification.Change(
            change: try row.code(3, as: AlertChange.self),
            integrationID: try row.id(4),
            alertID: try row.id(5),
            eventID: try row.optionalID(6),
            alertKey: row.text(7),
            severity: try row.code(9, as: Severity.self),
            maxSeverity: try row.code(10, as: Severity.self),
            firstSeenAt: row.time(11),
            lastSeenAt: row.time(12),
            eventCount: row.integer(13)
        )
    }
}

/// Writes what notifiers are told, in the transaction that changes the alerts.
struct Teller {
    private let account: AccountNumber
    private let identifiers: IdentifierSource
    private var rows = SQLRows(columns: NotificationRows.insertCount)
    private var told: Set<OutboxSignal.Key> = []

    init(_ account: AccountNumber, _ identifiers: IdentifierSource) {
        self.account = account
        self.identifiers = identifiers
    }

    /// Tells those notifiers of the alert's channel that `verdicts` say, in one order with `rules`. `content` are its packed texts when no
    /// event has them.
    mutating func tell(
        _ change: AlertChange,
        of alert: Alert,
        event: EventID?,
        content: [UInt8]? = nil,
        notifiers rules: [NotifierRule],
        verdicts: [Telling.Verdict],
        at now: UnixTime
    ) -> [Telling] {
        zip(rules, verdicts).map { rule, verdict in
            let id: NotificationID? = verdict == .told ? identifiers.next() : nil
            if let id {
                told.insert(OutboxSignal.Key(account: account, notifier: rule.id))
                NotificationRows.append(
                    Notification.Change(change, of: alert, event: event),
                    id: id,
                    to: rule.id,
                    of: alert.channelID,
                    title: alert.title,
                    at: now,
                    content: content,
                    account: account,
                    rows: &rows
                )
            }
            return Telling(
                channelID: alert.channelID,
                notifierID: rule.id,
                verdict: verdict,
                notificationID: id
            )
        }
    }

    /// Who has something to send once the transaction is committed, since the last call.
    mutating func takeTold() -> Set<OutboxSignal.Key> {
        defer { told = [] }
        return told
    }

    func save(on connection: any SQLConnection) throws(SQLError) {
        try connection.batch(NotificationRows.insert, rows)
    }
}

extension Notification.Change {
    /// `change` of `alert`, which is as it is after it.
    init(_ change: AlertChange, of alert: Alert, event: EventID?) {
        self.init(
            change: change,
            integrationID: alert.integrationID,
            alertID: alert.id,
            eventID: event,
            alertKey: alert.alertKey,
            severity: alert.severity,
            maxSeverity: alert.maxSeverity,
            firstSeenAt: alert.firstSeenAt,
            lastSeenAt: alert.lastSeenAt,
            eventCount: alert.eventCount
        )
    }
}
