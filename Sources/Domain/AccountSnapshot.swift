/// All of an account's configuration that a push needs, at one revision. Immutable; replaced whole.
package struct AccountSnapshot: Sendable {
    package let id: AccountID
    package let number: AccountNumber
    package let revision: Revision
    package let isActive: Bool
    /// Bytes of raw deliveries that it may keep.
    package let storedBytesLimit: Int64
    package let channels: ChannelDirectory
    package let integrations: [IntegrationNumber: IntegrationSnapshot]
    /// The account's own tables; a type without one uses its default.
    package let severityTables: [IntegrationType: SeverityTable]
    package let notifiers: NotifierDirectory

    package init(
        id: AccountID,
        number: AccountNumber,
        revision: Revision,
        isActive: Bool,
        storedBytesLimit: Int64,
        channels: ChannelDirectory,
        integrations: [IntegrationNumber: IntegrationSnapshot],
        severityTables: [IntegrationType: SeverityTable],
        notifiers: NotifierDirectory = NotifierDirectory()
    ) {
        self.id = id
        self.number = number
        self.revision = revision
        self.isActive = isActive
        self.storedBytesLimit = storedBytesLimit
        self.channels = channels
        self.integrations = integrations
        self.severityTables = severityTables
        self.notifiers = notifiers
    }

    /// The same with other severity tables.
    package func with(severityTables: [IntegrationType: SeverityTable]) -> AccountSnapshot {
        AccountSnapshot(
            id: id,
            number: number,
            revision: revision,
            isActive: isActive,
            storedBytesLimit: storedBytesLimit,
            channels: channels,
            integrations: integrations,
            severityTables: severityTables,
            notifiers: notifiers
        )
    }
}

/// The channels of an account, by id and by name.
package struct ChannelDirectory: Sendable {
    private let enabledByID: [ChannelID: Bool]
    private let idByName: [Text: ChannelID]

    package init(_ channels: [(id: ChannelID, name: Text, isEnabled: Bool)]) {
        enabledByID = Dictionary(channels.map { ($0.id, $0.isEnabled) }) { $1 }
        idByName = Dictionary(channels.map { ($0.name, $0.id) }) { $1 }
    }

    /// Whether the channel is there and takes alerts.
    package func isEnabled(_ id: ChannelID) -> Bool { enabledByID[id] ?? false }

    /// The channel with exactly this name.
    package func channel(named name: Text) -> ChannelID? { idByName[name] }
}

/// An integration as a push needs it.
package struct IntegrationSnapshot: Sendable {
    /// Where its firing events go.
    package enum Routing: Sendable {
        case dedicated(ChannelID)
        case shared(RouteTable, defaults: [ChannelID])
    }

    /// One of its push URLs.
    package struct Credential: Sendable {
        package let id: PushURLID
        package let tag: PushTag
        package let kid: UInt8
        package let expiryDay: UInt16
        package let expiresAt: UnixTime?
        package let isRevoked: Bool

        package init(
            id: PushURLID,
            tag: PushTag,
            kid: UInt8,
            expiryDay: UInt16,
            expiresAt: UnixTime?,
            isRevoked: Bool
        ) {
            self.id = id
            self.tag = tag
            self.kid = kid
            self.expiryDay = expiryDay
            self.expiresAt = expiresAt
            self.isRevoked = isRevoked
        }
    }

    package let id: IntegrationID
    package let number: IntegrationNumber
    package let type: IntegrationType
    package let isEnabled: Bool
    package let rateLimit: RateLimit
    /// nil: it takes whatever comes.
    package let source: SourceCheck?
    package let routing: Routing
    package let credentials: [Credential]

    package init(
        id: IntegrationID,
        number: IntegrationNumber,
        type: IntegrationType,
        isEnabled: Bool,
        rateLimit: RateLimit,
        source: SourceCheck? = nil,
        routing: Routing,
        credentials: [Credential]
    ) {
        self.id = id
        self.number = number
        self.type = type
        self.isEnabled = isEnabled
        self.rateLimit = rateLimit
        self.source = source
        self.routing = routing
        self.credentials = credentials
    }

    /// What a token with a right MAC may do here at `now`.
    package func admission(
        of token: PushToken,
        at now: UnixTime
    ) -> (credential: Credential, refusal: RefusalReason?)? {
        admission(tag: token.tag, kid: token.kid, expiryDay: token.expiryDay, at: now)
    }

    /// The same, of a token of which only this is left.
    package func admission(
        tag: PushTag,
        kid: UInt8,
        expiryDay: UInt16,
        at now: UnixTime
    ) -> (credential: Credential, refusal: RefusalReason?)? {
        guard let credential = credentials.first(where: { $0.tag == tag && $0.kid == kid }) else {
            return nil
        }
        if credential.isRevoked { return (credential, .revoked) }
        let isOver = credential.expiresAt.map { $0 <= now } ?? false
        if isOver || ExpiryDay.isOver(expiryDay, at: now) { return (credential, .expired) }
        return (credential, isEnabled ? nil : .integrationDisabled)
    }
}
