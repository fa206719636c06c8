import Native

/// Groups of conditions by a text that a value must begin with, or end in: most wildcards and many regular expressions have one, and it
/// leaves few of them to be tried.
struct LiteralIndex: Sendable {
    /// What every text that matches has at one of its ends; not empty.
    enum Literal: Equatable {
        case prefix([UInt8])
        case suffix([UInt8])
    }

    fileprivate struct Table {
        var groups: [Text: [Int]] = [:]
        /// Of the literals, each once.
        var lengths: Set<Int> = []

        mutating func add(_ literal: [UInt8], _ group: Int) {
            groups[Text(trusted: literal), default: []].append(group)
            lengths.insert(literal.count)
        }
    }

    private var prefixes = Table()
    private var suffixes = Table()

    /// Enters a group under a literal of one of its expressions.
    mutating func add(_ literal: Literal, _ group: Int) {
        switch literal {
        case .prefix(let bytes): prefixes.add(bytes, group)
        case .suffix(let bytes): suffixes.add(bytes, group)
        }
    }

    /// The groups with a literal that `value` has. O(lengths of literals).
    func candidates(for value: Text) -> [Int] {
        var found: [Int] = []
        for length in prefixes.lengths where length <= value.bytes.count {
            found += prefixes.groups[Text(trusted: Array(value.bytes[..<length]))] ?? []
        }
        for length in suffixes.lengths where length <= value.bytes.count {
            found += suffixes.groups[Text(trusted: Array(value.bytes[(value.bytes.count - length)...]))] ?? []
        }
        return found
    }

    /// What it takes to find the groups of one value and to try them, each at its price.
    func price(of groups: [MatchPrice]) -> MatchPrice {
        [prefixes, suffixes].map { $0.price(of: groups) }.total
    }
}

extension LiteralIndex.Table {
    /// A value has at most one literal of each length.
    fileprivate func price(of prices: [MatchPrice]) -> MatchPrice {
        var fullest: [Int: MatchPrice] = [:]
        for (literal, members) in groups {
            let price = members.lazy.map { prices[$0] }.total
            fullest[literal.bytes.count] = .worse(fullest[literal.bytes.count] ?? MatchPrice(), price)
        }
        return fullest.values.map { $0 + .lookup }.total
    }
}

extension ConditionValue {
    /// What every text that matches begins with or ends in; nil when there is nothing of the kind.
    var literal: LiteralIndex.Literal? {
        switch self {
        case .exact(let text): text.isEmpty ? nil : .prefix(text.bytes)
        case .wildcard(let wildcard): wildcard.literal
        case .pattern(let pattern): pattern.literalPrefix.map { .prefix($0) }
        case .present, .network, .number: nil
        }
    }
}

extension Pattern {
    /// What every text that matches begins with, when that can be read off the source: `^` and letters, digits and signs that stand for
    /// themselves, up to the first that does not.
    var literalPrefix: [UInt8]? {
        guard source.first == UInt8(ascii: "^"), !hasAlternatives else { return nil }
        var literal: [UInt8] = []
        for byte in source.dropFirst() {
            if Self.quantifiers.contains(byte) {
                // It says how often the last character comes, which may be not at all.
                literal = Array(literal.dropLast())
                break
            }
            guard Self.isPlain(byte) else { break }
            literal.append(byte)
        }
        return literal.isEmpty ? nil : literal
    }

    private static let quantifiers = Array("*?+{".utf8)

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: Array("-_:/@,;=~ ".utf8).contains(byte)
        }
    }

    /// Whether there is a `|` outside of all parentheses and classes, or a `\Q`, which this look can't judge.
    private var hasAlternatives: Bool {
        var rest = source[...]
        var depth = 0
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\\"): if rest.popFirst() == UInt8(ascii: "Q") { return true }
            case UInt8(ascii: "["): Self.skipClass(&rest)
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"): depth -= 1
            case UInt8(ascii: "|"): if depth == 0 { return true }
            default: break
            }
        }
        return false
    }

    /// Drops the rest of a class: a `]` ends it unless it comes first, is escaped, or ends a name such as `[:alpha:]`.
    private static func skipClass(_ rest: inout ArraySlice<UInt8>) {
        if rest.first == UInt8(ascii: "^") { rest.removeFirst() }
        if rest.first == UInt8(ascii: "]") { rest.removeFirst() }
        while let byte = rest.popFirst(), byte != UInt8(ascii: "]") {
            if byte == UInt8(ascii: "\\") { _ = rest.popFirst() }
            guard byte == UInt8(ascii: "["), rest.first == UInt8(ascii: ":") else { continue }
            while let next = rest.popFirst(), next != UInt8(ascii: "]") {}
        }
    }
}
