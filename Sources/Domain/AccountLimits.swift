/// What an account may use at most. The operator decides.
package struct AccountLimits: Sendable, Equatable {
    /// One of them.
    package enum Kind: Int, CaseIterable, Sendable {
        /// Calls of the management API a second, for each key of the account.
        case callsPerSecond
        /// Such calls at once, after a pause; at least `callsPerSecond`.
        case callBurst
        /// What an integration's `rate_limit` may be at most.
        case pushesPerSecond
        case pushBurst
        case channels
        case integrations
        case routesPerIntegration
        /// Wildcards and regular expressions in the conditions of all routes and notifiers.
        case patterns
        case patternBytes
        /// Instructions of the compiled regular expressions.
        case programSize
        /// Conditions that each alert is held against, because no index finds them.
        case unindexedConditions
        /// Bytes of all conditions as they are stored.
        case conditionBytes

        /// The wire spelling.
        package var name: StaticString {
            switch self {
            case .callsPerSecond: "calls_per_second"
            case .callBurst: "call_burst"
            case .pushesPerSecond: "pushes_per_second"
            case .pushBurst: "push_burst"
            case .channels: "channels"
            case .integrations: "integrations"
            case .routesPerIntegration: "routes_per_integration"
            case .patterns: "patterns"
            case .patternBytes: "pattern_bytes"
            case .programSize: "program_size"
            case .unindexedConditions: "unindexed_conditions"
            case .conditionBytes: "condition_bytes"
            }
        }

        /// What it may be.
        package var range: ClosedRange<Int64> {
            switch self {
            case .callsPerSecond: 1...100_000
            case .callBurst: 1...200_000
            case .pushesPerSecond, .pushBurst: 1...1_000_000
            case .channels, .integrations: 0...100_000
            case .routesPerIntegration: 0...Int64(Limits.routes)
            case .patterns, .unindexedConditions: 0...100_000
            case .patternBytes: 0...10_000_000
            case .programSize: 0...Int64(CompileBudget.instructions)
            case .conditionBytes: 0...1_000_000_000
            }
        }

        /// What it is unless the operator says otherwise.
        package var standard: Int {
            switch self {
            case .callsPerSecond: CallRate.standard.perSecond
            case .callBurst: CallRate.standard.burst
            case .pushesPerSecond, .pushBurst: 1_000_000
            case .channels, .integrations: 10_000
            case .routesPerIntegration: Limits.routes
            case .patterns: 10_000
            case .patternBytes: 256 << 10
            case .programSize: 20_000
            case .unindexedConditions: 2_000
            case .conditionBytes: 8 << 20
            }
        }

        /// Those that the conditions of routes and notifiers count against.
        package static let ofConditions: [Kind] = [
            .patterns, .patternBytes, .programSize, .unindexedConditions, .conditionBytes,
        ]
    }

    /// In the order of `Kind`.
    private var values: [Int]

    /// `value` says what each is.
    package init(_ value: (Kind) -> Int) {
        values = Kind.allCases.map(value)
    }

    /// Those of an account of which nothing is said.
    package static let standard = AccountLimits(\.standard)

    /// How much it is.
    package subscript(kind: Kind) -> Int { values[kind.rawValue] }

    /// The same with these changed.
    package func changed(to new: [Kind: Int]) -> AccountLimits {
        AccountLimits { new[$0] ?? self[$0] }
    }

    /// Calls of the management API with one key.
    package var calls: CallRate { CallRate(perSecond: self[.callsPerSecond], burst: self[.callBurst]) }

    /// The highest share that an integration can have.
    package var pushes: RateLimit {
        RateLimit(pushesPerSecond: self[.pushesPerSecond], burst: self[.pushBurst])
    }

    /// What is wrong with them together; each by itself is in its range.
    package var errors: [FieldError] {
        guard self[.callBurst] < self[.callsPerSecond] else { return [] }
        return [FieldError("/limits/call_burst", "must be at least calls_per_second")]
    }
}

extension RateLimit {
    /// The lower of both, each part by itself.
    package func bounded(by ceiling: RateLimit) -> RateLimit {
        RateLimit(
            pushesPerSecond: min(pushesPerSecond, ceiling.pushesPerSecond),
            burst: min(burst, ceiling.burst)
        )
    }
}
