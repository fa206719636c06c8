import Native

/// What it takes at worst to hold one alert against conditions: known when they are compiled, before there is an alert.
///
/// In time of one core of the machine that the figures below were measured on. Never the price of what usually happens: a hash table that
/// finds nothing is priced by its fullest entry, and a regular expression by what RE2 does when its automaton does not fit into its memory.
package struct MatchPrice: Sendable, Equatable {
    /// Nanoseconds, whatever the alert.
    package let fixed: Int
    /// Picoseconds for each byte of the longest text of the alert.
    package let perByte: Int

    package init(fixed: Int = 0, perByte: Int = 0) {
        self.fixed = fixed
        self.perByte = perByte
    }

    /// The price for an alert whose longest text has so many bytes; `Int.max` when it is more than that.
    package func nanoseconds(forBytes longestText: Int) -> Int {
        let (product, isTooMuch) = perByte.multipliedReportingOverflow(by: max(0, longestText))
        if isTooMuch { return .max }
        return Self.sum(fixed, product / 1_000)
    }

    /// Both, one after the other.
    package static func + (left: MatchPrice, right: MatchPrice) -> MatchPrice {
        MatchPrice(fixed: sum(left.fixed, right.fixed), perByte: sum(left.perByte, right.perByte))
    }

    package static func += (left: inout MatchPrice, right: MatchPrice) { left = left + right }

    /// The dearer of both, part by part: never less than either of them.
    package static func worse(_ left: MatchPrice, _ right: MatchPrice) -> MatchPrice {
        MatchPrice(fixed: max(left.fixed, right.fixed), perByte: max(left.perByte, right.perByte))
    }

    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, isTooMuch) = left.addingReportingOverflow(right)
        return isTooMuch ? .max : sum
    }
}

extension Sequence<MatchPrice> {
    /// All of them, one after the other.
    package var total: MatchPrice { reduce(MatchPrice(), +) }
    /// The dearest, part by part.
    package var worst: MatchPrice { reduce(MatchPrice(), MatchPrice.worse) }
}

/// What the parts take. Measured by `MatchPriceTests` in a release build; rounded up.
extension MatchPrice {
    /// Finding the value of a key, which is copied.
    static let value = MatchPrice(fixed: 120, perByte: 50)
    /// Hashing a value and looking it up.
    static let lookup = MatchPrice(fixed: 80, perByte: 900)
    /// A group that is tried.
    static let group = MatchPrice(fixed: 40)
    /// A comparison with a value of so many bytes.
    static func exact(bytes: Int) -> MatchPrice { MatchPrice(fixed: 8 + bytes / 8) }
    /// A wildcard, and each part between two `*`, which is searched for.
    static let wildcard = MatchPrice(fixed: 40, perByte: 2_500)
    static let wildcardPart = 40
    /// Each 64 elements of a part with `?`.
    static let wildcardWord = 2_500
    /// A network: the value is an address or too long to be one.
    static let network = MatchPrice(fixed: 1_500, perByte: 100)
    /// A comparison with a number, likewise.
    static let number = MatchPrice(fixed: 600, perByte: 100)
    /// A regular expression by itself, for each instruction of its program.
    static func pattern(instructions: Int) -> MatchPrice {
        MatchPrice(fixed: 300, perByte: instructions * 15_000)
    }
    /// Many at once: their common automaton is never given up, however often it does not fit.
    static func patternSet(instructions: Int) -> MatchPrice {
        MatchPrice(fixed: 1_000, perByte: instructions * 30_000)
    }
}

extension ConditionValue {
    /// What it takes to hold a value against it.
    package var price: MatchPrice {
        switch self {
        case .exact(let text): .exact(bytes: text.bytes.count)
        case .present: MatchPrice(fixed: 2)
        case .wildcard(let wildcard): wildcard.price
        case .pattern(let pattern): .pattern(instructions: pattern.programSize)
        case .network: .network
        case .number: .number
        }
    }
}

extension Condition {
    /// What it takes to hold an alert against it: all its values are tried.
    package var price: MatchPrice { .value + values.lazy.map(\.price).total }
}

extension Sequence<Condition> {
    /// What it takes to try them as one group.
    var groupPrice: MatchPrice { .group + lazy.map(\.price).total }
}
