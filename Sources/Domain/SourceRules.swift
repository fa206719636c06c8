/// From where an integration takes pushes, and what their alerts must be labelled with. What does not fit is quarantined.
///
/// - Source: openapi.yaml, schemas `SourceCIDRs` and `PinnedLabels`.
package struct SourceRules: Sendable, Equatable {
    /// What each may be.
    package enum Limits {
        /// Networks of one integration.
        package static let cidrs = 50
        /// Labels of one integration.
        package static let pinnedLabels = 10
        /// Bytes of a network's text: an IPv6 address and its prefix length.
        package static let cidrBytes = 49
    }

    /// Networks and single addresses as they were written, each one that `Network` reads; none: from anywhere.
    package let cidrs: [Text]
    /// The exact values that every alert of a push must have; none: anything goes.
    package let pinnedLabels: Labels

    package init(cidrs: [Text] = [], pinnedLabels: Labels = Labels()) {
        self.cidrs = cidrs
        self.pinnedLabels = pinnedLabels
    }
}

/// Source rules made ready for pushes. Pure.
package struct SourceCheck: Sendable {
    /// nil: from anywhere.
    private let networks: [Network]?
    private let pinnedLabels: [(name: Text, value: Text)]

    /// nil where the rules take everything, so that most pushes are looked at by nobody.
    package init?(_ rules: SourceRules) {
        guard !rules.cidrs.isEmpty || !rules.pinnedLabels.isEmpty else { return nil }
        networks = rules.cidrs.isEmpty ? nil : rules.cidrs.compactMap { Network($0) }
        pinnedLabels = rules.pinnedLabels.all
    }

    /// Whether pushes from this client address are taken. An address that is not known is in no network.
    package func takes(from address: Text?) -> Bool {
        guard let networks else { return true }
        guard let address = address.flatMap({ IPAddress($0.bytes) }) else { return false }
        return networks.contains { $0.contains(address) }
    }

    /// Whether every event has every pinned label with its very value, by what its sender sent: cutting does not matter.
    package func takes(_ events: some Sequence<DecodedEvent>) -> Bool {
        events.allSatisfy { event in
            pinnedLabels.allSatisfy { event.sentLabel($0.name) == $0.value }
        }
    }
}

/// Why a delivery is kept but not applied although its push URL is right.
package enum Quarantine: Sendable, Equatable {
    case undecodable(DecodeError)
    /// It came from an address that the integration does not take pushes from.
    case sourceAddress
    /// An alert of it lacks a pinned label, or has another value.
    case pinnedLabel

    /// Stable word for the `reason` of the delivery.
    package var reason: String {
        switch self {
        case .undecodable(let error): error.reason
        case .sourceAddress, .pinnedLabel: refusal.name
        }
    }

    /// What it counts as among the integration's refusals.
    package var refusal: RefusalReason {
        switch self {
        case .undecodable(.contentEncoding): .contentEncoding
        case .undecodable: .quarantined
        case .sourceAddress: .sourceAddress
        case .pinnedLabel: .pinnedLabel
        }
    }
}
