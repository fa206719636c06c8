import Native

/// The groups of conditions that ask for wildcards or regular expressions of one key, found in one pass over its value.
struct PatternIndex: Sendable {
    /// Fewer expressions are tried one by one in less time.
    private static let least = 8
    /// Bytes for the program of the expressions and its caches.
    private static let memory = 16 << 20

    private let key: ConditionKey
    /// Those with a literal at one end.
    private let literals: LiteralIndex
    /// The others; nil when there are none.
    private let set: PatternSet?
    /// The group that each expression of the set belongs to.
    private let groups: [Int]

    /// Makes the indices of those `groups` that can be found so, and answers the others. `conditions` are those of all groups.
    static func make(of groups: [Int], conditions: [[Condition]]) -> (indices: [PatternIndex], rest: [Int]) {
        var entries: [ConditionKey: [Entry]] = [:]
        var rest: [Int] = []
        for group in groups {
            let candidates = conditions[group].filter { $0.expressions != nil }
            let best = candidates.first(where: \.isFoundByLiterals) ?? candidates.first
            guard let best, let expressions = best.expressions else {
                rest.append(group)
                continue
            }
            entries[best.key, default: []] += zip(expressions, best.values).map {
                Entry(group: group, expression: $0, literal: $1.literal)
            }
        }
        var indices: [PatternIndex] = []
        for (key, entries) in entries {
            let (index, tooMuch) = make(of: key, entries)
            indices.append(index)
            rest += tooMuch
        }
        return (indices, rest.sorted())
    }

    private struct Entry {
        let group: Int
        let expression: [UInt8]
        let literal: LiteralIndex.Literal?
    }

    /// The index of one key, and the groups that it does not have: those of few expressions, or of more than fit.
    private static func make(of key: ConditionKey, _ entries: [Entry]) -> (PatternIndex, rest: Set<Int>) {
        var literals = LiteralIndex()
        for entry in entries {
            if let literal = entry.literal { literals.add(literal, entry.group) }
        }
        let others = entries.filter { $0.literal == nil }
        let set =
            others.count < least ? nil : PatternSet(others.map(\.expression), maximumMemory: memory)
        let index = PatternIndex(key: key, literals: literals, set: set, groups: others.map(\.group))
        return (index, set == nil ? Set(others.map(\.group)) : [])
    }

    /// The groups whose condition may hold for `subject`; all of them when it takes too much memory to find out.
    func candidates(for subject: ConditionSubject) -> Set<Int> {
        guard let value = subject.value(of: key) else { return [] }
        var found = Set(literals.candidates(for: value))
        guard let set else { return found }
        let isWhole = set.forEachMatch(in: value.bytes) { found.insert(groups[$0]) }
        if !isWhole { found.formUnion(groups) }
        return found
    }
}

extension Condition {
    /// Whether it asks for texts that are no plain values, and each of them has a literal at one end.
    var isFoundByLiterals: Bool {
        guard `operator` == .anyOf else { return false }
        let isPlain = values.allSatisfy { if case .exact = $0 { true } else { false } }
        return !isPlain && values.allSatisfy { $0.literal != nil }
    }

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
