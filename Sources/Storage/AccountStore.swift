import Domain
import Native
import SQL

extension AccountNumber {
    /// The operator's own: its keys and the record of what it did to the installation. No account has it.
    package static let installation = AccountNumber(0)
}

/// The accounts of the installation.
package struct AccountStore: Sendable {
    package let store: Store

    private static let select = """
        SELECT a.account_id, a.id, a.name, a.status, a.stored_bytes_limit, COALESCE(u.stored_bytes, 0) + a.record_bytes,
            a.body_days, a.event_days, a.alert_days, a.audit_days,
            a.external_id, a.labels, a.version, a.created_at, a.updated_at, a.requires_if_match,
            \(AccountLimits.columns)
        FROM accounts a LEFT JOIN account_usage u ON u.account_id = a.account_id
        WHERE a.deleted_at IS NULL
        """
    static let findByID = SQLStatement("\(select) AND a.id = $1")
    static let findByNumber = SQLStatement("\(select) AND a.account_id = $1")
    static let list = SQLStatement("\(select) AND a.id < $1 ORDER BY a.id DESC LIMIT $2")
    static let insert = SQLStatement(
        """
        INSERT INTO accounts (
            account_id, id, name, status, revision, stored_bytes_limit, body_days, event_days, alert_days, audit_days,
            external_id, labels, version, created_at, updated_at)
        VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (account_id) DO NOTHING RETURNING account_id
        """
    )
    static let insertUsage = SQLStatement(
        "INSERT INTO account_usage (account_id, stored_bytes) VALUES ($1, 0)"
    )
    static let update = SQLStatement(
        """
        UPDATE accounts SET name = $2, status = $3, stored_bytes_limit = $4, requires_if_match = $5, body_days = $6,
            event_days = $7, alert_days = $8, audit_days = $9, external_id = $10, labels = $11, version = $12, created_at = $13,
            updated_at = $14
        WHERE account_id = $1
        """
    )
    static let markDeleted = SQLStatement(
        """
        UPDATE accounts SET deleted_at = $2, updated_at = $2, version = version + 1, revision = revision + 1
        WHERE account_id = $1 RETURNING revision
        """
    )

    /// All statements, for the plan test. Those on `accounts` are platform look-ups: by public id and by
    /// number.
    static let statements = [findByID, findByNumber, list, insert, insertUsage, update, markDeleted]

    /// What a new account is made of.
    package struct Draft: Sendable {
        let name: Name
        let externalID: Text?
        let labels: Labels
        let storedBytesLimit: Int64
        let retention: Retention
        let limits: AccountLimits

        /// An account that may keep `storedBytesLimit` bytes of raw deliveries.
        package init(
            name: Name,
            externalID: Text?,
            labels: Labels,
            storedBytesLimit: Int64,
            retention: Retention = .standard,
            limits: AccountLimits = .standard
        ) {
            self.name = name
            self.externalID = externalID
            self.labels = labels
            self.storedBytesLimit = storedBytesLimit
            self.retention = retention
            self.limits = limits
        }
    }

    /// What a PATCH changes; nil keeps.
    package struct Patch: Sendable {
        let name: Name?
        let externalID: Change<Text>
        let labels: Labels?
        let status: Account.Status?
        let storedBytesLimit: Int64?
        let retention: Retention?
        let limits: [AccountLimits.Kind: Int]
        let requiresIfMatch: Bool?

        /// The changes. An account's own admin may ask for `name`, `labels` and `requiresIfMatch` alone.
        package init(
            name: Name?,
            externalID: Change<Text>,
            labels: Labels?,
            status: Account.Status?,
            storedBytesLimit: Int64?,
            retention: Retention? = nil,
            limits: [AccountLimits.Kind: Int] = [:],
            requiresIfMatch: Bool? = nil
        ) {
            self.name = name
            self.externalID = externalID
            self.labels = labels
            self.status = status
            self.storedBytesLimit = storedBytesLimit
            self.retention = retention
            self.limits = limits
            self.requiresIfMatch = requiresIfMatch
        }
    }

    /// Makes an account, in a mutation of the installation. Names need not be unique. Recorded in the account and in the installation's own
    /// record. Throws `invalid`.
    package func insert(_ draft: Draft, _ write: Mutation) throws -> Account {
        write.connection.enter(.platform)
        let account = try Self.insert(
            draft,
            id: write.identifiers.next(),
            at: write.now,
            on: write.connection
        )
        try write.connection.run(Self.insertUsage, [.account(account.number)])
        try account.limits.save(write.on(account.number))
        // A push that came with this number before was remembered as one of no account.
        write.effects.revisions[account.number] = Revision(1)
        try write.connection.announce(Announcement.configuration(account.number, Revision(1)).text)
        let id = account.id.description
        try write.on(account.number).record("account.create", id, after: account.state)
        try write.note("account.create", id, after: account.state)
        return account
    }

    /// The account. Throws `notFound`; a deleted account is not found.
    package func find(_ id: AccountID) async throws -> Account {
        try await store.database.lookUp(.platform) { connection in
            guard let account = try connection.row(Self.findByID, [.id(id)], Self.decode) else {
                throw StoreError.notFound
            }
            return account
        }
    }

    /// The account with this number. Throws `notFound`; a deleted account is not found.
    package func find(_ number: AccountNumber) async throws -> Account {
        try await store.database.lookUp(.of(number)) { try Self.find(number, on: $0) }
    }

    /// A page of the accounts.
    package func list(
        _ request: PageRequest<AccountKind>,
        filter: ConfigurationFilter
    ) async throws -> Page<Account, AccountKind> {
        try await store.database.read(.platform) { connection in
            try PageScan.page(request, isFiltered: !filter.isEmpty, id: \.id) { before, limit in
                try connection.rows(Self.list, [.id(before), .int(limit)], Self.decode)
            } matches: {
                filter.matches($0.metadata)
            }
        }
    }

    /// Changes the account of the mutation. Throws `notFound`, `preconditionFailed`, `invalid`.
    package func update(_ patch: Patch, if precondition: Precondition, _ write: Mutation) throws -> Account {
        let old = try Self.find(write.account, on: write.connection)
        try precondition.check(old.metadata.version)
        let new = old.changed(by: patch, at: write.now)
        guard new.state.text != old.state.text else { return old }
        try write.connection.run(
            Self.update,
            [
                .account(write.account), .text(new.name.text), .text(new.status.rawValue),
                .integer(new.storedBytesLimit), .flag(new.requiresIfMatch),
            ] + new.retention.values + new.metadata.values
        )
        if new.limits != old.limits { try new.limits.save(write) }
        try write.record("account.update", new.id.description, before: old.state, after: new.state)
        return new
    }

    /// Deletes the account of the mutation: from now on it is not found, its keys do not authenticate and its pushes are refused. What it
    /// holds goes in the background: `DeletionStore.purge`. Throws `notFound`, `preconditionFailed`.
    package func delete(if precondition: Precondition, _ write: Mutation) throws -> Deletion {
        let account = try Self.find(write.account, on: write.connection)
        try precondition.check(account.metadata.version)
        let key: [SQLValue] = [.account(write.account), .time(write.now)]
        let revision = try write.connection.row(Self.markDeleted, key) { row throws(SQLError) in
            Revision(row.integer(0))
        }
        guard let revision else { throw StoreError.notFound }
        write.effects.revisions[write.account] = revision
        try write.connection.announce(Announcement.configuration(write.account, revision).text)
        write.connection.enter(.platform)
        let deletion = Deletion(of: account, by: write.actor, at: write.now)
        try DeletionStore.insert(deletion, of: account.number, on: write.connection)
        for record in [write, write.on(.installation)] {
            try record.note("account.delete", account.id.description, before: account.state)
        }
        return deletion
    }

    /// Throws `notFound` unless there is such an account and it is not deleted.
    static func find(_ number: AccountNumber, on connection: any SQLConnection) throws -> Account {
        guard let account = try connection.row(findByNumber, [.account(number)], decode) else {
            throw StoreError.notFound
        }
        return account
    }

    /// Inserts it under a free random number.
    private static func insert(
        _ draft: Draft,
        id: AccountID,
        at now: UnixTime,
        on connection: any SQLConnection
    ) throws -> Account {
        var random = SecureRandom()
        while true {
            let account = Account(
                id: id,
                number: AccountNumber(UInt32.random(in: 1...(.max), using: &random)),
                name: draft.name,
                status: .active,
                storedBytesLimit: draft.storedBytesLimit,
                storedBytes: 0,
                retention: draft.retention,
                limits: draft.limits,
                requiresIfMatch: false,
                metadata: .new(externalID: draft.externalID, labels: draft.labels, at: now)
            )
            let values: [SQLValue] = [
                .account(account.number), .id(id), .text(account.name.text), .text(account.status.rawValue),
                .integer(account.storedBytesLimit),
            ]
            let isInserted = try connection.row(
                insert,
                values + account.retention.values + account.metadata.values
            ) { _ throws(SQLError) in true }
            if isInserted == true { return account }
        }
    }

    private static func decode(_ row: any SQLRow) throws(SQLError) -> Account {
        Account(
            id: try row.id(1),
            number: AccountNumber(UInt32(truncatingIfNeeded: row.integer(0))),
            name: Name(trusted: row.text(2)),
            status: try row.word(3, as: Account.Status.self),
            storedBytesLimit: row.integer(4),
            storedBytes: row.integer(5),
            retention: row.retention(6),
            limits: row.limits(16),
            requiresIfMatch: row.flag(15),
            metadata: try row.metadata(10)
        )
    }
}

extension Account {
    /// The same after a PATCH.
    fileprivate func changed(by patch: AccountStore.Patch, at now: UnixTime) -> Account {
        Account(
            id: id,
            number: number,
            name: patch.name ?? name,
            status: patch.status ?? status,
            storedBytesLimit: patch.storedBytesLimit ?? storedBytesLimit,
            storedBytes: storedBytes,
            retention: patch.retention ?? retention,
            limits: limits.changed(to: patch.limits),
            requiresIfMatch: patch.requiresIfMatch ?? requiresIfMatch,
            metadata: metadata.changed(externalID: patch.externalID, labels: patch.labels, at: now)
        )
    }
}

extension Retention {
    /// Its four columns, in the order of the schema.
    fileprivate var values: [SQLValue] {
        [.int(bodyDays), .int(eventDays), .int(alertDays), .int(auditDays)]
    }
}

extension SQLRow {
    /// The four columns of a retention, from `column` on.
    func retention(_ column: Int) -> Retention {
        Retention(
            bodyDays: int(column),
            eventDays: int(column + 1),
            alertDays: int(column + 2),
            auditDays: int(column + 3)
        )
    }
}

extension JSONWriter {
    /// The fields of a retention, as in openapi.yaml.
    package mutating func retention(_ retention: Retention) {
        field("body_days", retention.bodyDays)
        field("event_days", retention.eventDays)
        field("alert_days", retention.alertDays)
        field("audit_days", retention.auditDays)
    }
}
