import Domain
import SQL

/// Messages for trying a notifier or a template.
extension NotificationStore {
    /// A message for trying a notifier or a template of `channel`: what `change` of the alert would say, or of one that is made up. Throws
    /// `notFound` for a channel or an alert that is not there.
    package func sample(
        _ change: AlertChange,
        of alert: AlertID?,
        in channel: ChannelID,
        of account: AccountNumber
    ) async throws -> OutboundMessage {
        let (id, now, publicURL): (NotificationID, _, _) = (
            store.identifiers.next(), store.now, store.publicURL
        )
        let news = try await store.database.read(.of(account)) { connection in
            try alert.map { alert in
                try connection.row(Self.sample, [.account(account), .id(alert)]) { row throws(SQLError) in
                    try AlertNews(sampled: change, row, at: now, publicURL)
                }
            }
                ?? connection.row(Self.place, [.account(account), .id(channel)]) { row throws(SQLError) in
                    AlertNews(
                        example: change,
                        account: AlertNews.Place(id: try row.id(0), name: row.text(1)),
                        channel: AlertNews.Place(id: channel, name: row.text(2)),
                        at: now,
                        id: AlertID(high: id.high, low: id.low),
                        publicURL
                    )
                }
        }
        guard let news else { throw StoreError.notFound }
        return OutboundMessage(id: id, message: .alert(news), isTest: true)
    }
}

extension AlertNews {
    /// What `change` of a stored alert would say: a row of `NotificationStore.sample`.
    fileprivate init(
        sampled change: AlertChange,
        _ row: any SQLRow,
        at now: UnixTime,
        _ publicURL: PublicURL
    ) throws(SQLError) {
        let alert = try AlertRows.decode(row)
        let first = AlertRows.columnCount
        let account = AlertNews.Place<AccountID>(id: try row.id(first + 3), name: row.text(first + 4))
        self.init(
            Notification.Change(change, of: alert, event: nil),
            of: Notification(sample: alert, change, at: now),
            content: Packing.content(row.bytes(first)),
            endedAt: change >= .recovered ? now : nil,
            startsAt: alert.begunAt,
            endsAt: change >= .recovered ? alert.endsAt : nil,
            account: account,
            channel: AlertNews.Place(id: alert.channelID, name: row.text(first + 1)),
            integration: AlertNews.Place(id: alert.integrationID, name: row.text(first + 2)),
            publicURL
        )
    }

    /// An alert that is made up.
    fileprivate init(
        example change: AlertChange,
        account: Place<AccountID>,
        channel: Place<ChannelID>,
        at now: UnixTime,
        id: AlertID,
        _ publicURL: PublicURL
    ) {
        let start = now.adding(seconds: -300)
        self.init(
            change: change,
            at: now,
            account: account,
            channel: channel,
            integration: Place(id: IntegrationID(high: id.high, low: id.low), name: Text("Example")),
            alertID: id,
            eventID: nil,
            alertKey: Text("example"),
            title: Text("HighCPU: example of an alert"),
            description: Text(
                "CPU of node-1 has been above 90 % for 5 minutes. This is an example: nothing happened."
            ),
            link: nil,
            severity: .warning,
            maxSeverity: .critical,
            status: change == .recovered ? okStatus : Severity.warning.name,
            labels: Labels([
                (Text("alertname"), Text("HighCPU")), (Text("instance"), Text("node-1")),
                (Text("namespace"), Text("default")),
            ]),
            annotations: Labels(),
            firstSeenAt: start,
            lastSeenAt: now,
            endedAt: change >= .recovered ? now : nil,
            eventCount: 3,
            url: publicURL.base + "/v1/accounts/\(account.id)/alerts/\(id)"
        )
    }
}

extension Notification {
    /// One that is not stored, for a sample.
    fileprivate init(sample alert: Alert, _ change: AlertChange, at now: UnixTime) {
        self.init(
            id: NotificationID(high: 0, low: 0),
            notifierID: NotifierID(high: 0, low: 0),
            channelID: alert.channelID,
            change: nil,
            title: alert.title,
            at: now,
            state: .waiting,
            nextAt: now,
            attempts: 0,
            sentAt: nil,
            by: nil,
            log: nil
        )
    }
}
