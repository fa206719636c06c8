import Native

/// The groups of conditions that ask for wildcards or regular expressions of one key, found in one pass over its value.
struct PatternIndex: Sendable {
    /// Fewer expressions are tried one by one in less time.
    private static let least = 8
    /// Bytes for the program of the expressions and its caches.
    private static let memory = 16 << 20

    private let key: ConditionKey
    private let set: PatternSet
    /// The group that each expression belongs to.
    private let groups: [Int]

    /// Makes the indices of those `groups` that can be found so, and answers the others. `conditions` are those of all groups.
    static func make(of groups: [Int], conditions: [[Condition]]) -> (indices: [PatternIndex], rest: [Int]) {
        var sources: [ConditionKey: [(group: Int, expression: [UInt8])]] = [:]
        var rest: [Int] = []
        for group in groups {
            let found = conditions[group].lazy.compactMap { condition in
                condition.expressions.map { (condition.key, $0) }
            }.first
            guard let (key, expressions) = found else {
                rest.append(group)
                continue
            }
            sources[key, default: []] += expressions.map { (group, $0) }
        }
        var indices: [PatternIndex] = []
        for (key, entries) in sources {
            let isWorthIt = entries.count >= least
            if isWorthIt, let set = PatternSet(entries.map(\.expression), maximumMemory: memory) {
                indices.append(PatternIndex(key: key, set: set, groups: entries.map(\.group)))
            } else {
                rest += Set(entries.map(\.group))
            }
        }
        return (indices, rest.sorted())
    }

    /// The groups whose condition holds for `subject`; all of them when it takes too much memory to find out.
    func candidates(for subject: ConditionSubject) -> Set<Int> {
        guard let value = subject.value(of: key) else { return [] }
        var found: Set<Int> = []
        return set.forEachMatch(in: value.bytes) { found.insert(groups[$0]) } ? found : Set(groups)
    }
}

extension Condition {
    /// Regular expressions of which one must match; nil when it does not ask for that.
    fileprivate var expressions: [[UInt8]]? {
        guard `operator` == .anyOf else { return nil }
        var expressions: [[UInt8]] = []
        for value in values {
            switch value {
            case .exact(let text):
                expressions.append(Array("^".utf8) + Pattern.literal(escaping: text.bytes) + Array("$".utf8))
            case .wildcard(let wildcard): expressions.append(wildcard.expression)
            case .pattern(let pattern): expressions.append(pattern.source)
            case .present, .network, .number: return nil
            }
        }
        return expressions
    }
}
