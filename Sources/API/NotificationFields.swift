import Domain
import Native
import Storage
import Web

extension JSONWriter {
    /// A notification without its attempts.
    mutating func notification(_ item: Notification, of account: AccountID) {
        let last = AttemptLog.last(item.log)
        field("id", item.id)
        field("account_id", account)
        field("notifier_id", item.notifierID)
        field("channel_id", item.channelID)
        field("integration_id", item.change?.integrationID)
        field("alert_id", item.change?.alertID)
        field("event_id", item.change?.eventID)
        field("change", item.change?.change.name ?? "digest")
        field("state", item.state.name)
        field("severity", item.change?.severity.name)
        field("status", item.change?.status)
        field("title", item.title)
        field("created_at", item.at)
        field("sent_at", item.sentAt)
        field("next_attempt_at", item.state == .waiting ? item.nextAt : nil)
        field("attempt_count", item.attempts)
        field("last_failure", last?.failure)
        field("last_status_code", last?.statusCode)
        field("last_latency_ms", last?.latency)
        field("superseded_by", item.state == .superseded ? item.by : nil)
        field("digest_id", item.state == .digested ? item.by : nil)
    }

    /// A notification with its attempts, oldest first; what receivers answered is not for viewers.
    mutating func detail(_ item: Notification, _ context: AccountContext) {
        notification(item, of: context.account.id)
        let isViewer = context.caller.roleName == Role.viewer.name
        let log = item.log
        rawField("attempts", isViewer ? AttemptLog.arrayWithoutResponses(log) : AttemptLog.array(log))
    }

    /// Whether one notifier was told of an event, and why not. `failingSince`: since when nothing reaches it.
    mutating func explanation(_ item: NotificationStore.Explanation, failingSince: UnixTime?) {
        field("channel_id", item.channelID)
        field("notifier_id", item.notifierID)
        field("verdict", item.verdict.rawValue)
        field("notification_id", item.notification?.id)
        field("state", item.notification?.state.name)
        field("detail", item.detail(failingSince: failingSince))
    }
}

extension NotificationStore.Explanation {
    /// The same in words.
    fileprivate func detail(failingSince: UnixTime?) -> String {
        switch verdict {
        case .told:
            notification.map { $0.detail(failingSince: failingSince) }
                ?? "It was told; the notification is no longer kept."
        case .noNotifier: "The channel had no notifier."
        case .conditionsNotMet: "The alert did not meet the notifier's conditions."
        case .changeNotWanted: "The notifier does not hear of this kind of change."
        case .notifierDisabled: "The notifier was disabled."
        case .alreadyOver:
            "The recovery of the alert came before its firing: it was over at once, and nobody is told."
        case .nothingNew: "The event changed nothing that is told in this channel."
        case .noChannel: "The event reached no channel."
        }
    }
}

extension Notification {
    /// How far it got, in words.
    fileprivate func detail(failingSince: UnixTime?) -> String {
        let failure = AttemptLog.last(log)?.failure.map { " The last one failed: \($0)." } ?? ""
        switch state {
        case .waiting where attempts > 0: return "It waits for its next attempt, after \(attempts).\(failure)"
        case .waiting:
            return failingSince.map { "It waits: the receiver has been failing since \($0)." }
                ?? "It waits to be sent."
        case .sent: return "It was sent."
        case .superseded: return "A later change of the alert is told in its place."
        case .digested: return "It is told as a part of a digest."
        case .dead where attempts > 0: return "It was given up after \(attempts) attempts.\(failure)"
        case .dead: return "It was given up before it was tried: the notifier was disabled or deleted."
        }
    }
}
