import Domain
import Native
import SQL

/// Tocsin's own troubles with an account, told as alerts in a channel of its choice: a notifier that fails for long, a template that
/// can't be used, pushes that are refused or quarantined.
///
/// They come by an integration that is made for them when a channel is first chosen. It is like any other but for having no push URL: what it
/// brought is in deliveries, events and alerts. Deleting it ends the alerts, as choosing no channel does.
package struct HealthAlertStore: Sendable {
    package let store: Store

    static let find = SQLStatement(
        """
        SELECT i.id, i.channel_id FROM accounts a
        JOIN integrations i ON i.account_id = $1 AND i.id = a.health_integration_id
        WHERE a.account_id = $1
        """
    )
    static let choose = SQLStatement("UPDATE accounts SET health_integration_id = $2 WHERE account_id = $1")
    static let notifiers = SQLStatement(
        """
        SELECT n.id, n.name, s.failing_since, s.last_failure FROM notifier_states s
        JOIN notifiers n ON n.account_id = $1 AND n.id = s.notifier_id
        WHERE s.account_id = $1 AND s.failing_since <= $2 AND n.status = 'enabled'
        """
    )
    static let refusals = SQLStatement(
        """
        SELECT i.id, i.name, r.reason, r.count FROM refusals r
        JOIN integrations i ON i.account_id = $1 AND i.id = r.integration_id
        WHERE r.account_id = $1 AND r.last_at > $2 ORDER BY i.id, r.reason
        """
    )
    static let openKeys = SQLStatement(
        """
        SELECT alert_key FROM alerts
        WHERE account_id = $1 AND integration_id = $2 AND is_newest = 1 AND phase = 0
        """
    )

    static let statements = [find, choose, notifiers, refusals, openKeys] + TemplateWatch.statements

    static let chosen = SQLStatement(
        """
        SELECT account_id, health_integration_id FROM accounts
        WHERE health_integration_id IS NOT NULL AND deleted_at IS NULL AND status = 'active'
        """
    )

    static let platformStatements = [chosen]

    private static let type = IntegrationType("standard")
    /// A notifier that fails for so long is worth an alert, in seconds.
    private static let failingFor: Int64 = 300
    /// For how long a refusal is news, in seconds.
    private static let refusedFor: Int64 = 900

    /// The channel; nil: none is chosen.
    package func find(in account: AccountNumber) async throws -> Choice {
        try await store.database.read(.of(account)) { Choice(try Self.find(account, $0)) }
    }

    /// Chooses the channel, or none. Throws `invalid` for one that is not in the account.
    package func put(
        _ channel: ChannelID?,
        if precondition: Precondition,
        _ write: Mutation
    ) throws -> Choice {
        let account = write.account
        let present = try Self.find(account, write.connection)
        let old = Choice(present)
        try precondition.check(old.version, exists: old.channel != nil)
        guard old.channel != channel || (present == nil) != (channel == nil) else { return old }
        let integration = try channel.map { try Self.integration(for: $0, present?.integration, write) }
        try write.connection.run(Self.choose, [.account(account), .id(integration)])
        try write.record(
            "health_alerts.put",
            account.value.description,
            before: old.state,
            after: JSONState { $0.field("channel_id", channel) }
        )
        return Choice(try Self.find(account, write.connection))
    }

    /// The channel that was chosen.
    package struct Choice: Sendable {
        /// nil: none.
        package let channel: ChannelID?
        /// Never the same for two choices.
        package let version: Version

        fileprivate init(_ found: (integration: IntegrationID, channel: ChannelID?)?) {
            channel = found?.channel
            // Ids are not used again, so both together stand for this choice alone.
            var hash = SHA256Hasher()
            hash.update(Array("\(found?.integration.description ?? "") \(channel?.description ?? "")".utf8))
            let digest = hash.finish().bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            version = Version(found == nil ? 0 : Int64(digest >> 11))
        }

        fileprivate var state: JSONState { JSONState { $0.field("channel_id", channel) } }
    }

    /// The integration by which Tocsin's own troubles come; nil: none.
    static func integration(
        of account: AccountNumber,
        on connection: any SQLConnection
    ) throws -> IntegrationID? {
        try find(account, connection)?.integration
    }

    private static func find(
        _ account: AccountNumber,
        _ connection: any SQLConnection
    ) throws -> (integration: IntegrationID, channel: ChannelID?)? {
        try connection.row(find, [.account(account)]) { row throws(SQLError) in
            (try row.id(0), try row.optionalID(1))
        }
    }

    /// The integration that tells `channel`: the present one, turned to it, or a new one.
    private static func integration(
        for channel: ChannelID,
        _ present: IntegrationID?,
        _ write: Mutation
    ) throws -> IntegrationID {
        var errors = ValidationErrors()
        try ChannelStore.checkReferences(
            [(channel, "/channel_id")],
            in: write.account,
            on: write.connection,
            errors: &errors
        )
        guard errors.isEmpty else { throw StoreError.invalid(errors) }
        if let present { return try IntegrationStore.turn(present, to: channel, write) }
        let id: IntegrationID = write.identifiers.next()
        let number = try IntegrationStore.newNumber(write)
        let integration = Integration(
            id: id,
            number: number,
            type: type,
            mode: .dedicated(channel),
            name: Name(trusted: Text("Tocsin health \(id.description.suffix(6))")),
            description: Text(
                "Tocsin's own troubles with this account: failing notifiers, refused and quarantined pushes."
            ),
            status: .enabled,
            rateLimit: .standard,
            source: SourceRules(),
            metadata: .new(externalID: nil, labels: Labels(), at: write.now)
        )
        try write.connection.run(
            IntegrationStore.insert,
            IntegrationStore.newRow(integration, write.account)
        )
        return id
    }
}

// MARK: - Watching

extension HealthAlertStore {
    /// An account that wants to be told.
    package struct Subject: Sendable {
        package let account: AccountNumber
        package let integration: IntegrationID
    }

    /// Something that goes wrong for an account.
    package struct Trouble: Sendable, Equatable {
        package let key: Text
        package let title: Text
        package let description: Text
        package let severity: Severity
        /// Names what it is about.
        package let labels: [(name: StaticString, value: Text)]

        package static func == (left: Trouble, right: Trouble) -> Bool { left.key == right.key }
    }

    /// What goes wrong now, and the keys of what was told and has not recovered.
    package struct Look: Sendable {
        package let troubles: [Trouble]
        package let open: Set<Text>
    }

    /// The accounts that chose a channel.
    package func subjects() async throws -> [Subject] {
        try await store.database.read(.platform) { connection in
            try connection.rows(Self.chosen, []) { row throws(SQLError) in
                Subject(
                    account: AccountNumber(UInt32(truncatingIfNeeded: row.integer(0))),
                    integration: try row.id(1)
                )
            }
        }
    }

    /// What there is to tell an account.
    package func look(at subject: Subject) async throws -> Look {
        let now = store.now
        let account = SQLValue.account(subject.account)
        let unusable = try await unusable(in: subject.account)
        let templates = try await store.templateWatch.look(at: subject.account, store)
        return try await store.database.read(.of(subject.account)) { connection in
            let failing = try connection.rows(
                Self.notifiers,
                [account, .time(now.adding(seconds: -Self.failingFor))],
                Self.failing
            )
            let refused = try connection.rows(
                Self.refusals,
                [account, .time(now.adding(seconds: -Self.refusedFor))],
                Self.refused
            )
            let open = try connection.rows(Self.openKeys, [account, .id(subject.integration)]) {
                row throws(SQLError) in
                row.text(0)
            }
            let troubles = unusable + failing + refused + templates.troubles
            // What was told of a template before this process began is over only once all of them were looked at.
            let stays = templates.isWhole ? [] : open.filter(TemplateWatch.isKey)
            return Look(troubles: troubles, open: Set(open).subtracting(stays))
        }
    }

    /// What of the configuration can't be used: it can't be read, or no longer compiles.
    private func unusable(in account: AccountNumber) async throws -> [Trouble] {
        do {
            guard let snapshot = try await store.snapshots.snapshot(of: account, now: store.now) else {
                return []
            }
            let broken = snapshot.broken
            guard let first = broken.first else { return [] }
            let others = broken.count == 1 ? "" : " and \(broken.count - 1) more"
            return [
                Trouble(
                    key: Text("tocsin/configuration/conditions"),
                    title: Text("Conditions can't be used"),
                    description: Text(
                        "Conditions of \(first)\(others) are no longer taken, as a regular expression that is too large: they match nothing. Write new ones."
                    ),
                    severity: .critical,
                    labels: [("first", Text(first))]
                )
            ]
        } catch let error as SQLError where error.kind == .unreadable {
            return [
                Trouble(
                    key: Text("tocsin/configuration/unreadable"),
                    title: Text("The configuration can't be read"),
                    description: Text(
                        "Pushes are answered 503 until it can: \(error.message). Routes, notifiers and severity tables that can't be read say so in their lists: replace or delete them."
                    ),
                    severity: .critical,
                    labels: []
                )
            ]
        }
    }

    /// The account's snapshot; of a configuration that can't be read, what can be.
    private func snapshot(of account: AccountNumber) async throws -> AccountSnapshot? {
        do {
            return try await store.snapshots.snapshot(of: account, now: store.now)
        } catch let error as SQLError where error.kind == .unreadable {
            let source = try await store.database.read(.of(account)) {
                try SnapshotLoader.read(account, isLenient: true, on: $0)
            }
            return try await store.work.run(.background, of: account) {
                try source.map { try SnapshotLoader.compile($0, isLenient: true).snapshot }
            }
        }
    }

    private static func failing(_ row: any SQLRow) throws(SQLError) -> Trouble {
        let (id, name, since): (NotifierID, _, _) = (try row.id(0), row.text(1).string, row.time(2))
        return Trouble(
            key: Text("tocsin/notifier/\(id)"),
            title: Text("Notifier \(name) fails"),
            description: Text(
                "Nobody has been told by it since \(since): \(row.text(3).string). See its notifications; what is dead can be replayed."
            ),
            severity: .critical,
            labels: [("notifier_id", Text(id.description)), ("notifier", row.text(1))]
        )
    }

    private static func refused(_ row: any SQLRow) throws(SQLError) -> Trouble {
        let (id, name): (IntegrationID, _) = (try row.id(0), row.text(1).string)
        let reason = try row.code(2, as: RefusalReason.self)
        let what =
            switch reason {
            case .quarantined: "quarantined: they can't be read"
            case .sourceAddress: "quarantined: they come from an address that it does not take"
            case .pinnedLabel: "quarantined: a pinned label is missing or has another value"
            default: "refused: \(reason.name)"
            }
        return Trouble(
            key: Text("tocsin/integration/\(id)/\(reason.name)"),
            title: Text("Pushes of \(name) are \(what)"),
            description: Text(
                "\(row.integer(3)) so far, the last within \(refusedFor / 60) minutes. See the integration's refusals and deliveries."
            ),
            severity: .warning,
            labels: [
                ("integration_id", Text(id.description)), ("integration", row.text(1)),
                ("reason", Text(reason.name)),
            ]
        )
    }

    /// Stores what began and what is over as a delivery of the account's health integration. Throws `PushFailure`.
    package func tell(
        _ subject: Subject,
        began: [Trouble],
        over: [Text],
        through commit: GroupCommit
    ) async throws {
        let now = store.now
        guard let snapshot = try await snapshot(of: subject.account),
            let integration = snapshot.integrations.values.first(where: { $0.id == subject.integration }),
            let format = store.format(of: integration.type)
        else { return }
        let body = HealthBody.encode(began: began, over: over)
        let push = try await store.work.run(.background, of: subject.account) { [store] in
            let received = store.received(
                body,
                contentType: nil,
                as: format,
                integration: integration,
                from: nil,
                refusal: nil
            )
            let (content, eventCount) = store.prepared(
                received,
                integration: integration,
                account: snapshot,
                vocabulary: format.severities
            )
            return PreparedPush(
                account: snapshot,
                integration: integration,
                credential: nil,
                vocabulary: format.severities,
                receivedAt: now,
                contentType: Text("application/json"),
                remoteAddress: nil,
                body: body,
                content: content,
                eventCount: eventCount
            )
        }
        _ = try await commit.store(push, arrival: .now)
    }
}

extension AccountSnapshot {
    /// The ids of routes and notifiers of which some conditions do not compile.
    fileprivate var broken: [String] {
        let routes = integrations.values.flatMap { integration -> [RouteID] in
            if case .shared(let table, _) = integration.routing { table.broken } else { [] }
        }
        return (routes.map(\.description) + notifiers.broken.map(\.description)).sorted()
    }
}
