import Domain
import SQL

/// The alerts of accounts.
package struct AlertStore: Sendable {
    package let store: Store

    static let find = SQLStatement(
        "SELECT \(AlertRows.columns), a.content FROM alerts a WHERE a.account_id = $1 AND a.id = $2"
    )
    static let list = SQLStatement(
        """
        SELECT \(AlertRows.columns), a.content FROM alerts a
        WHERE a.account_id = $1 AND a.id < $2 ORDER BY a.id DESC LIMIT $3
        """
    )
    static let listOpen = SQLStatement(
        """
        SELECT \(AlertRows.columns), a.content FROM alerts a
        WHERE a.account_id = $1 AND a.phase = 0 AND a.id < $2 ORDER BY a.id DESC LIMIT $3
        """
    )

    static let statements = [find, list, listOpen]

    /// An alert with its texts.
    package struct Shown: Sendable {
        package let alert: Alert
        package let content: AlertContent

        package init(alert: Alert, content: AlertContent) {
            self.alert = alert
            self.content = content
        }
    }

    /// Which alerts a list shows; nil lets everything through.
    package struct Filter: Sendable {
        package var channelID: ChannelID?
        package var integrationID: IntegrationID?
        package var severity: Severity?
        /// A severity's name, or `Ok`.
        package var status: String?
        package var alertKey: Text?
        /// All of them must be there.
        package var labels: [(name: Text, value: Text)] = []
        /// Part of the title; ASCII letter case does not count.
        package var title: Text?
        package var isActive: Bool?
        /// First seen at or after.
        package var since: UnixTime?
        /// First seen before.
        package var until: UnixTime?

        package init() {}

        var isEmpty: Bool {
            channelID == nil && integrationID == nil && severity == nil && status == nil && alertKey == nil
                && labels.isEmpty && title == nil && isActive != false && since == nil && until == nil
        }

        func matches(_ shown: Shown) -> Bool {
            let alert = shown.alert
            if let channelID, alert.channelID != channelID { return false }
            if let integrationID, alert.integrationID != integrationID { return false }
            if let severity, alert.severity != severity { return false }
            if let status, alert.status != status { return false }
            if let alertKey, alert.alertKey != alertKey { return false }
            if let isActive, alert.isOpen != isActive { return false }
            if let since, alert.firstSeenAt < since { return false }
            if let until, alert.firstSeenAt >= until { return false }
            if let title, !alert.title.folded.contains(title.folded) { return false }
            return labels.allSatisfy { shown.content.labels.value(of: $0.name) == $0.value }
        }
    }

    /// The alert. Throws `notFound`.
    package func find(_ id: AlertID, in account: AccountNumber) async throws -> Shown {
        try await store.database.read(.of(account)) { try Self.find(id, in: account, on: $0) }
    }

    /// A page of the alerts, the last opened first.
    package func list(
        _ request: PageRequest<AlertKind>,
        filter: Filter,
        in account: AccountNumber
    ) async throws -> Page<Shown, AlertKind> {
        let statement = filter.isActive == true ? Self.listOpen : Self.list
        let oldest = filter.since.map { AlertID.lowest(at: $0) }
        return try await PageScan.page(
            request,
            isFiltered: !filter.isEmpty,
            id: \.alert.id,
            oldest: oldest,
            weight: \.content.byteCount,
            in: account,
            of: store.database
        ) { connection, before, limit in
            try connection.rows(statement, [.account(account), .id(before), .int(limit)], Self.decode)
        } matches: {
            filter.matches($0)
        }
    }

    /// Closes an open alert, in a mutation that holds what pushes bring. Throws `notFound`, and `conflict` when it is not open.
    package func close(_ id: AlertID, _ write: Mutation) throws -> Shown {
        let shown = try Self.find(id, in: write.account, on: write.connection)
        guard let key = write.actor.key, let closed = shown.alert.closed(at: write.now, by: key) else {
            throw StoreError.conflict("The alert is not open.")
        }
        let change = AlertFold.Saved(alert: closed, isNew: false, content: nil, retires: nil)
        try AlertRows.save([change], in: write.account, on: write.connection)
        let told = try Self.tell(closed, shown.content, write.account, write.identifiers, write.connection)
        write.effects.told.formUnion(told)
        try write.note("alert.close", id.description)
        return Shown(alert: closed, content: shown.content)
    }

    /// Tells the notifiers of its channel that an alert was closed.
    private static func tell(
        _ alert: Alert,
        _ content: AlertContent,
        _ account: AccountNumber,
        _ identifiers: IdentifierSource,
        _ connection: any SQLConnection
    ) throws -> Set<OutboxSignal.Key> {
        let rules = try NotifierRows.heads(of: alert.channelID, in: account, on: connection)
        guard !rules.isEmpty else { return [] }
        var teller = Teller(account, identifiers)
        _ = teller.tell(
            .closed,
            of: alert,
            event: nil,
            content: Packing.pack(content),
            notifiers: rules,
            verdicts: rules.map { $0.verdict(on: .closed, isMet: alert.hearing.includes($0)) },
            at: identifiers.now
        )
        try teller.save(on: connection)
        return teller.takeTold()
    }

    /// What a simulation starts from: the newest alerts of these identities in every channel, and the early recoveries.
    package func fold(
        for identities: [AlertFold.Identity],
        in account: AccountNumber
    ) async throws -> AlertFold {
        var (alerts, early): ([Alert], [EarlyRecovery]) = ([], [])
        for start in stride(from: 0, to: identities.count, by: Self.chunk) {
            let some = Array(identities[start..<min(start + Self.chunk, identities.count)])
            let (found, recoveries) = try await store.database.read(.of(account)) {
                (
                    try AlertRows.newest(of: some, in: account, on: $0),
                    try EarlyRecoveryRows.find(some, in: account, on: $0)
                )
            }
            alerts += found
            early += recoveries
        }
        return AlertFold(newest: alerts, early: early)
    }

    /// Identities that one read looks up: each may be in many channels.
    private static let chunk = 128

    private static func find(
        _ id: AlertID,
        in account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> Shown {
        guard let shown = try connection.row(find, [.account(account), .id(id)], decode) else {
            throw StoreError.notFound
        }
        return shown
    }

    private static func decode(_ row: any SQLRow) throws(SQLError) -> Shown {
        let alert = try AlertRows.decode(row)
        guard let content = Packing.content(row.bytes(AlertRows.columnCount)) else {
            throw SQLError(.corrupt, code: 0, message: "the content of an alert can't be read")
        }
        return Shown(alert: alert, content: content)
    }
}

extension Text {
    /// Whether `part` occurs in it. An empty part occurs everywhere.
    fileprivate func contains(_ part: Text) -> Bool {
        guard let first = part.bytes.first else { return true }
        guard bytes.count >= part.bytes.count else { return false }
        return bytes.indices.dropLast(part.bytes.count - 1).contains { index in
            bytes[index] == first && bytes[index..<index + part.bytes.count].elementsEqual(part.bytes)
        }
    }
}
