import Domain
import SQL

/// The statements of the table `alerts`, and how its rows are read and written.
enum AlertRows {
    static let columns = """
        a.id, a.channel_id, a.integration_id, a.alert_key, a.title, a.severity, a.max_severity, a.phase, a.starts_at,
        a.first_seen_at, a.last_seen_at, a.ended_at, a.closed_by, a.event_count, a.labels_digest, a.content_digest,
        a.hearing, COALESCE(a.begun_at, a.starts_at), a.ends_at, a.earlier_starts
        """
    /// Columns before `content` when that is selected after `columns`.
    static let columnCount = 20

    static let newest = SQLRowsStatement(
        columns,
        from: "alerts a",
        where:
            "a.account_id = $1 AND a.integration_id = v.column1 AND a.alert_key = v.column2 AND a.is_newest = 1",
        leading: 1,
        types: ["BYTEA", "TEXT"]
    )
    static let insert = SQLStatement(
        """
        INSERT INTO alerts (
            account_id, id, title, severity, max_severity, phase, starts_at, last_seen_at, ended_at, closed_by,
            event_count, labels_digest, content_digest, hearing, begun_at, ends_at, content, channel_id,
            integration_id, alert_key, first_seen_at, is_newest, earlier_starts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23)
        """
    )
    static let update = SQLStatement(
        """
        UPDATE alerts SET title = $3, severity = $4, max_severity = $5, phase = $6, starts_at = $7, last_seen_at = $8,
            ended_at = $9, closed_by = $10, event_count = $11, labels_digest = $12, content_digest = $13,
            hearing = $14, begun_at = $15, ends_at = $16
        WHERE account_id = $1 AND id = $2
        """,
        isRowwise: true
    )
    static let updateContent = SQLStatement(
        "UPDATE alerts SET content = $3 WHERE account_id = $1 AND id = $2",
        isRowwise: true
    )
    static let retire = SQLStatement(
        "UPDATE alerts SET is_newest = 0 WHERE account_id = $1 AND id = $2",
        isRowwise: true
    )

    static let statements = newest.statements + [insert, update, updateContent, retire]

    /// The newest alerts of these identities, in every channel.
    static func newest(
        of identities: [AlertFold.Identity],
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> [Alert] {
        let keys = identities.map { [SQLValue.id($0.integrationID), .text($0.alertKey)] }
        return try connection.rows(newest, [.account(account)], keys: keys, decode)
    }

    /// Saves what a fold changed. Alerts that a new one follows are retired first, so that at most one of an identity is newest.
    static func save(
        _ changes: [AlertFold.Saved],
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) {
        let key = SQLValue.account(account)
        let retired = Set(changes.compactMap(\.retires))
        try connection.batch(retire, retired.map { [key, .id($0)] })
        var inserted = SQLRows(columns: 23)
        var updated = SQLRows(columns: 16)
        var contents: [[SQLValue]] = []
        for change in changes {
            if change.isNew {
                append(change.alert, key, to: &inserted)
                inserted.append(.blob(change.content ?? []))
                inserted.append(.id(change.alert.channelID))
                inserted.append(.id(change.alert.integrationID))
                inserted.append(.text(change.alert.alertKey))
                inserted.append(.time(change.alert.firstSeenAt))
                inserted.append(.flag(!retired.contains(change.alert.id)))
                inserted.append(bytes(change.alert.earlierStarts))
            } else {
                append(change.alert, key, to: &updated)
                if let content = change.content {
                    contents.append([key, .id(change.alert.id), .blob(content)])
                }
            }
        }
        try connection.batch(insert, inserted)
        try connection.batch(update, updated)
        try connection.batch(updateContent, contents)
    }

    /// What may change of an alert, in the order of `insert` and `update`.
    private static func append(_ alert: Alert, _ account: SQLValue, to rows: inout SQLRows) {
        var phase: Int64 = 0
        var endedAt: UnixTime?
        var closedBy: APIKeyID?
        switch alert.phase {
        case .open: break
        case .recovered(let at): (phase, endedAt) = (1, at)
        case .closed(let at, let by): (phase, endedAt, closedBy) = (2, at, by)
        }
        rows.append(account)
        rows.append(.id(alert.id))
        rows.append(.text(alert.title))
        rows.append(.integer(Int64(alert.severity.rawValue)))
        rows.append(.integer(Int64(alert.maxSeverity.rawValue)))
        rows.append(.integer(phase))
        rows.append(.time(alert.startsAt))
        rows.append(.time(alert.lastSeenAt))
        rows.append(.time(endedAt))
        rows.append(.id(closedBy))
        rows.append(.integer(alert.eventCount))
        rows.append(.blob(alert.labelsDigest))
        rows.append(.blob(alert.contentDigest))
        rows.append(alert.hearing.bytes.map { .blob($0) } ?? .null)
        rows.append(.time(alert.begunAt))
        rows.append(.time(alert.endsAt))
    }

    /// 8 bytes each, big-endian.
    private static func bytes(_ starts: [UnixTime]) -> SQLValue {
        guard !starts.isEmpty else { return .null }
        var bytes: [UInt8] = []
        for start in starts { bytes.appendBigEndian(UInt64(bitPattern: start.milliseconds), count: 8) }
        return .blob(bytes)
    }

    private static func starts(_ bytes: [UInt8]) -> [UnixTime] {
        stride(from: 0, to: bytes.count - bytes.count % 8, by: 8).map { place in
            let number = bytes[place..<place + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return UnixTime(milliseconds: Int64(bitPattern: number))
        }
    }

    /// Reads `columns`.
    static func decode(_ row: any SQLRow) throws(SQLError) -> Alert {
        Alert(
            id: try row.id(0),
            channelID: try row.id(1),
            integrationID: try row.id(2),
            alertKey: row.text(3),
            title: row.text(4),
            severity: try row.code(5, as: Severity.self),
            maxSeverity: try row.code(6, as: Severity.self),
            phase: try phase(row),
            startsAt: row.optionalTime(8),
            begunAt: row.optionalTime(17),
            endsAt: row.optionalTime(18),
            earlierStarts: row.isNull(19) ? [] : starts(row.bytes(19)),
            firstSeenAt: row.time(9),
            lastSeenAt: row.time(10),
            eventCount: row.integer(13),
            labelsDigest: row.bytes(14),
            contentDigest: row.bytes(15),
            hearing: Hearing(bytes: row.isNull(16) ? nil : row.bytes(16))
        )
    }

    private static func phase(_ row: any SQLRow) throws(SQLError) -> Alert.Phase {
        switch row.integer(7) {
        case 0: .open
        case 1: .recovered(at: row.time(11))
        default: .closed(at: row.time(11), by: try row.id(12))
        }
    }
}
