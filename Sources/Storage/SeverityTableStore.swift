import Domain
import Native
import SQL

/// The severity table that an account uses for an integration type.
package struct AccountSeverityTable: Sendable {
    /// The type whose levels it maps.
    package let type: IntegrationType
    /// Its rows and fallback.
    package let table: SeverityTable
    /// 0 for the built-in table.
    package let version: Version

    /// Whether it is the built-in one.
    package var isDefault: Bool { version == Version(0) }
}

/// The accounts' own severity tables. A type without one uses its format's default.
///
/// A table that was reset keeps its row, without entries, so that no version is ever given to two tables.
package struct SeverityTableStore: Sendable {
    package let store: Store

    /// Rows of a table, at most.
    package static let maximumEntries = 200

    static let find = SQLStatement(
        """
        SELECT version, entries, fallback FROM severity_tables WHERE account_id = $1 AND integration_type = $2
        """
    )
    static let loadAll = SQLStatement(
        """
        SELECT integration_type, entries, fallback FROM severity_tables WHERE account_id = $1 AND entries IS NOT NULL
        """
    )
    static let put = SQLStatement(
        """
        INSERT INTO severity_tables (account_id, integration_type, entries, fallback, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (account_id, integration_type) DO UPDATE
            SET entries = excluded.entries, fallback = excluded.fallback, version = excluded.version,
                updated_at = excluded.updated_at
        """
    )

    /// Those that were reset, too.
    static let loadStates = SQLStatement(
        "SELECT integration_type, version, entries, fallback FROM severity_tables WHERE account_id = $1"
    )

    /// All statements, for the plan test.
    static let statements = [find, loadAll, loadStates, put]

    /// A row of a PATCH: its level gets `meaning`; nil removes it.
    package struct EntryChange: Sendable {
        let level: Text
        let meaning: LevelMeaning?

        /// `level` is trimmed, 1 to 64 scalars.
        package init(level: Text, meaning: LevelMeaning?) {
            self.level = level
            self.meaning = meaning
        }
    }

    /// The table. Throws `notFound` for a type that does not exist.
    package func find(_ type: IntegrationType, in account: AccountNumber) async throws -> AccountSeverityTable
    {
        let builtIn = try builtIn(type)
        return try await store.database.read(.of(account)) { connection in
            try Self.state(of: type, builtIn, in: account, on: connection).table
        }
    }

    /// Replaces the table. Throws `notFound`, `preconditionFailed`.
    package func replace(
        _ type: IntegrationType,
        with table: SeverityTable,
        if precondition: Precondition,
        _ write: Mutation
    ) throws -> AccountSeverityTable {
        let account = write.account
        let builtIn = try builtIn(type)
        let state = try Self.state(of: type, builtIn, in: account, on: write.connection)
        try precondition.check(state.table.version, exists: !state.table.isDefault)
        return try Self.put(table, for: type, after: state, "severity_table.replace", write)
    }

    /// Changes rows, matched without regard to case, and the fallback; the first change copies the built-in
    /// table. Throws `notFound`, `preconditionFailed`, and `invalid` when too many rows would be left.
    package func update(
        _ type: IntegrationType,
        _ changes: [EntryChange],
        fallback: Severity?,
        if precondition: Precondition,
        _ write: Mutation
    ) throws -> AccountSeverityTable {
        let account = write.account
        let builtIn = try builtIn(type)
        let state = try Self.state(of: type, builtIn, in: account, on: write.connection)
        try precondition.check(state.table.version, exists: !state.table.isDefault)
        guard !changes.isEmpty || fallback != nil else { return state.table }
        let old = state.table.table
        let table = SeverityTable(
            entries: Self.entries(old.entries, after: changes),
            fallback: fallback ?? old.fallback
        )
        guard table.entries.count <= Self.maximumEntries else {
            let detail = "would leave more than \(Self.maximumEntries) rows"
            throw StoreError.invalid(ValidationErrors([FieldError("/entries", detail)]))
        }
        guard table.state.text != old.state.text else { return state.table }
        return try Self.put(table, for: type, after: state, "severity_table.update", write)
    }

    /// Goes back to the built-in table. Throws `notFound`, `preconditionFailed`.
    package func reset(_ type: IntegrationType, if precondition: Precondition, _ write: Mutation) throws {
        let account = write.account
        let builtIn = try builtIn(type)
        let state = try Self.state(of: type, builtIn, in: account, on: write.connection)
        try precondition.check(state.table.version, exists: !state.table.isDefault)
        guard !state.table.isDefault else { return }
        _ = try Self.put(nil, for: type, after: state, "severity_table.reset", write)
    }

    /// The tables of the account's own. `isLenient`: without those that can't be read, instead of throwing.
    static func all(
        in account: AccountNumber,
        on connection: any SQLConnection,
        isLenient: Bool = false
    ) throws -> [IntegrationType: SeverityTable] {
        var tables: [IntegrationType: SeverityTable] = [:]
        try connection.forEachRow(loadAll, [.account(account)]) { row throws(SQLError) in
            if isLenient, PackedConfiguration.severityEntries(row.bytes(1)) == nil { return true }
            let table = SeverityTable(
                entries: try row.severityEntries(1),
                fallback: try row.code(2, as: Severity.self)
            )
            tables[IntegrationType(row.text(0))] = table
            return true
        }
        return tables
    }

    // MARK: Below the calls

    /// The table in use, and the newest version that was ever given out.
    private struct State {
        let table: AccountSeverityTable
        let newestVersion: Version
    }

    private func builtIn(_ type: IntegrationType) throws -> SeverityTable {
        guard let format = store.format(of: type) else { throw StoreError.notFound }
        return format.severities.defaultTable
    }

    private static func state(
        of type: IntegrationType,
        _ builtIn: SeverityTable,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> State {
        let initial = AccountSeverityTable(type: type, table: builtIn, version: Version(0))
        let key: [SQLValue] = [.account(account), .text(type.text)]
        let state = try connection.row(find, key) { row throws(SQLError) in
            let version = Version(row.integer(0))
            if row.isNull(1) { return State(table: initial, newestVersion: version) }
            // One that can't be read is shown as the built-in one, at its own version, so that it can be replaced or reset.
            let table = SeverityTable(
                entries: PackedConfiguration.severityEntries(row.bytes(1)) ?? builtIn.entries,
                fallback: try row.code(2, as: Severity.self)
            )
            return State(
                table: AccountSeverityTable(type: type, table: table, version: version),
                newestVersion: version
            )
        }
        return state ?? State(table: initial, newestVersion: initial.version)
    }

    /// nil: back to the built-in table, whose version the answer does not carry.
    private static func put(
        _ table: SeverityTable?,
        for type: IntegrationType,
        after state: State,
        _ action: String,
        _ write: Mutation
    ) throws -> AccountSeverityTable {
        if let table, !state.table.isDefault, table.state.text == state.table.table.state.text {
            return state.table
        }
        // The reset itself takes no version: what comes after it does.
        let version = table == nil ? state.newestVersion : state.newestVersion.next
        try write.connection.run(put, row(table, of: type, version, write.author))
        try write.record(
            action,
            type.name,
            before: state.table.isDefault ? nil : state.table.table.state,
            after: table?.state
        )
        return AccountSeverityTable(type: type, table: table ?? state.table.table, version: version)
    }

    private static func row(
        _ table: SeverityTable?,
        of type: IntegrationType,
        _ version: Version,
        _ author: Author
    ) -> [SQLValue] {
        [
            .account(author.account), .text(type.text),
            .text(table.map { PackedConfiguration.encode($0.entries) }),
            table.map { .integer(Int64($0.fallback.rawValue)) } ?? .null, .integer(version.value),
            .time(author.now),
        ]
    }

    // MARK: Prepared

    /// A table of the account's own, or one that was reset, and the newest version that was given to one of its type.
    struct Kept: Sendable {
        /// nil: it was reset.
        let table: SeverityTable?
        let newestVersion: Version
    }

    /// All that the account has or had.
    static func kept(
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> [IntegrationType: Kept] {
        var found: [IntegrationType: Kept] = [:]
        try connection.forEachRow(loadStates, [.account(account)]) { row throws(SQLError) in
            var table: SeverityTable?
            if !row.isNull(2) {
                table = SeverityTable(
                    // One that can't be read differs from every other.
                    entries: PackedConfiguration.severityEntries(row.bytes(2)) ?? [],
                    fallback: try row.code(3, as: Severity.self)
                )
            }
            found[IntegrationType(row.text(0))] = Kept(table: table, newestVersion: Version(row.integer(1)))
            return true
        }
        return found
    }

    /// Replaces a table that differs; nil resets it.
    static func put(
        _ table: SeverityTable?,
        for type: IntegrationType,
        instead kept: Kept?,
        in change: inout PreparedChange
    ) {
        let (before, after) = (kept?.table?.state, table?.state)
        guard before?.text != after?.text else { return }
        let newest = kept?.newestVersion ?? Version(0)
        change.run(put, row(table, of: type, table == nil ? newest : newest.next, change.author))
        let action = table == nil ? "severity_table.reset" : "severity_table.replace"
        change.record(action, type.name, before: before, after: after)
    }

    /// A row that is there keeps its place; a new one comes last.
    private static func entries(
        _ old: [SeverityTable.Entry],
        after changes: [EntryChange]
    ) -> [SeverityTable.Entry] {
        var entries = old
        for change in changes {
            let place = entries.firstIndex { $0.level.folded == change.level.folded }
            switch (place, change.meaning) {
            case (let place?, let meaning?):
                entries[place] = SeverityTable.Entry(level: change.level, meaning: meaning)
            case (let place?, nil): entries.remove(at: place)
            case (nil, let meaning?):
                entries.append(SeverityTable.Entry(level: change.level, meaning: meaning))
            case (nil, nil): break
            }
        }
        return entries
    }
}
