import Domain
import Native

/// What the nodes on one database tell each other. Only hints: whoever misses one finds the same by looking, a little later.
package enum Announcement: Equatable, Sendable {
    /// The account's configuration is at this revision now.
    case configuration(AccountNumber, Revision)
    /// Something waits for these notifiers.
    case outbox([OutboxSignal.Key])

    /// Keys that one text holds: PostgreSQL takes less than 8,000 bytes.
    package static let outboxLimit = 150

    /// `c NUMBER REVISION` or `o NUMBER NOTIFIER NUMBER NOTIFIER ...`.
    var text: String {
        switch self {
        case .configuration(let account, let revision): "c \(account.value) \(revision.value)"
        case .outbox(let keys):
            "o " + keys.map { "\($0.account.value) \($0.notifier)" }.joined(separator: " ")
        }
    }

    /// nil: the text is of a newer program, or none of ours.
    package init?(_ text: String) {
        let words = text.split(separator: " ")
        switch words.first {
        case "c":
            guard words.count == 3, let account = UInt32(words[1]), let revision = Int64(words[2]) else {
                return nil
            }
            self = .configuration(AccountNumber(account), Revision(revision))
        case "o":
            var keys: [OutboxSignal.Key] = []
            for index in stride(from: 1, to: words.count - 1, by: 2) {
                guard let account = UInt32(words[index]), let notifier = NotifierID(String(words[index + 1]))
                else { return nil }
                keys.append(OutboxSignal.Key(account: AccountNumber(account), notifier: notifier))
            }
            self = .outbox(keys)
        default: return nil
        }
    }
}
