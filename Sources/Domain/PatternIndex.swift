import Native

/// The groups of conditions that ask for wildcards or regular expressions of one key: those with a literal at one end found by it, those of
/// other regular expressions in one pass over the value.
struct PatternIndex: Sendable {
    /// Fewer expressions are tried one by one in less time.
    private static let least = 8
    /// Instructions that the sets of one table have at most. The automaton of a set is never given up, so at worst each byte of a value
    /// costs all of them; expressions beyond it are tried one by one.
    private static let programSize = 2_000
    /// Bytes for the automaton and program of a set, and for each of its instructions.
    private static let memory = (base: 64 << 10, instruction: 1 << 10)

    private let key: ConditionKey
    /// Those with a literal at one end.
    private let literals: LiteralIndex
    /// The others; nil when there are none.
    private let set: PatternSet?
    /// The group that each expression of the set belongs to.
    private let groups: [Int]
    /// Instructions of the set.
    private let programSize: Int

    /// Makes the indices of those `groups` that can be found so, and answers the others. `conditions` are those of all groups.
    static func make(of groups: [Int], conditions: [[Condition]]) -> (indices: [PatternIndex], rest: [Int]) {
        var entries: [ConditionKey: [Entry]] = [:]
        var order: [ConditionKey] = []
        var rest: [Int] = []
        for group in groups {
            let candidates = conditions[group].filter(\.hasExpressions)
            guard let best = candidates.first(where: \.isFoundByLiterals) ?? candidates.first else {
                rest.append(group)
                continue
            }
            if entries[best.key] == nil { order.append(best.key) }
            entries[best.key, default: []] += best.values.map { Entry(group: group, value: $0) }
        }
        var indices: [PatternIndex] = []
        var room = programSize
        for key in order {
            let (index, tooMuch) = make(of: key, entries[key] ?? [], within: &room)
            indices.append(index)
            rest += tooMuch
        }
        return (indices, rest.sorted())
    }

    private struct Entry {
        let group: Int
        /// Has a literal, or is a regular expression.
        let value: ConditionValue
    }

    /// The index of one key, and the groups that it does not have: those of few expressions, or of more than fit.
    private static func make(
        of key: ConditionKey,
        _ entries: [Entry],
        within room: inout Int
    ) -> (PatternIndex, rest: Set<Int>) {
        var literals = LiteralIndex()
        var others: [(group: Int, pattern: Pattern)] = []
        var rest: Set<Int> = []
        var size = 0
        for entry in entries {
            if let literal = entry.value.literal {
                literals.add(literal, entry.group)
            } else if case .pattern(let pattern) = entry.value, size + pattern.programSize <= room {
                others.append((entry.group, pattern))
                size += pattern.programSize
            } else {
                rest.insert(entry.group)
            }
        }
        let memory = memory.base + size * memory.instruction
        let set =
            others.count < least
            ? nil : PatternSet(others.map(\.pattern.source), maximumMemory: memory)
        if set == nil { rest.formUnion(others.map(\.group)) } else { room -= size }
        let index = PatternIndex(
            key: key,
            literals: literals,
            set: set,
            groups: others.map(\.group),
            programSize: size
        )
        return (index, rest)
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

    /// What it takes to find the candidates and to try them, each at its price.
    func price(of prices: [MatchPrice]) -> MatchPrice {
        var price = MatchPrice.value + literals.price(of: prices)
        guard set != nil else { return price }
        price += .patternSet(instructions: programSize)
        return price + Set(groups).map { prices[$0] }.total
    }
}

extension Condition {
    /// Whether it asks for texts that are no plain values, and each of them has a literal at one end.
    var isFoundByLiterals: Bool {
        guard `operator` == .anyOf else { return false }
        let isPlain = values.allSatisfy { if case .exact = $0 { true } else { false } }
        return !isPlain && values.allSatisfy { $0.literal != nil }
    }

    /// Whether each of its values can be entered here: it has a literal at one end, or is a regular expression.
    fileprivate var hasExpressions: Bool {
        `operator` == .anyOf
            && values.allSatisfy { value in
                if case .pattern = value { true } else { value.literal != nil }
            }
    }
}
