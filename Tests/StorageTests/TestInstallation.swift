import Domain
import Native
import Outbound
import SQL
import Storage
import TestDatabases

/// A store over a database of its own, on the engine of this run, with a clock that stands until it is told to go on.
struct TestInstallation: Sendable {
    let store: Store
    /// Where its database is.
    let place: StorePlace
    let actor = Actor(key: APIKeyID(high: 1, low: 1), role: "operator", requestID: "req_test")
    private let time: Lock<UnixTime>
    /// A connection knows statements by identity, so one that was run must outlive it.
    private let statements = Lock<[SQLStatement]>([])

    private static let start = UnixTime(milliseconds: 1_795_000_000_000)

    var database: Database { store.database }
    var now: UnixTime { store.now }

    /// Runs `body` with a new installation that is removed afterwards.
    static func with(
        on engine: TestEngine = .general,
        _ body: (TestInstallation) async throws -> Void
    ) async throws {
        try await TestInstallation.with(copyOf: nil, on: engine, body)
    }

    /// Runs `body` with an installation that is removed afterwards: a new one, or one that begins as `template` ended, an hour later.
    /// Its writing connections fail as `faults` say.
    static func with<Result>(
        copyOf template: StorePlace?,
        on engine: TestEngine = .general,
        faults: Faults? = nil,
        _ body: (TestInstallation) async throws -> Result
    ) async throws -> Result {
        try await StorePlace.inTurn(engine) {
            let place = try await StorePlace(engine, copyOf: template)
            defer { place.remove() }
            return try await with(place, template == nil ? start : start.adding(seconds: 3_600), faults, body)
        }
    }

    /// What `body` leaves behind in a new installation, to begin others with, and what it answers.
    static func template<Result>(
        on engine: TestEngine = .general,
        _ body: (TestInstallation) async throws -> Result
    ) async throws -> (template: StorePlace, result: Result) {
        try await StorePlace.inTurn(engine) {
            let place = try await StorePlace(engine, copyOf: nil)
            do {
                return (place, try await with(place, start, nil, body))
            } catch {
                place.remove()
                throw error
            }
        }
    }

    private static func with<Result>(
        _ place: StorePlace,
        _ start: UnixTime,
        _ faults: Faults?,
        _ body: (TestInstallation) async throws -> Result
    ) async throws -> Result {
        let test = try TestInstallation(place, start, faults)
        do {
            let result = try await body(test)
            try await test.database.close()
            return result
        } catch {
            try? await test.database.close()
            throw error
        }
    }

    /// Runs `body` with another node on the same database, whose clock is so many milliseconds ahead of this one's.
    func withAnotherNode<Result>(
        ahead: Int64 = 0,
        faults: Faults? = nil,
        _ body: (TestInstallation) async throws -> Result
    ) async throws -> Result {
        let start = time.withLock { $0 }.adding(milliseconds: ahead)
        return try await TestInstallation.with(place, start, faults, body)
    }

    private init(_ place: StorePlace, _ start: UnixTime, _ faults: Faults?) throws {
        let time = Lock(start)
        let database = try Database(size: place.size) { purpose throws(SQLError) in
            let connection = try place.connection(for: purpose, at: start)
            guard let faults, purpose != .reader else { return connection }
            try place.relax(connection)
            return FaultyConnection(connection, faults)
        }
        self.place = place
        self.time = time
        let work = WorkPool()
        store = Store(
            database: database,
            work: work,
            snapshots: SnapshotCache(database: database, work: work, capacity: 10),
            identifiers: IdentifierSource(clock: WallClock { time.withLock { $0 } }, after: start),
            formats: [TestFormat()],
            notifierKinds: NotifierKinds.all + [Pager.self],
            pushTokenKeys: PushTokenKeys(
                roots: [1: Array(0..<32)],
                deploymentID: [UInt8](repeating: 7, count: 16)
            ),
            publicURL: try PublicURL("https://alerts.example.com")
        )
    }

    func advance(seconds: Int64) {
        time.withLock { $0 = $0.adding(seconds: seconds) }
    }

    func advance(milliseconds: Int64) {
        time.withLock { $0 = $0.adding(milliseconds: milliseconds) }
    }

    // MARK: Things to test with

    func account(
        storedBytesLimit: Int64 = Limits.storedBytes,
        keeping retention: Retention = .standard
    ) async throws -> AccountNumber {
        let draft = AccountStore.Draft(
            name: Name(trusted: "Acme"),
            externalID: nil,
            labels: Labels(),
            storedBytesLimit: storedBytesLimit,
            retention: retention
        )
        return try await store.accounts.insert(draft, by: actor).number
    }

    func channel(_ name: Text, in account: AccountNumber) async throws -> Channel {
        let draft = ChannelStore.Draft(
            name: Name(trusted: name),
            description: "",
            status: .enabled,
            externalID: nil,
            labels: Labels()
        )
        return try await store.channels.insert(draft, in: account, by: actor)
    }

    func key(
        _ name: Text,
        in account: AccountNumber,
        expiresAt: UnixTime? = nil
    ) async throws -> (key: APIKey, secret: APIKeySecret) {
        let draft = APIKeyStore.Draft(
            name: Name(trusted: name),
            expiresAt: expiresAt,
            externalID: nil,
            labels: Labels()
        )
        return try await store.apiKeys.insert(draft, for: .account(account, .viewer), by: actor)
    }

    func webhook(
        _ name: Text,
        of channel: ChannelID,
        in account: AccountNumber,
        changes: Set<AlertChange> = Set(AlertChange.allCases),
        conditions: [[ConditionSource]] = [],
        stormLimit: Int = 20
    ) async throws -> NotifierStore.Report {
        let draft = NotifierStore.Draft(
            name: Name(trusted: name),
            status: .enabled,
            conditions: conditions,
            changes: changes,
            template: MessageTemplate(language: .english, title: nil, text: nil),
            stormLimit: stormLimit,
            settings: Webhook(
                url: try EndpointURL("https://hooks.example.com/secret-path"),
                headers: [],
                secrets: []
            ),
            externalID: nil,
            labels: Labels()
        )
        return try await store.notifiers.insert(draft, of: channel, in: account, by: actor)
    }

    struct NewIntegration: Sendable {
        let report: IntegrationReport
        let first: IssuedPushURL
        var id: IntegrationID { report.integration.id }
    }

    func dedicated(
        _ name: Text,
        to channel: ChannelID,
        in account: AccountNumber
    ) async throws -> NewIntegration {
        try await integration(.named(name, .dedicated(channel)), in: account)
    }

    func shared(_ name: Text, defaults: [ChannelID], in account: AccountNumber) async throws -> NewIntegration
    {
        try await integration(.named(name, .shared(defaults: defaults)), in: account)
    }

    /// A new account with one channel, which is the default of one shared integration.
    func sharedIntegration() async throws -> (
        account: AccountNumber, integration: IntegrationID, channel: ChannelID
    ) {
        let account = try await account()
        let channel = try await channel("A", in: account).id
        return (account, try await shared("S", defaults: [channel], in: account).id, channel)
    }

    private func integration(
        _ draft: IntegrationStore.Draft,
        in account: AccountNumber
    ) async throws -> NewIntegration {
        let (report, first) = try await store.integrations.insert(draft, in: account, by: actor)
        return NewIntegration(report: report, first: first)
    }

    func route(
        to channels: [ChannelID],
        of integration: IntegrationID,
        in account: AccountNumber
    ) async throws -> PlacedRoute {
        try await store.routes.insert(.to(channels), at: nil, of: integration, in: account, by: actor)
    }

    func routes(of integration: IntegrationID, in account: AccountNumber) async throws -> RouteList {
        try await store.routes.list(
            from: 0,
            limit: 200,
            filter: ConfigurationFilter(),
            of: integration,
            in: account
        )
    }

    struct Missing: Error {}

    /// What a push would see now.
    func snapshot(of account: AccountNumber) async throws -> AccountSnapshot {
        guard let snapshot = try await store.snapshots.snapshot(of: account, now: now) else {
            throw Missing()
        }
        return snapshot
    }

    /// Rows of `account` in a table of the schema.
    func count(_ table: String, _ account: AccountNumber) async throws -> Int64 {
        try await number("SELECT COUNT(*) FROM \(table) WHERE account_id = $1", account)
    }

    /// The number that a statement about `account` finds.
    func number(_ text: String, _ account: AccountNumber) async throws -> Int64 {
        let statement = keeping(text)
        return try await database.read(.platform) { connection in
            try connection.row(statement, [.integer(Int64(account.value))]) { row throws(SQLError) in
                row.integer(0)
            } ?? 0
        }
    }

    private func keeping(_ text: String) -> SQLStatement {
        let statement = SQLStatement(text)
        statements.withLock { $0.append(statement) }
        return statement
    }
}

/// A format of lines: `firing KEY` or `recovery KEY`; anything else is a test.
struct TestFormat: PushFormat {
    let type = IntegrationType("test")
    let severities = SeverityVocabulary(
        defaultTable: SeverityTable(
            entries: [.init(level: "P1", severity: .critical), .init(level: "P2", severity: .warning)],
            fallback: .warning
        ),
        aliases: [:]
    )

    func decode(_ body: [UInt8], contentType: Text?) throws(DecodeError) -> DecodedDelivery {
        let events = String(decoding: body, as: UTF8.self).split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 1)
            return switch words.first {
            case "firing" where words.count == 2: DecodedEvent.firing(Text(String(words[1])))
            case "recovery" where words.count == 2: DecodedEvent.recovery(Text(String(words[1])))
            default: nil as DecodedEvent?
            }
        }
        return events.isEmpty ? .test : .events(events)
    }
}

extension RouteStore.Draft {
    static func to(
        _ channels: [ChannelID],
        name: Text = "",
        conditions: [[ConditionSource]] = [],
        labels: Labels = Labels()
    ) -> Self {
        Self(
            name: name,
            conditions: conditions,
            target: .channels(channels),
            onMatch: .continue,
            externalID: nil,
            labels: labels
        )
    }
}

extension IntegrationStore.Draft {
    static func named(_ name: Text, _ mode: Integration.Mode, type: String = "test") -> Self {
        Self(
            type: IntegrationType(type),
            mode: mode,
            name: Name(trusted: name),
            description: "",
            status: .enabled,
            rateLimit: .standard,
            source: SourceRules(),
            externalID: nil,
            labels: Labels()
        )
    }
}

extension IntegrationStore.Patch {
    static func describing(_ description: Text) -> Self {
        Self(
            name: nil,
            description: description,
            channel: nil,
            defaults: nil,
            status: nil,
            rateLimit: nil,
            sourceCIDRs: nil,
            pinnedLabels: nil,
            externalID: .keep,
            labels: nil
        )
    }
}
