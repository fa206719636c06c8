/// What a call of the management API is about: what a key may be limited to.
///
/// Every operation is about one kind, which its path says (`init(pathTemplate:)`); `GET /v1/me` is about none.
package enum ResourceKind: String, CaseIterable, Sendable {
    /// One account: what it is called, its limits, its state.
    case account
    /// The collection of accounts.
    case accounts
    case alerts
    case apiKeys = "api-keys"
    case audit
    case channels
    /// The whole configuration as one document.
    case config
    case deliveries
    case events
    case healthAlerts = "health-alerts"
    case integrations
    case notifications
    case notifiers
    case operatorKeys = "operator-keys"
    case pushURLs = "push-urls"
    case routes
    case severityTables = "severity-tables"
    /// Runs of the pipeline that store nothing.
    case simulate
    case usage

    /// Words of paths that are of a kind of another name.
    private static let otherWords: [Substring: ResourceKind] = [
        "backtest": .simulate, "deletions": .accounts, "onboarding": .accounts,
    ]

    /// The kind of the operations on a path of openapi.yaml: the last of its words that names one. Nil when none does.
    ///
    /// What is done to a resource has the resource's kind: `/v1/accounts/{account_id}/alerts/{alert_id}/close` is about alerts.
    package init?(pathTemplate: String) {
        let words = pathTemplate.split(separator: "/")
        for (place, word) in words.enumerated().reversed() {
            guard let kind = Self.otherWords[word] ?? Self(rawValue: String(word)) else { continue }
            let isOfOne = kind == .accounts && words.dropFirst(place + 1).first == "{account_id}"
            self = isOfOne ? .account : kind
            return
        }
        return nil
    }
}

/// The kinds of resources that a key is limited to, within its role.
package struct Scopes: Sendable, Equatable {
    /// Nil: every kind, those that are yet to come, too.
    package let kinds: Set<ResourceKind>?

    package init(_ kinds: Set<ResourceKind>?) {
        self.kinds = kinds
    }

    /// Of a key that is limited by its role alone.
    package static let all = Scopes(nil)

    /// The operations that are about no kind: who calls.
    private static let ofNoKind: Set<Substring> = ["/v1/me"]

    /// Whether a call about `kind` is within them.
    package func admit(_ kind: ResourceKind) -> Bool {
        kinds?.contains(kind) ?? true
    }

    /// Whether the operations on a path of openapi.yaml are within them. Those of which nobody said what they are about are not.
    package func admit(pathTemplate: String) -> Bool {
        guard kinds != nil, !Self.ofNoKind.contains(pathTemplate[...]) else { return true }
        return ResourceKind(pathTemplate: pathTemplate).map(admit) ?? false
    }

    /// Whether everything that is within `other` is within these.
    package func cover(_ other: Scopes) -> Bool {
        guard let kinds else { return true }
        return other.kinds?.isSubset(of: kinds) ?? false
    }

    /// Their wire spellings, in the order of the alphabet. Nil: every kind.
    package var names: [String]? { kinds?.map(\.rawValue).sorted() }
}
