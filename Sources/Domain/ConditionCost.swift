import Native

/// What the conditions of routes and notifiers cost their account: what its limits count.
package struct ConditionCost: Sendable, Equatable {
    /// Wildcards and regular expressions.
    package var patterns = 0
    /// Their bytes.
    package var patternBytes = 0
    /// Instructions of the compiled regular expressions.
    package var programSize = 0
    /// Conditions that each alert is held against: those of a group of a route that has none with exact values alone, and none of which
    /// each value begins or ends in known letters; of a notifier, all but those with exact values alone.
    package var unindexed = 0
    /// Bytes of the conditions as they are stored, and `base` for each route and notifier.
    package var bytes = 0

    package init() {}

    package init(patterns: Int, patternBytes: Int, programSize: Int, unindexed: Int, bytes: Int) {
        self.patterns = patterns
        self.patternBytes = patternBytes
        self.programSize = programSize
        self.unindexed = unindexed
        self.bytes = bytes
    }

    /// What a route or notifier costs in bytes besides its conditions.
    package static let base = 100

    /// How much it has of what a limit counts; nil for other limits.
    package subscript(kind: AccountLimits.Kind) -> Int? {
        switch kind {
        case .patterns: patterns
        case .patternBytes: patternBytes
        case .programSize: programSize
        case .unindexedConditions: unindexed
        case .conditionBytes: bytes
        case .callsPerSecond, .callBurst, .pushesPerSecond, .pushBurst, .channels, .integrations,
            .routesPerIntegration:
            nil
        }
    }

    /// Both together.
    package static func + (left: ConditionCost, right: ConditionCost) -> ConditionCost {
        left.combined(right, +)
    }

    /// What is left of one without the other.
    package static func - (left: ConditionCost, right: ConditionCost) -> ConditionCost {
        left.combined(right, -)
    }

    private func combined(_ other: ConditionCost, _ combine: (Int, Int) -> Int) -> ConditionCost {
        ConditionCost(
            patterns: combine(patterns, other.patterns),
            patternBytes: combine(patternBytes, other.patternBytes),
            programSize: combine(programSize, other.programSize),
            unindexed: combine(unindexed, other.unindexed),
            bytes: combine(bytes, other.bytes)
        )
    }

    package static func += (left: inout ConditionCost, right: ConditionCost) { left = left + right }
}

/// Whose conditions they are.
package enum ConditionUse: Sendable {
    /// A route's: found through an index where there is one.
    case route
    /// A notifier's: tried one by one; they may ask for the status.
    case notifier
}

extension ConditionCost {
    /// The cost of OR groups of `sources`, which take `bytes` when stored. What does not compile counts as its text says.
    package init(of sources: [[ConditionSource]], for use: ConditionUse, bytes: Int) {
        self.bytes = bytes + Self.base
        for group in sources {
            var conditions: [Condition] = []
            for source in group {
                var errors = ValidationErrors()
                let compiled = source.compiled(
                    at: "",
                    allowsStatus: use == .notifier,
                    errors: &errors
                )
                if let compiled { conditions.append(compiled) } else { self += Self(estimating: source) }
            }
            count(conditions, of: group.count, use)
        }
    }

    /// The same without compiling anything, for rows that were written before costs were kept: a program counts two instructions for each
    /// byte of its expression.
    package init(estimating sources: [[ConditionSource]], for use: ConditionUse, bytes: Int) {
        self.bytes = bytes + Self.base
        for group in sources {
            for source in group { self += Self(estimating: source) }
            switch use {
            case .route: if !group.contains(where: \.seemsIndexed) { unindexed += group.count }
            case .notifier: unindexed += group.count { !$0.isPlain }
            }
        }
    }

    private init(estimating source: ConditionSource) {
        for value in source.values where value.isPattern || value.isWildcard {
            patterns += 1
            patternBytes += value.bytes.count
            if value.isPattern { programSize += 2 * value.bytes.count }
        }
    }

    private mutating func count(_ conditions: [Condition], of all: Int, _ use: ConditionUse) {
        for value in conditions.lazy.flatMap(\.values) {
            switch value {
            case .wildcard(let wildcard):
                patterns += 1
                patternBytes += wildcard.source.count
            case .pattern(let pattern):
                patterns += 1
                patternBytes += pattern.source.count
                programSize += pattern.programSize
            case .exact, .present, .network, .number: break
            }
        }
        switch use {
        case .route: if !conditions.contains(where: \.isFoundByIndex) { unindexed += all }
        case .notifier: unindexed += all - conditions.count { $0.exactValues != nil }
        }
    }
}

extension ConditionSource {
    /// Whether it asks for exact values alone.
    fileprivate var isPlain: Bool {
        `operator`.bytes.elementsEqual("in".utf8)
            && values.allSatisfy { !$0.isPattern && !$0.isWildcard && !$0.isTest }
    }

    /// Whether each value is exact or seems to begin or end in known letters.
    fileprivate var seemsIndexed: Bool {
        `operator`.bytes.elementsEqual("in".utf8)
            && values.allSatisfy { value in
                if value.isPattern { return value.bytes.dropFirst().first == UInt8(ascii: "^") }
                if value.isWildcard { return ![value.bytes.first, value.bytes.last].allSatisfy(\.isSign) }
                return !value.isTest
            }
    }
}

extension UInt8? {
    /// Whether it stands for others.
    fileprivate var isSign: Bool { self == UInt8(ascii: "*") || self == UInt8(ascii: "?") }
}

extension Text {
    /// Whether it is a number test, a network or a lone `*`.
    fileprivate var isTest: Bool {
        bytes.starts(with: "num:".utf8) || bytes.starts(with: "cidr:".utf8) || bytes == [UInt8(ascii: "*")]
    }
}

/// What reading one body may compile. Compiling is the dearest part of it: a few letters can stand for thousands of instructions.
///
/// Used by one thread at a time.
package final class CompileBudget {
    /// Instructions of all regular expressions of a body together; also the most that the operator can allow an account.
    package static let instructions = 200_000
    /// What an expression counts that is refused for its size: it was compiled up to there.
    static let refused = Pattern.Limits.programSize

    private var left = instructions
    /// Whether it was said already that there is no more.
    private var isTold = false

    package init() {}

    /// Whether there is more to spend; else it is said at `pointer`, once.
    func hasRoom(at pointer: String, errors: inout ValidationErrors) -> Bool {
        if left > 0 { return true }
        if !isTold {
            isTold = true
            let most = Self.instructions
            errors.add(
                pointer,
                "is one regular expression too many: those before it have more than \(most) instructions"
            )
        }
        return false
    }

    /// Counts what was compiled.
    func spend(_ instructions: Int) {
        left -= max(instructions, 10)
    }
}
