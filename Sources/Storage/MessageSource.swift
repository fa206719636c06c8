import Domain
import Native
import SQL

/// Puts together what a receiver is told from a notification's row and what belongs to it.
enum MessageSource {
    /// The message of a row of `Outbox.message`.
    static func message(
        of notification: Notification,
        _ row: any SQLRow,
        _ publicURL: PublicURL
    ) throws(SQLError) -> Message {
        let first = NotificationRows.columnCount
        let account = AlertNews.Place<AccountID>(id: try row.id(first + 6), name: row.text(first + 7))
        let channel = AlertNews.Place(id: notification.channelID, name: row.text(first + 4))
        guard let change = notification.change else {
            return .digest(
                try digest(notification, row.bytes(first), account: account, channel: channel, publicURL)
            )
        }
        // The event's own texts, else those that the row keeps, else what the alert says now. The end of an alert is told with the texts of
        // the alert, as the API shows it: many senders leave out of a recovery what it is about.
        let isEnd = change.change >= .recovered
        let places = isEnd ? [first + 2, first, first + 1] : [first + 1, first, first + 2]
        let content = places.lazy.filter { !row.isNull($0) }
            .compactMap { Packing.content(row.bytes($0)) }.first
        return .alert(
            AlertNews(
                change,
                of: notification,
                content: content,
                endedAt: isEnd ? row.optionalTime(first + 3) ?? notification.at : nil,
                startsAt: row.optionalTime(first + 8),
                endsAt: isEnd ? row.optionalTime(first + 9) : nil,
                account: account,
                channel: channel,
                integration: AlertNews.Place(id: change.integrationID, name: row.text(first + 5)),
                publicURL
            )
        )
    }

    private static func digest(
        _ notification: Notification,
        _ packed: [UInt8],
        account: AlertNews.Place<AccountID>,
        channel: AlertNews.Place<ChannelID>,
        _ publicURL: PublicURL
    ) throws(SQLError) -> Digest {
        guard let json = Packing.unpack(packed), let content = PackedJSON.read(json, { DigestContent($0) })
        else {
            throw .damaged("the content of a digest")
        }
        return Digest(
            account: account,
            channel: channel,
            since: content.since,
            until: content.until,
            changes: content.changes,
            alerts: content.alerts,
            counts: content.counts,
            titles: content.titles,
            alertIDs: content.alertIDs,
            url: publicURL.base + "/v1/accounts/\(account.id)/notifications?digest_id=\(notification.id)"
        )
    }
}

extension AlertNews {
    /// What `change` is to people. `content` are the texts that the alert had then; nil: they are gone.
    init(
        _ change: Notification.Change,
        of notification: Notification,
        content: AlertContent?,
        endedAt: UnixTime?,
        startsAt: UnixTime?,
        endsAt: UnixTime?,
        account: Place<AccountID>,
        channel: Place<ChannelID>,
        integration: Place<IntegrationID>,
        _ publicURL: PublicURL
    ) {
        self.init(
            change: change.change,
            at: notification.at,
            account: account,
            channel: channel,
            integration: integration,
            alertID: change.alertID,
            eventID: change.eventID,
            alertKey: change.alertKey,
            title: notification.title,
            description: content?.description ?? Text(""),
            link: content?.link,
            addresses: content?.addresses ?? SourceAddresses(),
            severity: change.severity,
            maxSeverity: change.maxSeverity,
            status: change.status,
            labels: content?.labels ?? Labels(),
            annotations: content?.annotations ?? Labels(),
            firstSeenAt: change.firstSeenAt,
            lastSeenAt: change.lastSeenAt,
            endedAt: endedAt,
            startsAt: startsAt,
            endsAt: endsAt,
            eventCount: change.eventCount,
            url: publicURL.base + "/v1/accounts/\(account.id)/alerts/\(change.alertID)"
        )
    }
}
