import Domain
import SQL

/// Which stored templates can't be used: those that were written when more was taken. What is written now is read before, so every notifier
/// is looked at once by a process, some with each look, and only what was found is looked at again.
package final class TemplateWatch: Sendable {
    /// Rows that are read with one look.
    static let pageSize = 100
    /// Notifiers that are told of at a time; the others come when these are mended.
    static let maximumFound = 20

    static let page = SQLStatement(
        """
        SELECT id, name, status, title_template, text_template FROM notifiers
        WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3
        """
    )
    static let one = SQLStatement(
        """
        SELECT id, name, status, title_template, text_template FROM notifiers
        WHERE account_id = $1 AND id = $2
        """
    )

    static let statements = [page, one]

    private struct Progress {
        /// The last one that was looked at.
        var last = NotifierID(high: 0, low: 0)
        var isDone = false
        var found: [NotifierID] = []
    }

    /// A notifier whose template is to be read.
    private struct Candidate: Sendable {
        let id: NotifierID
        let name: Text
        let isEnabled: Bool
        let template: MessageTemplate
    }

    /// What a look found.
    struct Look: Sendable {
        let troubles: [HealthAlertStore.Trouble]
        /// Whether every notifier was looked at, so that what is not among the troubles is none.
        let isWhole: Bool
    }

    private let progress = Lock<[AccountNumber: Progress]>([:])

    /// Looks at some more of an account's notifiers. The templates are read in the account's turn.
    func look(at account: AccountNumber, _ store: Store) async throws -> Look {
        let before = progress.withLock { $0[account] } ?? Progress()
        let isFull = before.found.count >= Self.maximumFound
        let (known, page) = try await store.database.read(.of(account)) {
            connection -> ([Candidate], [Candidate]) in
            let known = try before.found.compactMap {
                try connection.row(Self.one, [.account(account), .id($0)], Self.candidate)
            }
            guard !before.isDone, !isFull else { return (known, []) }
            let values: [SQLValue] = [.account(account), .id(before.last), .int(Self.pageSize)]
            return (known, try connection.rows(Self.page, values, Self.candidate))
        }
        let broken = try await store.work.run(.background, of: account) {
            (known + page).compactMap { candidate in candidate.template.problems.all.map { (candidate, $0) } }
        }
        var after = before
        after.found = broken.map(\.0.id)
        if !isFull, !before.isDone {
            after.last = page.last?.id ?? before.last
            after.isDone = page.count < Self.pageSize
        }
        progress.withLock { $0[account] = after }
        return Look(
            troubles: broken.filter(\.0.isEnabled).map { Self.trouble($0, $1) },
            isWhole: after.isDone
        )
    }

    /// Whether an alert is about a template.
    static func isKey(_ key: Text) -> Bool { key.bytes.reversed().starts(with: keyEnd.utf8.reversed()) }

    private static let keyEnd = "/template"

    private static func candidate(_ row: any SQLRow) throws(SQLError) -> Candidate {
        Candidate(
            id: try row.id(0),
            name: row.text(1),
            isEnabled: try row.word(2, as: Enablement.self) == .enabled,
            template: MessageTemplate(
                language: .english,
                title: row.optionalText(3),
                text: row.optionalText(4)
            )
        )
    }

    private static func trouble(_ candidate: Candidate, _ problem: String) -> HealthAlertStore.Trouble {
        HealthAlertStore.Trouble(
            key: Text("tocsin/notifier/\(candidate.id)\(keyEnd)"),
            title: Text("The template of notifier \(candidate.name.string) can't be used"),
            description: Text(
                "\(problem) Its messages go out in the default words until it is written anew."
            ),
            severity: .warning,
            labels: [("notifier_id", Text(candidate.id.description)), ("notifier", candidate.name)]
        )
    }
}
