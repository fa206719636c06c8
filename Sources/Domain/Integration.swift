/// A source of alerts.
package struct Integration: Sendable {
    /// Whose alerts it brings.
    package enum Mode: Sendable, Equatable {
        /// It belongs to one channel.
        case dedicated(ChannelID)
        /// Routes decide; what none of them takes goes to these channels, in the order given.
        case shared(defaults: [ChannelID])

        /// `dedicated` or `shared`, as on the wire.
        package var name: String {
            switch self {
            case .dedicated: "dedicated"
            case .shared: "shared"
            }
        }
    }

    package let id: IntegrationID
    package let number: IntegrationNumber
    package let type: IntegrationType
    package let mode: Mode
    package let name: Name
    /// At most 500 scalars.
    package let description: Text
    package let status: Enablement
    package let rateLimit: RateLimit
    package let source: SourceRules
    package let metadata: Metadata

    package init(
        id: IntegrationID,
        number: IntegrationNumber,
        type: IntegrationType,
        mode: Mode,
        name: Name,
        description: Text,
        status: Enablement,
        rateLimit: RateLimit,
        source: SourceRules,
        metadata: Metadata
    ) {
        self.id = id
        self.number = number
        self.type = type
        self.mode = mode
        self.name = name
        self.description = description
        self.status = status
        self.rateLimit = rateLimit
        self.source = source
        self.metadata = metadata
    }
}

/// The fair share of an integration: pushes beyond it are not refused, they wait behind others.
package struct RateLimit: Sendable, Equatable {
    /// 1 to 1,000,000.
    package let pushesPerSecond: Int
    /// Pushes that may come at once; 1 to 1,000,000.
    package let burst: Int

    package init(pushesPerSecond: Int, burst: Int) {
        self.pushesPerSecond = pushesPerSecond
        self.burst = burst
    }

    /// What an integration gets unless told otherwise.
    package static let standard = RateLimit(pushesPerSecond: 1_000, burst: 2_000)
}

/// Why pushes of an integration were refused, told to its account alone.
package enum RefusalReason: UInt8, CaseIterable, Sendable {
    case revoked = 1
    case expired = 2
    case integrationDisabled = 3
    case accountSuspended = 4
    case wrongType = 5
    case tooLarge = 6
    case contentEncoding = 7
    case overloaded = 8
    case storedBytesLimit = 9
    case storeUnavailable = 10
    /// Kept, but it could not be decoded.
    case quarantined = 11
    /// Kept, but it came from an address that the integration does not take pushes from.
    case sourceAddress = 12
    /// Kept, but an alert of it lacks a pinned label or has another value.
    case pinnedLabel = 13
    /// It carried two push tokens that differ, one of which is the integration's.
    case conflictingTokens = 14

    /// Stable word for the API and for metrics.
    package var name: String {
        switch self {
        case .revoked: "revoked"
        case .expired: "expired"
        case .integrationDisabled: "integration_disabled"
        case .accountSuspended: "account_suspended"
        case .wrongType: "wrong_type"
        case .tooLarge: "too_large"
        case .contentEncoding: "content_encoding"
        case .overloaded: "overloaded"
        case .storedBytesLimit: "stored_bytes_limit"
        case .storeUnavailable: "store_unavailable"
        case .quarantined: "quarantined"
        case .sourceAddress: "source_address"
        case .pinnedLabel: "pinned_label"
        case .conflictingTokens: "conflicting_tokens"
        }
    }
}

/// How often pushes of an integration were refused for one reason.
package struct Refusals: Sendable, Equatable {
    package let reason: RefusalReason
    package let count: Int64
    package let lastAt: UnixTime

    package init(reason: RefusalReason, count: Int64, lastAt: UnixTime) {
        self.reason = reason
        self.count = count
        self.lastAt = lastAt
    }
}
