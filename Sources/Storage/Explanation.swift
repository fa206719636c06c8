import Domain
import SQL

/// Why somebody was told of an event, or nobody was.
extension NotificationStore {
    /// Why one notifier was told of an event, or nobody in a channel was.
    package struct Explanation: Sendable {
        /// The raw value is the wire form.
        package enum Verdict: String, Sendable, CaseIterable {
            case told
            case noNotifier = "no_notifier"
            case conditionsNotMet = "conditions_not_met"
            case changeNotWanted = "change_not_wanted"
            case notifierDisabled = "notifier_disabled"
            /// The recovery of the alert came before its firing: it was over at once.
            case alreadyOver = "already_over"
            /// The event changed nothing in this channel.
            case nothingNew = "nothing_new"
            /// The event led to no channel.
            case noChannel = "no_channel"
        }

        package let channelID: ChannelID?
        package let notifierID: NotifierID?
        package let verdict: Verdict
        /// nil unless it was told, or once that is no longer kept.
        package let notification: Notification?
    }

    /// For each channel that an event came to, and each of its notifiers then: was it told, and why not. Throws `notFound`.
    package func explain(_ event: EventID, in account: AccountNumber) async throws -> [Explanation] {
        try await store.database.read(.of(account)) { connection in
            let found = try connection.row(Self.tellings, [.account(account), .id(event)]) {
                row throws(SQLError) in
                (
                    outcome: EventOutcome.decode(row.bytes(0))?.first,
                    tellings: Telling.decode(row.bytes(1)) ?? []
                )
            }
            guard let found, let outcome = found.outcome else { throw StoreError.notFound }
            if outcome.channels.isEmpty {
                return [Explanation(channelID: nil, notifierID: nil, verdict: .noChannel, notification: nil)]
            }
            return try outcome.channels.flatMap { channel in
                let tellings = found.tellings.filter { $0.channelID == channel.channelID }
                if tellings.isEmpty {
                    let verdict: Explanation.Verdict =
                        AlertChange(channel.outcome) == nil ? .nothingNew : .noNotifier
                    return [
                        Explanation(
                            channelID: channel.channelID,
                            notifierID: nil,
                            verdict: verdict,
                            notification: nil
                        )
                    ]
                }
                return try tellings.map { try Self.explanation($0, account, connection) }
            }
        }
    }

    private static func explanation(
        _ telling: Telling,
        _ account: AccountNumber,
        _ connection: any SQLConnection
    ) throws -> Explanation {
        let notification = try telling.notificationID.flatMap { id in
            try connection.row(find, [.account(account), .id(id)], NotificationRows.decode)
        }
        let verdict: Explanation.Verdict =
            switch telling.verdict {
            case .told: .told
            case .conditionsNotMet: .conditionsNotMet
            case .changeNotWanted: .changeNotWanted
            case .notifierDisabled: .notifierDisabled
            case .alreadyOver: .alreadyOver
            }
        return Explanation(
            channelID: telling.channelID,
            notifierID: telling.notifierID,
            verdict: verdict,
            notification: notification
        )
    }
}
