import Domain
import Native
import SQL

/// The store: one repository for each noun, over one database.
///
/// Tenant data is reached only through methods that take the account first; what they run names it in every statement.
package struct Store: Sendable {
    package let database: Database
    package let snapshots: SnapshotCache
    package let identifiers: IdentifierSource
    package let formats: [any PushFormat]
    /// The kinds of receivers that there are.
    package let notifierKinds: [any NotifierSettings.Type]
    package let pushTokenKeys: PushTokenKeys
    package let publicURL: PublicURL
    /// Knows the bodies that crashed the process.
    package let crashGuard: CrashGuard
    /// Spares repeats some work.
    package let knownContents = KnownContents()
    /// Tells the workers of what was committed to the outbox.
    package let outboxSignal = OutboxSignal()
    /// Tells who applies pushes in slices that there is something to apply.
    package let pendingSignal = PendingSignal()
    /// Where the work of tenants runs.
    package let work: WorkPool
    /// Knows which stored templates can't be used.
    package let templateWatch = TemplateWatch()
    /// Through which messages go out to receivers, tests of notifiers among them.
    package let sends = Gate(total: 256, perAccount: 32, waiting: 1_024)

    package init(
        database: Database,
        work: WorkPool,
        snapshots: SnapshotCache,
        identifiers: IdentifierSource,
        formats: [any PushFormat],
        notifierKinds: [any NotifierSettings.Type],
        pushTokenKeys: PushTokenKeys,
        publicURL: PublicURL,
        crashGuard: CrashGuard = .disarmed
    ) {
        self.database = database
        self.work = work
        self.snapshots = snapshots
        self.identifiers = identifiers
        self.formats = formats
        self.notifierKinds = notifierKinds
        self.pushTokenKeys = pushTokenKeys
        self.publicURL = publicURL
        self.crashGuard = crashGuard
    }

    package var accounts: AccountStore { AccountStore(store: self) }
    package var deletions: DeletionStore { DeletionStore(store: self) }
    package var apiKeys: APIKeyStore { APIKeyStore(store: self) }
    package var credentials: CredentialStore { CredentialStore(store: self) }
    package var channels: ChannelStore { ChannelStore(store: self) }
    package var integrations: IntegrationStore { IntegrationStore(store: self) }
    package var pushURLs: PushURLStore { PushURLStore(store: self) }
    package var routes: RouteStore { RouteStore(store: self) }
    package var severityTables: SeverityTableStore { SeverityTableStore(store: self) }
    package var deliveries: DeliveryStore { DeliveryStore(store: self) }
    package var events: EventStore { EventStore(store: self) }
    package var alerts: AlertStore { AlertStore(store: self) }
    package var notifiers: NotifierStore { NotifierStore(store: self) }
    package var notifications: NotificationStore { NotificationStore(store: self) }
    package var healthAlerts: HealthAlertStore { HealthAlertStore(store: self) }
    package var audit: AuditStore { AuditStore(store: self) }
    package var configuration: ConfigurationStore { ConfigurationStore(store: self) }
    package var outbox: Outbox { Outbox(store: self) }
    package var pendingDeliveries: PendingDeliveries { PendingDeliveries(store: self) }
    package var retention: RetentionStore { RetentionStore(store: self) }
    package var usage: UsageStore { UsageStore(store: self) }

    /// The format of `type`; nil for a type that does not exist.
    package func format(of type: IntegrationType) -> (any PushFormat)? {
        formats.first { $0.type == type }
    }

    /// Decodes a body, unless the same one crashed the process twice.
    ///
    /// `mark` is the body's own, where it is at hand already.
    package func decode(
        _ body: [UInt8],
        contentType: Text?,
        mark: UInt64? = nil,
        as format: any PushFormat
    ) throws(DecodeError) -> DecodedDelivery {
        let mark = mark ?? CrashGuard.mark(of: body)
        guard !crashGuard.isPoisonous(mark) else { throw .crashedBefore }
        return try CrashGuard.during(mark) { () throws(DecodeError) in
            try format.decode(body, contentType: contentType)
        }
    }

    /// Whether other processes may have the database, too.
    package var isShared: Bool { database.dialect == .postgres }

    /// What came with a push, before anything is decided.
    package enum ReceivedContent: Sendable {
        case events([DecodedEvent])
        case test
        case quarantined(Quarantine)
        /// It is kept but not applied; the word says why.
        case refused(reason: String)
    }

    /// What a body that came from `address` is. `refusal`: why it is kept but not applied. `problem`: why it can't be looked at.
    package func received(
        _ body: [UInt8],
        contentType: Text?,
        mark: UInt64? = nil,
        as format: any PushFormat,
        integration: IntegrationSnapshot,
        from address: Text?,
        refusal: RefusalReason?,
        problem: DecodeError? = nil
    ) -> ReceivedContent {
        if let refusal { return .refused(reason: refusal.name) }
        if let source = integration.source, !source.takes(from: address) {
            return .quarantined(.sourceAddress)
        }
        if let problem { return .quarantined(.undecodable(problem)) }
        do {
            switch try decode(body, contentType: contentType, mark: mark, as: format) {
            case .test: return .test
            case .events(let events):
                guard integration.source?.takes(events) ?? true else { return .quarantined(.pinnedLabel) }
                return .events(events)
            }
        } catch {
            return .quarantined(.undecodable(error))
        }
    }

    /// What the writer gets of it: the first of the events, decided, as many as go into one transaction.
    package func prepared(
        _ received: ReceivedContent,
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary
    ) -> (content: PreparedPush.Content, eventCount: Int) {
        switch received {
        case .events(let events):
            let first = DeliverySlices.decide(
                events[...],
                integration: integration,
                account: account,
                vocabulary: vocabulary,
                known: knownContents
            )
            return (.events(first), events.count)
        case .test: return (.test, 0)
        case .quarantined(let quarantine): return (.quarantined(quarantine), 0)
        case .refused(let reason): return (.refused(reason: reason), 0)
        }
    }

    /// The present time, never before what the store saw last.
    package var now: UnixTime { identifiers.now }
}

/// Makes identifiers and tells the time, both never backwards, from many threads.
package final class IdentifierSource: Sendable {
    private struct State {
        var sequence: IdentifierSequence
        var random = BufferedRandom()
        var newest: UnixTime
        /// Since when, and from what time on, the clock is behind.
        var behind: (since: ContinuousClock.Instant, from: UnixTime)?
    }

    /// How far the newest identifiers may be ahead of the newest time noted.
    private static let slack: Int64 = 2

    private let state: Lock<State>
    /// The system's time, which may jump.
    package let clock: WallClock
    /// The newest time that the store saw before this process.
    package let lastSeen: UnixTime

    /// Continues after `lastSeen`, the newest time in the store, at most some seconds behind.
    package init(clock: WallClock, after lastSeen: UnixTime) {
        self.clock = clock
        self.lastSeen = lastSeen
        let now = clock.now()
        let floor = now < lastSeen ? lastSeen.adding(seconds: Self.slack) : now
        state = Lock(State(sequence: IdentifierSequence(after: floor), newest: floor))
    }

    /// How far another node's clock may be ahead of this one's and still be followed.
    private static let followed: Int64 = 60_000

    /// Identifiers that are made from now on come after all that were made at `time`, on whatever node. A clock that is far ahead is not
    /// followed: order is lost rather than the time of day.
    func observe(_ time: UnixTime) {
        guard time.milliseconds - clock.now().milliseconds < Self.followed else { return }
        state.withLock { $0.sequence.pass(time) }
    }

    /// The time of the newest identifier; of none before it is greater.
    var newestTime: UnixTime { state.withLock { $0.sequence.newestTime } }

    /// The clock's time. When the clock went back, the newest time seen, going on at half speed until the clock has caught up: what is
    /// measured by it, such as rates, goes on.
    package var now: UnixTime {
        let time = clock.now()
        return state.withLock { state in
            if time >= state.newest {
                state.newest = time
                state.behind = nil
                return time
            }
            let behind = state.behind ?? (.now, state.newest)
            state.behind = behind
            let elapsed = behind.since.duration(to: .now).components
            let milliseconds = elapsed.seconds * 1_000 + elapsed.attoseconds / 1_000_000_000_000_000
            state.newest = max(state.newest, behind.from.adding(milliseconds: milliseconds / 2))
            return state.newest
        }
    }

    /// A new identifier, after all that were made before.
    package func next<Kind>(_ kind: Kind.Type = Kind.self) -> Identifier<Kind> {
        let time = now
        return state.withLock { state in state.sequence.next(at: time, random: &state.random) }
    }
}
