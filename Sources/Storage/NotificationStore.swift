import Domain
import Native
import SQL

/// The record of what was told, and of what was not.
package struct NotificationStore: Sendable {
    package let store: Store

    /// Notifications that one call replays, at most.
    package static let replayLimit = 1_000

    static let find = SQLStatement(
        "SELECT \(NotificationRows.columns) FROM notifications n WHERE n.account_id = $1 AND n.id = $2"
    )
    static let list = SQLStatement(
        """
        SELECT \(NotificationRows.columns) FROM notifications n
        WHERE n.account_id = $1 AND n.id < $2 ORDER BY n.id DESC LIMIT $3
        """
    )
    static let listOfAlert = SQLStatement(
        """
        SELECT \(NotificationRows.columns) FROM notifications n
        WHERE n.account_id = $1 AND n.alert_id = $4 AND n.id < $2 ORDER BY n.id DESC LIMIT $3
        """
    )
    static let later = SQLStatement(
        """
        SELECT id FROM notifications
        WHERE account_id = $1 AND alert_id = $2 AND notifier_id = $3 AND id > $4 ORDER BY id DESC LIMIT 1
        """
    )
    static let outdated = SQLStatement(
        "UPDATE notifications SET state = 2, by_id = $3 WHERE account_id = $1 AND id = $2 AND state = 4"
    )
    static let listDead = SQLStatement(
        """
        SELECT id, at, alert_id FROM notifications
        WHERE account_id = $1 AND notifier_id = $2 AND state = 4 AND id > $3 ORDER BY id LIMIT $4
        """
    )
    static let replay = SQLStatement(
        """
        UPDATE notifications SET state = 0, next_at = $3, attempts = 0, sent_at = NULL
        WHERE account_id = $1 AND id = $2 AND state IN (1, 4)
        """
    )
    static let tellings = SQLStatement(
        "SELECT e.outcome, e.tellings FROM events e WHERE e.account_id = $1 AND e.id = $2"
    )
    static let sample = SQLStatement(
        """
        SELECT \(AlertRows.columns), a.content, c.name, i.name, o.id, o.name
        FROM alerts a
        JOIN accounts o ON o.account_id = $1
        LEFT JOIN channels c ON c.account_id = $1 AND c.id = a.channel_id
        LEFT JOIN integrations i ON i.account_id = $1 AND i.id = a.integration_id
        WHERE a.account_id = $1 AND a.id = $2
        """
    )
    static let place = SQLStatement(
        """
        SELECT o.id, o.name, c.name FROM accounts o JOIN channels c ON c.account_id = $1 AND c.id = $2
        WHERE o.account_id = $1
        """
    )

    static let statements = [
        find, list, listOfAlert, later, outdated, listDead, replay, tellings, sample, place,
    ]

    /// Which notifications a list shows; nil lets everything through.
    package struct Filter: Sendable {
        package var notifierID: NotifierID?
        package var channelID: ChannelID?
        package var alertID: AlertID?
        package var eventID: EventID?
        /// Those that this digest tells.
        package var digestID: NotificationID?
        package var state: Notification.State?
        /// nil: any; `.some(nil)`: digests.
        package var change: AlertChange??
        /// At or after.
        package var since: UnixTime?
        /// Before.
        package var until: UnixTime?

        package init() {}

        var isEmpty: Bool {
            notifierID == nil && channelID == nil && eventID == nil && digestID == nil && state == nil
                && change == nil && since == nil && until == nil
        }

        func matches(_ item: Notification) -> Bool {
            if let notifierID, item.notifierID != notifierID { return false }
            if let channelID, item.channelID != channelID { return false }
            if let alertID, item.change?.alertID != alertID { return false }
            if let eventID, item.change?.eventID != eventID { return false }
            if let digestID, item.state != .digested || item.by != digestID { return false }
            if let state, item.state != state { return false }
            if let change, item.change?.change != change { return false }
            if let since, item.at < since { return false }
            if let until, item.at >= until { return false }
            return true
        }
    }

    /// The notification. Throws `notFound`.
    package func find(_ id: NotificationID, in account: AccountNumber) async throws -> Notification {
        try await store.database.read(.of(account)) { connection in
            guard
                let found = try connection.row(
                    Self.find,
                    [.account(account), .id(id)],
                    NotificationRows.decode
                )
            else { throw StoreError.notFound }
            return found
        }
    }

    /// A page of the notifications, the last made first.
    package func list(
        _ request: PageRequest<NotificationKind>,
        filter: Filter,
        in account: AccountNumber
    ) async throws -> Page<Notification, NotificationKind> {
        let statement = filter.alertID == nil ? Self.list : Self.listOfAlert
        let key = filter.alertID.map { [SQLValue.id($0)] } ?? []
        let oldest = filter.since.map { NotificationID.lowest(at: $0) }
        return try await PageScan.page(
            request,
            isFiltered: !filter.isEmpty,
            id: \.id,
            oldest: oldest,
            in: account,
            of: store.database
        ) { connection, before, limit in
            try connection.rows(
                statement,
                [.account(account), .id(before), .int(limit)] + key,
                NotificationRows.decode
            )
        } matches: {
            filter.matches($0)
        }
    }

    /// Sends one that was sent or given up once more, with the same id and text. Throws `notFound`, and `conflict` when it was never to be
    /// sent or still waits, or when the alert has changed since: nobody is to read "firing" after "recovered".
    package func replay(_ id: NotificationID, _ write: Mutation) throws -> Notification {
        let (account, connection) = (write.account, write.connection)
        let key: [SQLValue] = [.account(account), .id(id)]
        guard let found = try connection.row(Self.find, key, NotificationRows.decode) else {
            throw StoreError.notFound
        }
        if let later = try Self.later(
            than: id,
            of: found.change?.alertID,
            found.notifierID,
            account,
            connection
        ) {
            throw StoreError.conflict(
                "The alert has changed since: notification \(later) says how it stands."
            )
        }
        guard try connection.run(Self.replay, key + [.time(write.now)]) > 0 else {
            throw StoreError.conflict(
                "The notification is \(found.state.name): only what was sent or is dead can be replayed."
            )
        }
        try Self.note(id.description, 1, write)
        write.effects.told.insert(OutboxSignal.Key(account: account, notifier: found.notifierID))
        return try connection.row(Self.find, key, NotificationRows.decode) ?? found
    }

    private struct Dead {
        let id: NotificationID
        let at: UnixTime
        let alertID: AlertID?
    }

    /// The newest notification of the same alert to the same notifier, when it is later than `id`; nil for a digest.
    private static func later(
        than id: NotificationID,
        of alert: AlertID?,
        _ notifier: NotifierID,
        _ account: AccountNumber,
        _ connection: any SQLConnection
    ) throws -> NotificationID? {
        guard let alert else { return nil }
        let values: [SQLValue] = [.account(account), .id(alert), .id(notifier), .id(id)]
        return try connection.row(later, values) { row throws(SQLError) in try row.id(0) }
    }

    /// Sends the dead ones of a notifier once more, oldest first, of at most `limit`. Answers how many: those whose alert has changed since
    /// are superseded instead.
    package func replayDead(
        of notifier: NotifierID,
        since: UnixTime?,
        until: UnixTime?,
        limit: Int,
        _ write: Mutation
    ) throws -> Int {
        let (account, connection) = (write.account, write.connection)
        let start = since.map { NotificationID.lowest(at: $0) } ?? NotificationID(high: 0, low: 0)
        let found = try connection.rows(
            Self.listDead,
            [.account(account), .id(notifier), .id(start), .int(limit)]
        ) { row throws(SQLError) in
            Dead(id: try row.id(0), at: row.time(1), alertID: try row.optionalID(2))
        }
        let chosen = try found.filter { dead in
            guard until.map({ dead.at < $0 }) ?? true else { return false }
            let later = try Self.later(than: dead.id, of: dead.alertID, notifier, account, connection)
            if let later {
                try connection.run(Self.outdated, [.account(account), .id(dead.id), .id(later)])
            } else {
                try connection.run(Self.replay, [.account(account), .id(dead.id), .time(write.now)])
            }
            return later == nil
        }
        if !chosen.isEmpty {
            try Self.note(notifier.description, chosen.count, write)
            write.effects.told.insert(OutboxSignal.Key(account: account, notifier: notifier))
        }
        return chosen.count
    }

    private static func note(_ resource: String, _ count: Int, _ write: Mutation) throws {
        try write.note("notification.replay", resource) { $0.field("count", count) }
    }
}
