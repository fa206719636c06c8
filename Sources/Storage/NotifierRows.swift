import Domain
import Native
import SQL

/// The statements of the table `notifiers`, and how its rows are read and written.
enum NotifierRows {
    static let columns = """
        id, channel_id, kind, name, status, disabled_reason, conditions, changes, language, title_template, text_template,
        storm_limit, settings, external_id, labels, version, created_at, updated_at
        """

    static let insert = SQLStatement(
        """
        INSERT INTO notifiers (
            account_id, name_key, \(columns))
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        """
    )
    static let update = SQLStatement(
        """
        UPDATE notifiers SET name_key = $2, channel_id = $4, kind = $5, name = $6, status = $7, disabled_reason = $8,
            conditions = $9, changes = $10, language = $11, title_template = $12, text_template = $13, storm_limit = $14,
            settings = $15, external_id = $16, labels = $17, version = $18, created_at = $19, updated_at = $20
        WHERE account_id = $1 AND id = $3
        """
    )
    static let find = SQLStatement("SELECT \(columns) FROM notifiers WHERE account_id = $1 AND id = $2")
    static let list = SQLStatement(
        """
        SELECT \(columns) FROM notifiers
        WHERE account_id = $1 AND channel_id = $4 AND id < $2 ORDER BY id DESC LIMIT $3
        """
    )
    static let count = SQLStatement(
        "SELECT COUNT(*) FROM notifiers WHERE account_id = $1 AND channel_id = $2"
    )
    static let exists = SQLStatement("SELECT 1 FROM notifiers WHERE account_id = $1 AND id = $2")
    static let delete = SQLStatement("DELETE FROM notifiers WHERE account_id = $1 AND id = $2")
    static let rules = SQLStatement(
        "SELECT id, channel_id, status, changes, conditions FROM notifiers WHERE account_id = $1 ORDER BY id"
    )

    /// Whether there are conditions, without reading them.
    static let heads = SQLStatement(
        """
        SELECT id, status, changes, CASE WHEN conditions = '[]' THEN 1 ELSE 0 END FROM notifiers
        WHERE account_id = $1 AND channel_id = $2 ORDER BY id
        """
    )

    static let statements = [insert, update, find, list, count, exists, delete, rules, heads]

    /// What a rule is compiled of.
    struct RuleSource: Sendable {
        let id: NotifierID
        let channelID: ChannelID
        let isEnabled: Bool
        let changes: Set<AlertChange>
        /// As the database holds them.
        let conditions: [UInt8]

        /// Compiles it. Throws when the conditions can't be read; where `isLenient`, it hears of nothing then.
        func rule(isLenient: Bool) throws(SQLError) -> NotifierRule {
            let conditions = try PackedConfiguration.conditions(
                of: "notifier \(id)",
                conditions,
                isLenient: isLenient
            )
            return NotifierRule(id: id, isEnabled: isEnabled, changes: changes, conditions: conditions)
        }
    }

    /// What the rules of an account are compiled of, oldest first.
    static func ruleSources(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> [RuleSource] {
        try connection.rows(rules, [.account(account)]) { row throws(SQLError) in
            RuleSource(
                id: try row.id(0),
                channelID: try row.id(1),
                isEnabled: try row.word(2, as: Enablement.self) == .enabled,
                changes: changes(row.integer(3)),
                conditions: row.bytes(4)
            )
        }
    }

    /// The rules of the notifiers of a channel, oldest first, without their conditions: for what was decided before.
    static func heads(
        of channel: ChannelID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> [NotifierRule] {
        try connection.rows(heads, [.account(account), .id(channel)]) { row throws(SQLError) in
            NotifierRule(
                id: try row.id(0),
                isEnabled: try row.word(1, as: Enablement.self) == .enabled,
                changes: changes(row.integer(2)),
                isUnconditional: row.flag(3)
            )
        }
    }

    static func find(
        _ id: NotifierID,
        in account: AccountNumber,
        _ seal: SealedSettings,
        on connection: any SQLConnection
    ) throws(SQLError) -> Notifier? {
        try connection.row(find, [.account(account), .id(id)]) { row throws(SQLError) in
            try decode(row, seal)
        }
    }

    /// The values of `insert` and `update`.
    static func values(_ notifier: Notifier, _ account: AccountNumber, _ seal: SealedSettings) -> [SQLValue] {
        let template = notifier.template
        return [
            .account(account), .text(notifier.name.foldedKey), .id(notifier.id), .id(notifier.channelID),
            .text(notifier.kind.name), .text(notifier.name.text), .text(notifier.status.rawValue),
            notifier.disabledReason.map { .text($0.rawValue) } ?? .null,
            .text(PackedConfiguration.encode(notifier.conditions)), .integer(mask(notifier.changes)),
            .text(template.language.rawValue), .text(template.title), .text(template.text),
            .int(notifier.stormLimit), .blob(seal.seal(notifier.settings, of: notifier.id)),
        ] + notifier.metadata.values
    }

    static func decode(_ row: any SQLRow, _ seal: SealedSettings) throws(SQLError) -> Notifier {
        let id: NotifierID = try row.id(0)
        guard let settings = seal.open(row.bytes(12), of: id),
            settings.kind == Notifier.Kind(row.text(2).string)
        else {
            throw .damaged("settings of a notifier")
        }
        return Notifier(
            id: id,
            channelID: try row.id(1),
            name: Name(trusted: row.text(3)),
            status: try row.word(4, as: Enablement.self),
            disabledReason: row.isNull(5) ? nil : try row.word(5, as: Notifier.DisabledReason.self),
            conditions: row.shownConditions(6),
            changes: changes(row.integer(7)),
            template: MessageTemplate(
                language: try row.word(8, as: MessageTemplate.Language.self),
                title: row.optionalText(9),
                text: row.optionalText(10)
            ),
            stormLimit: row.int(11),
            settings: settings,
            metadata: try row.metadata(13)
        )
    }

    /// One bit for each change: 1 << raw value.
    private static func mask(_ changes: Set<AlertChange>) -> Int64 {
        changes.reduce(0) { $0 | 1 << Int64($1.rawValue) }
    }

    private static func changes(_ mask: Int64) -> Set<AlertChange> {
        Set(AlertChange.allCases.filter { mask & 1 << Int64($0.rawValue) != 0 })
    }
}

extension NotifierStore {
    /// Throws `invalid` unless the account has the notifier, which stands in a body at `pointer`.
    package func check(_ id: NotifierID, at pointer: String, in account: AccountNumber) async throws {
        let found = try await store.database.read(.of(account)) { connection in
            try connection.row(NotifierRows.exists, [.account(account), .id(id)]) { _ throws(SQLError) in true
            }
        }
        guard found == nil else { return }
        throw StoreError.invalid(ValidationErrors([FieldError(pointer, "is not a notifier of this account")]))
    }
}
