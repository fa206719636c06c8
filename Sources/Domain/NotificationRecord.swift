/// One change of one alert on its way to one notifier, or a digest of many: what the outbox holds and the record shows.
package struct Notification: Sendable, Equatable {
    /// The raw value is what the database holds.
    package enum State: UInt8, Sendable, CaseIterable {
        case waiting = 0
        case sent = 1
        /// Not sent: a later change of the alert is told instead.
        case superseded = 2
        /// Told as a part of a digest.
        case digested = 3
        /// Given up; can be replayed.
        case dead = 4

        /// The wire spelling.
        package var name: String {
            switch self {
            case .waiting: "waiting"
            case .sent: "sent"
            case .superseded: "superseded"
            case .digested: "digested"
            case .dead: "dead"
            }
        }

        /// Reads the wire spelling.
        package init?(name: String) {
            guard let state = Self.allCases.first(where: { $0.name == name }) else { return nil }
            self = state
        }
    }

    /// What a single change is about.
    package struct Change: Sendable, Equatable {
        package let change: AlertChange
        package let integrationID: IntegrationID
        package let alertID: AlertID
        /// nil when a caller closed the alert.
        package let eventID: EventID?
        package let alertKey: Text
        package let severity: Severity
        package let maxSeverity: Severity
        package let firstSeenAt: UnixTime
        package let lastSeenAt: UnixTime
        package let eventCount: Int64

        package init(
            change: AlertChange,
            integrationID: IntegrationID,
            alertID: AlertID,
            eventID: EventID?,
            alertKey: Text,
            severity: Severity,
            maxSeverity: Severity,
            firstSeenAt: UnixTime,
            lastSeenAt: UnixTime,
            eventCount: Int64
        ) {
            self.change = change
            self.integrationID = integrationID
            self.alertID = alertID
            self.eventID = eventID
            self.alertKey = alertKey
            self.severity = severity
            self.maxSeverity = maxSeverity
            self.firstSeenAt = firstSeenAt
            self.lastSeenAt = lastSeenAt
            self.eventCount = eventCount
        }

        /// The severity while it fires or was closed, `Ok` once recovered.
        package var status: String { change == .recovered ? okStatus : severity.name }
    }

    package let id: NotificationID
    package let notifierID: NotifierID
    package let channelID: ChannelID
    /// nil: a digest.
    package let change: Change?
    /// Of the alert; of a digest, a few words.
    package let title: Text
    /// When the change was received, or the digest made.
    package let at: UnixTime
    package let state: State
    /// When it may be tried, while it waits.
    package let nextAt: UnixTime
    package let attempts: Int
    package let sentAt: UnixTime?
    /// What superseded it, or the digest that tells it.
    package let by: NotificationID?
    /// Its attempts as JSON, oldest first: the array that `AttemptLog` keeps.
    package let log: Text?

    package init(
        id: NotificationID,
        notifierID: NotifierID,
        channelID: ChannelID,
        change: Change?,
        title: Text,
        at: UnixTime,
        state: State,
        nextAt: UnixTime,
        attempts: Int,
        sentAt: UnixTime?,
        by: NotificationID?,
        log: Text?
    ) {
        self.id = id
        self.notifierID = notifierID
        self.channelID = channelID
        self.change = change
        self.title = title
        self.at = at
        self.state = state
        self.nextAt = nextAt
        self.attempts = attempts
        self.sentAt = sentAt
        self.by = by
        self.log = log
    }
}
