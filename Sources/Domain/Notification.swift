/// What a receiver is told.
package enum Message: Sendable, Equatable {
    /// What became of one alert.
    case alert(AlertNews)
    /// What became of many.
    case digest(Digest)
}

/// A message on its way to one notifier.
package struct OutboundMessage: Sendable, Equatable {
    /// The same however often it is sent.
    package let id: NotificationID
    package let message: Message
    /// Whether somebody only tries the notifier.
    package let isTest: Bool
    /// Notifications that were not sent because this one says more recent things.
    package let supersedes: [NotificationID]
    /// Whether it tells of the end of an alert of which this notifier was to be told before, and could not be.
    package let isFirstWord: Bool

    package init(
        id: NotificationID,
        message: Message,
        isTest: Bool = false,
        supersedes: [NotificationID] = [],
        isFirstWord: Bool = false
    ) {
        self.isFirstWord = isFirstWord
        self.id = id
        self.message = message
        self.isTest = isTest
        self.supersedes = supersedes
    }
}

/// One alert, as it stood right after a change.
package struct AlertNews: Sendable, Equatable {
    /// A channel, integration or account by id and name.
    package struct Place<ID: Sendable & Equatable>: Sendable, Equatable {
        package let id: ID
        package let name: Text

        package init(id: ID, name: Text) {
            self.id = id
            self.name = name
        }
    }

    package let change: AlertChange
    /// When it was received.
    package let at: UnixTime
    package let account: Place<AccountID>
    package let channel: Place<ChannelID>
    package let integration: Place<IntegrationID>
    package let alertID: AlertID
    /// The event that changed it; nil when a caller closed it.
    package let eventID: EventID?
    package let alertKey: Text
    package let title: Text
    package let description: Text
    /// What the sender linked to.
    package let link: Text?
    /// Every address that the sender gave.
    package let addresses: SourceAddresses
    package let severity: Severity
    package let maxSeverity: Severity
    /// The severity while it fires or was closed, `Ok` once recovered.
    package let status: String
    package let labels: Labels
    package let annotations: Labels
    package let firstSeenAt: UnixTime
    package let lastSeenAt: UnixTime
    package let endedAt: UnixTime?
    /// When it began and ended, by its sender; nil: it did not say.
    package let startsAt: UnixTime?
    package let endsAt: UnixTime?
    package let eventCount: Int64
    /// Where the alert is to be had from the API of this Tocsin: `https://HOST/v1/accounts/ID/alerts/ID`.
    package let url: String

    /// A page about it for people; nil: there is none.
    package var page: Text? { link }
    /// When it began, by its sender where that said so.
    package var beganAt: UnixTime { startsAt ?? firstSeenAt }
    /// When it ended, by its sender where that said so; nil while it is open.
    package var overAt: UnixTime? { endedAt.map { endsAt ?? $0 } }
    /// For how long it has been, or was, open, in milliseconds, on one clock: the sender's where that gave both moments, else ours; never
    /// negative.
    package var milliseconds: Int64 {
        let now = endedAt ?? at
        let end = endsAt ?? now
        let isSenders = startsAt != nil && (endedAt == nil || endsAt != nil)
        return max(
            0,
            isSenders ? end.milliseconds - beganAt.milliseconds : now.milliseconds - firstSeenAt.milliseconds
        )
    }

    package init(
        change: AlertChange,
        at: UnixTime,
        account: Place<AccountID>,
        channel: Place<ChannelID>,
        integration: Place<IntegrationID>,
        alertID: AlertID,
        eventID: EventID?,
        alertKey: Text,
        title: Text,
        description: Text,
        link: Text?,
        addresses: SourceAddresses = SourceAddresses(),
        severity: Severity,
        maxSeverity: Severity,
        status: String,
        labels: Labels,
        annotations: Labels,
        firstSeenAt: UnixTime,
        lastSeenAt: UnixTime,
        endedAt: UnixTime?,
        startsAt: UnixTime? = nil,
        endsAt: UnixTime? = nil,
        eventCount: Int64,
        url: String
    ) {
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.change = change
        self.at = at
        self.account = account
        self.channel = channel
        self.integration = integration
        self.alertID = alertID
        self.eventID = eventID
        self.alertKey = alertKey
        self.title = title
        self.description = description
        self.link = link
        self.addresses = addresses
        self.severity = severity
        self.maxSeverity = maxSeverity
        self.status = status
        self.labels = labels
        self.annotations = annotations
        self.firstSeenAt = firstSeenAt
        self.lastSeenAt = lastSeenAt
        self.endedAt = endedAt
        self.eventCount = eventCount
        self.url = url
    }
}

/// Many changes in one message: the latest of each alert.
package struct Digest: Sendable, Equatable {
    /// Alerts whose latest change is `change` at `severity`.
    package struct Count: Sendable, Equatable {
        package let change: AlertChange
        package let severity: Severity
        package let alerts: Int

        package init(change: AlertChange, severity: Severity, alerts: Int) {
            self.change = change
            self.severity = severity
            self.alerts = alerts
        }
    }

    /// Alerts of one title.
    package struct TitleCount: Sendable, Equatable {
        package let title: Text
        package let severity: Severity
        package let alerts: Int

        package init(title: Text, severity: Severity, alerts: Int) {
            self.title = title
            self.severity = severity
            self.alerts = alerts
        }
    }

    /// Titles and ids that a digest names at most.
    package static let maximumTitles = 20
    package static let maximumIDs = 200

    package let account: AlertNews.Place<AccountID>
    package let channel: AlertNews.Place<ChannelID>
    /// Received times of the first and the last change in it.
    package let since: UnixTime
    package let until: UnixTime
    /// Changes in it: at least one for each alert.
    package let changes: Int
    /// Alerts in it.
    package let alerts: Int
    /// By severity, the highest first, then by change.
    package let counts: [Count]
    /// The most frequent first; at most `maximumTitles`.
    package let titles: [TitleCount]
    /// The first `maximumIDs` alerts.
    package let alertIDs: [AlertID]
    /// Where all of it is to be had from the API: `https://HOST/v1/accounts/ID/notifications?digest_id=ID`.
    package let url: String

    package init(
        account: AlertNews.Place<AccountID>,
        channel: AlertNews.Place<ChannelID>,
        since: UnixTime,
        until: UnixTime,
        changes: Int,
        alerts: Int,
        counts: [Count],
        titles: [TitleCount],
        alertIDs: [AlertID],
        url: String
    ) {
        self.account = account
        self.channel = channel
        self.since = since
        self.until = until
        self.changes = changes
        self.alerts = alerts
        self.counts = counts
        self.titles = titles
        self.alertIDs = alertIDs
        self.url = url
    }
}

/// What came of one attempt to send.
package struct SendResult: Sendable, Equatable {
    /// The raw value is the wire form.
    package enum Failure: String, Sendable, CaseIterable {
        /// The name could not be resolved.
        case unresolved
        /// An address, port or scheme that must not be reached.
        case forbidden = "forbidden_address"
        case connect = "connect_failed"
        case tls = "tls_failed"
        case timeout
        /// The connection ended before the answer was whole, or the answer was none.
        case broken = "connection_broken"
        /// It answered with a status that is no success, redirects among them.
        case status = "http_status"
        /// It answered 200 and said in the body that it did not take it.
        case refused = "refused_by_receiver"
        /// It asked for fewer messages.
        case limited = "rate_limited"
        /// It answered 410: never again.
        case gone
    }

    /// nil: sent.
    package let failure: Failure?
    /// What went wrong, for the notifier's owner: no secret, no URL. Empty when sent.
    package let detail: String
    /// The status of HTTP, the reply code of SMTP; nil: none came.
    package let statusCode: Int?
    /// Of the body of the answer: at most 512 bytes, printable.
    package let response: String
    package let latency: Duration
    /// What the receiver asked for, in seconds.
    package let retryAfter: Int64?
    /// Why the owner's template was not used; nil: it was, or there is none.
    package let templateProblem: String?

    package init(
        failure: Failure?,
        detail: String,
        statusCode: Int?,
        response: String,
        latency: Duration,
        retryAfter: Int64? = nil,
        templateProblem: String? = nil
    ) {
        self.failure = failure
        self.detail = detail
        self.statusCode = statusCode
        self.response = response
        self.latency = latency
        self.retryAfter = retryAfter
        self.templateProblem = templateProblem
    }
}
