import Domain
import Native

/// An event with what the configuration makes of it and its texts packed for the alert that will take them.
package struct PreparedEvent: Sendable {
    package let event: DecodedEvent
    package let decision: Decision
    /// Made by `Packing.pack`; nil when no alert is likely to need it. The writer makes it where one does.
    let content: [UInt8]?

    /// Decides on an event and packs it, unless its content is `known`: a repeat says nothing new and is not stored as an event.
    package init(
        _ event: DecodedEvent,
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary,
        known: KnownContents
    ) {
        self.event = event
        decision = Pipeline.decide(event, integration: integration, account: account, vocabulary: vocabulary)
        let isRepeat = !event.isRecovery && known.insert(event, of: account.number)
        content = isRepeat ? nil : Packing.pack(event)
    }

    private init(_ event: DecodedEvent, decision: Decision, content: [UInt8]?) {
        self.event = event
        self.decision = decision
        self.content = content
    }

    /// The same event under another configuration.
    func redecided(
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        vocabulary: SeverityVocabulary
    ) -> PreparedEvent {
        PreparedEvent(
            event,
            decision: Pipeline.decide(
                event,
                integration: integration,
                account: account,
                vocabulary: vocabulary
            ),
            content: content
        )
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
        mayBeStored: Bool = false
    ) {
        self.deliveryID = deliveryID
        self.mayBeStored = mayBeStored
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
        packedBody = replay == nil ? Packing.pack(body) : []
        packedDecisions = Self.decisions(of: content)
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
        packedDecisions = Self.decisions(of: content)
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
    package var events: [PreparedEvent] {
        if case .events(let events) = content { events } else { [] }
    }

    /// Why it is kept but not applied, when its push URL is right; nil when it is applied.
    package var quarantine: Quarantine? {
        if case .quarantined(let quarantine) = content { quarantine } else { nil }
    }

    /// What it costs the writer, for fair shares: one and one more for each event.
    var cost: Int { 1 + events.count }

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

    package init(
        deliveryID: DeliveryID,
        outcomes: [EventOutcome],
        applied: Int,
        quarantine: Quarantine? = nil,
        told: Set<OutboxSignal.Key> = []
    ) {
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
    /// This push alone made the store fail: a bug of ours.
    case unacceptable
}
