import Domain
import Native

/// An event with what the configuration makes of it and its texts packed for the alert that will take them.
package struct PreparedEvent: Sendable {
    package let event: DecodedEvent
    package let decision: Decision
    /// Made by `Packing.pack`; nil when no alert is likely to need it. The writer makes it where one does.
    let content: [UInt8]?
    /// What the conditions of the notifiers of each channel of the decision say of it, in their order; empty for a recovery, and where the
    /// account has no notifiers.
    let met: [[ConditionsMet]]

    /// Decides on an event and packs it, unless its content is `known`: a repeat says nothing new and is not stored as an event.
    package init(
        _ event: DecodedEvent,
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary,
        known: KnownContents
    ) {
        decision = Pipeline.decide(event, integration: integration, account: account, vocabulary: vocabulary)
        let event = event.read(by: decision.severity)
        self.event = event
        met = Self.met(event, decision, account.notifiers)
        let isRepeat = !event.isRecovery && known.insert(event, of: account.number)
        content = isRepeat ? nil : Packing.pack(event)
    }

    private init(_ event: DecodedEvent, decision: Decision, met: [[ConditionsMet]], content: [UInt8]?) {
        self.event = event
        self.decision = decision
        self.met = met
        self.content = content
    }

    private static func met(
        _ event: DecodedEvent,
        _ decision: Decision,
        _ notifiers: NotifierDirectory
    ) -> [[ConditionsMet]] {
        guard !event.isRecovery, !notifiers.isEmpty else { return [] }
        let severity = decision.severity.severity
        let subject = ConditionSubject(
            severity: severity,
            status: Text(severity.name),
            title: event.title,
            description: event.description,
            alertKey: event.alertKey,
            labels: event.labels
        )
        return decision.channels.map { channel in
            notifiers.rules(of: channel).map { $0.conditionsMet(by: subject) }
        }
    }

    /// What the conditions of the notifiers of `channel` said of it.
    func met(in channel: ChannelID) -> [ConditionsMet] {
        guard let place = decision.channels.firstIndex(of: channel), place < met.count else { return [] }
        return met[place]
    }

    /// The same event under another configuration.
    func redecided(
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary
    ) -> PreparedEvent {
        let decision = Pipeline.decide(
            event,
            integration: integration,
            account: account,
            vocabulary: vocabulary
        )
        let event = event.read(by: decision.severity)
        let met = Self.met(event, decision, account.notifiers)
        return PreparedEvent(event, decision: decision, met: met, content: content)
    }

    /// What it costs the writer at about: a step, and one more for each channel and each notifier that hears of it. Where a recovery goes is
    /// not known before; a few channels are assumed.
    func cost(_ integration: IntegrationSnapshot, _ notifiers: NotifierDirectory) -> Int {
        guard !event.isRecovery else {
            if case .dedicated(let channel) = integration.routing {
                return 2 + notifiers.rules(of: channel).count
            }
            return 8
        }
        return decision.channels.reduce(1) { $0 + 1 + notifiers.rules(of: $1).count }
    }
}

/// Remembers the contents of events that came lately, so that repeats need not be packed. A guess in both directions: what it says
/// only moves work from one thread to another.
package final class KnownContents: Sendable {
    private static let count = 1 << 16
    private let slots = Lock([UInt64](repeating: 0, count: KnownContents.count))

    package init() {}

    /// Notes the content of an event; whether it was known. One lock.
    func insert(_ event: DecodedEvent, of account: AccountNumber) -> Bool {
        let mark = event.contentDigest.leading ^ UInt64(account.value) &* 0x9E37_79B9_7F4A_7C15
        let slot = Int(truncatingIfNeeded: mark % UInt64(Self.count))
        return slots.withLock { slots in
            if slots[slot] == mark { return true }
            slots[slot] = mark
            return false
        }
    }
}

/// A push that passed admission and decoding: all that the writer needs, nothing that it must wait for.
package struct PreparedPush: Sendable {
    /// What the body was.
    package enum Content: Sendable {
        case events([PreparedEvent])
        case test
        /// It could not be decoded, or the integration's source rules do not take it.
        case quarantined(Quarantine)
        /// Its push URL was expired or its integration disabled; the word says which.
        case refused(reason: String)

        /// The events, when there are any.
        var events: [PreparedEvent] {
            if case .events(let events) = self { events } else { [] }
        }
    }

    /// A delivery that is run again.
    package struct Replay: Sendable {
        package let deliveryID: DeliveryID
        /// What came of its events before, in their order; empty when it was never applied.
        package let earlier: [EventOutcome]

        package init(deliveryID: DeliveryID, earlier: [EventOutcome]) {
            self.deliveryID = deliveryID
            self.earlier = earlier
        }
    }

    package let account: AccountNumber
    package let integration: IntegrationSnapshot
    /// The push URL that it came by; nil for a replay.
    package let credential: PushURLID?
    /// Of the configuration that decided.
    package let revision: Revision
    /// Of the same configuration: who hears of what it does.
    let notifiers: NotifierDirectory
    package let vocabulary: SeverityVocabulary
    package let receivedAt: UnixTime
    package let contentType: Text?
    package let remoteAddress: Text?
    package let content: Content
    /// Bytes of the body as received.
    package let size: Int
    package let replay: Replay?
    /// How many events the delivery has: those of `content` are the first, or some further ones.
    package let eventCount: Int
    /// Where those of `content` begin: a multiple of `DeliverySlices.size`.
    package let firstPosition: Int
    /// Whether it goes on with a delivery that is stored and was not applied to its end.
    package let isContinued: Bool
    /// What it costs the writer at about, for fair shares.
    let cost: Int
    /// The id that its delivery will have; nil: the writer chooses one.
    package private(set) var deliveryID: DeliveryID?
    /// Whether a delivery with this id may be there already, because nobody knows how an earlier try ended.
    package private(set) var mayBeStored = false
    /// What its body is known by when it crashes the process.
    let mark: UInt64
    let packedBody: [UInt8]
    let packedDecisions: [UInt8]?

    /// Packs the body. `remoteAddress` and `contentType` are cut to 255 bytes.
    package init(
        account: AccountSnapshot,
        integration: IntegrationSnapshot,
        credential: PushURLID?,
        vocabulary: SeverityVocabulary,
        receivedAt: UnixTime,
        contentType: Text?,
        remoteAddress: Text?,
        body: [UInt8],
        mark: UInt64? = nil,
        content: Content,
        replay: Replay? = nil,
        deliveryID: DeliveryID? = nil,
        mayBeStored: Bool = false,
        eventCount: Int? = nil,
        firstPosition: Int = 0,
        isContinued: Bool = false
    ) {
        self.deliveryID = deliveryID
        self.mayBeStored = mayBeStored
        self.eventCount = eventCount ?? content.events.count
        self.firstPosition = firstPosition
        self.isContinued = isContinued
        cost = content.events.reduce(1) { $0 + $1.cost(integration, account.notifiers) }
        self.account = account.number
        self.integration = integration
        self.credential = credential
        revision = account.revision
        notifiers = account.notifiers
        self.vocabulary = vocabulary
        self.receivedAt = receivedAt
        self.contentType = contentType?.prefix(bytes: Limits.nameBytes)
        self.remoteAddress = remoteAddress?.prefix(bytes: Limits.nameBytes)
        self.content = content
        size = body.count
        self.mark = mark ?? CrashGuard.mark(of: body)
        self.replay = replay
        packedBody = replay == nil && !isContinued ? Packing.pack(body) : []
        let isWhole = firstPosition == 0 && self.eventCount == content.events.count
        packedDecisions = isWhole ? Self.decisions(of: content) : nil
    }

    private init(
        _ push: PreparedPush,
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        content: Content
    ) {
        self.account = push.account
        self.integration = integration
        credential = push.credential
        revision = account.revision
        notifiers = account.notifiers
        vocabulary = push.vocabulary
        receivedAt = push.receivedAt
        contentType = push.contentType
        remoteAddress = push.remoteAddress
        self.content = content
        size = push.size
        mark = push.mark
        replay = push.replay
        packedBody = push.packedBody
        eventCount = push.eventCount
        firstPosition = push.firstPosition
        isContinued = push.isContinued
        cost = content.events.reduce(1) { $0 + $1.cost(integration, account.notifiers) }
        let isWhole = push.firstPosition == 0 && push.eventCount == content.events.count
        packedDecisions = isWhole ? Self.decisions(of: content) : nil
        deliveryID = push.deliveryID
        mayBeStored = push.mayBeStored
    }

    /// The same push, whose delivery will have this id.
    func named(_ id: DeliveryID) -> PreparedPush {
        var push = self
        push.deliveryID = id
        return push
    }

    /// The same push under a newer configuration; nil when it is no longer admitted by it: its push URL was revoked, or its integration
    /// disabled or deleted, while it waited.
    func redecided(by account: AccountSnapshot) -> PreparedPush? {
        guard let integration = account.integrations[integration.number] else { return nil }
        guard case .events(let events) = content else { return self }
        if let credential {
            let isLive = integration.credentials.contains { $0.id == credential && !$0.isRevoked }
            guard integration.isEnabled, isLive else { return nil }
            if let quarantine = integration.source?.quarantine(of: self) {
                return PreparedPush(
                    self,
                    integration: integration,
                    account: account,
                    content: .quarantined(quarantine)
                )
            }
        }
        let decided = events.map {
            $0.redecided(integration: integration, account: account, vocabulary: vocabulary)
        }
        return PreparedPush(
            self,
            integration: integration,
            account: account,
            content: .events(decided)
        )
    }

    /// The events, when there are any.
    package var events: [PreparedEvent] { content.events }

    /// Whether it does not wait behind deliveries of its account that are not applied to their end: it goes on with one of them, or was applied
    /// before.
    var isAhead: Bool { isContinued || replay != nil }

    /// Why it is kept but not applied, when its push URL is right; nil when it is applied.
    package var quarantine: Quarantine? {
        if case .quarantined(let quarantine) = content { quarantine } else { nil }
    }

    /// Bytes that it adds to what the account keeps.
    var storedBytes: Int { packedBody.count }

    var disposition: Delivery.Disposition {
        switch content {
        case .events: .accepted
        case .test: .test
        case .quarantined: .quarantined
        case .refused: .refused
        }
    }

    var reason: Text? {
        switch content {
        case .events, .test: nil
        case .quarantined(let quarantine): Text(quarantine.reason)
        case .refused(let reason): Text(reason)
        }
    }

    private static func decisions(of content: Content) -> [UInt8]? {
        if case .events(let events) = content { DecisionRecord.pack(events) } else { nil }
    }
}

extension SourceCheck {
    /// Why a push with events is not taken; nil when it is.
    fileprivate func quarantine(of push: PreparedPush) -> Quarantine? {
        if !takes(from: push.remoteAddress) { return .sourceAddress }
        return takes(push.events.lazy.map(\.event)) ? nil : .pinnedLabel
    }
}

/// What the writer did with a push.
package struct StoredPush: Sendable {
    package let deliveryID: DeliveryID
    /// In the order of the events.
    package let outcomes: [EventOutcome]
    /// How many (event, channel) pairs took effect now.
    package let applied: Int
    /// Why it was kept but not applied, by the configuration that the writer found; nil when it was applied, or that is not known.
    package let quarantine: Quarantine?
    /// Notifiers that have something to send by it.
    let told: Set<OutboxSignal.Key>
    /// Up to where its events were applied; nil: to the end.
    package let appliedTo: Int?

    package init(
        deliveryID: DeliveryID,
        outcomes: [EventOutcome],
        applied: Int,
        quarantine: Quarantine? = nil,
        told: Set<OutboxSignal.Key> = [],
        appliedTo: Int? = nil
    ) {
        self.appliedTo = appliedTo
        self.deliveryID = deliveryID
        self.outcomes = outcomes
        self.applied = applied
        self.quarantine = quarantine
        self.told = told
    }
}

/// Why a push could not be stored. None of it was.
package enum PushFailure: Error, Equatable, Sendable {
    /// Too many pushes wait already.
    case queueFull
    /// The writer did not take it in time.
    case timedOut
    /// The disk is full or fails.
    case storeUnavailable
    /// The account keeps as many bytes as it may.
    case storedBytesLimit
    /// The account was suspended or deleted while it waited.
    case accountUnavailable
    /// Its push URL was revoked, or its integration disabled or deleted, while it waited.
    case noLongerAdmitted
    /// The server is stopping.
    case stopping
    /// The account's configuration is at this revision by now: it has to be decided again.
    case outdated(Revision)
    /// This push alone made the store fail: a bug of ours.
    case unacceptable
}
