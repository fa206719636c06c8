/// An ordered rule of a shared integration: conditions, and the channels that get what satisfies them.
package struct Route: Sendable {
    /// Where a match goes.
    package enum Target: Sendable, Equatable {
        /// To these channels; not empty.
        case channels([ChannelID])
        /// To the channel whose name equals the value of this label.
        case channelNamed(byLabel: Text)

        /// `standard` or `name_mapping`, as on the wire.
        package var mode: String {
            switch self {
            case .channels: "standard"
            case .channelNamed: "name_mapping"
            }
        }

        /// The channels that it names itself.
        package var channelIDs: [ChannelID] {
            if case .channels(let ids) = self { ids } else { [] }
        }
    }

    /// What happens after a match.
    package enum OnMatch: String, Sendable {
        case `continue`
        case stop
    }

    package let id: RouteID
    package let conditions: [[ConditionSource]]
    package let target: Target
    package let onMatch: OnMatch

    package init(id: RouteID, conditions: [[ConditionSource]], target: Target, onMatch: OnMatch) {
        self.id = id
        self.conditions = conditions
        self.target = target
        self.onMatch = onMatch
    }

    /// Its AND groups, compiled. Errors are added with pointers below `pointer`.
    package static func compile(
        _ conditions: [[ConditionSource]],
        at pointer: String,
        errors: inout ValidationErrors
    ) -> [[Condition]] {
        conditions.enumerated().map { groupIndex, group in
            group.enumerated().compactMap { index, source in
                source.compiled(at: "\(pointer)/\(groupIndex)/\(index)", errors: &errors)
            }
        }
    }
}

/// The routes of one integration, compiled once per configuration revision.
///
/// Groups that ask for an exact value of some key are found through a hash table, those that ask for wildcards and regular expressions
/// through one pass of all expressions of the key, the others are tried one by one: thousands of routes that differ in one label cost one
/// look-up. A group is entered under its rarest exact condition. What is found so is only a candidate: all its conditions are tried.
package struct RouteTable: Sendable {
    /// One AND group.
    private struct Group: Sendable {
        let route: Int
        let conditions: [Condition]
    }

    /// A route that matched, in order.
    package struct Match: Sendable, Equatable {
        package let route: RouteID
        package let target: Route.Target
        package let onMatch: Route.OnMatch
    }

    /// A value that more groups ask for, such as a severity, tells less than the beginning of another one.
    private static let commonValue = 16

    private let routes: [Match]
    private let groups: [Group]
    private let byExactValue: [ConditionKey: [Text: [Int]]]
    private let byPattern: [PatternIndex]
    private let unindexed: [Int]
    /// What it takes at worst to find the routes of one alert.
    package let price: MatchPrice
    /// Routes with a group of conditions that does not compile, which matches nothing.
    package let broken: [RouteID]

    /// How many routes there are.
    package var count: Int { routes.count }

    /// Compiles `routes`, which are in order. A group with a condition that no longer compiles matches nothing: conditions are
    /// checked when they are written, so this happens only if the language lost a word.
    package init(_ routes: [Route]) {
        self.routes = routes.map { Match(route: $0.id, target: $0.target, onMatch: $0.onMatch) }
        var groups: [Group] = []
        var broken: [RouteID] = []
        for (position, route) in routes.enumerated() {
            if route.conditions.isEmpty { groups.append(Group(route: position, conditions: [])) }
            for group in route.conditions {
                var errors = ValidationErrors()
                let compiled = group.compactMap { $0.compiled(at: "", errors: &errors) }
                if errors.isEmpty {
                    groups.append(Group(route: position, conditions: compiled))
                } else if broken.last != route.id {
                    broken.append(route.id)
                }
            }
        }
        self.groups = groups
        self.broken = broken
        let (byExactValue, rest) = RouteTable.index(groups)
        self.byExactValue = byExactValue
        (byPattern, unindexed) = PatternIndex.make(of: rest, conditions: groups.map(\.conditions))
        let prices = groups.map(\.conditions.groupPrice)
        price = RouteTable.price(byExactValue, byPattern, unindexed, prices)
    }

    /// A look-up for each key and the dearest of what it can find, and all that no index has.
    private static func price(
        _ byExactValue: [ConditionKey: [Text: [Int]]],
        _ byPattern: [PatternIndex],
        _ unindexed: [Int],
        _ groups: [MatchPrice]
    ) -> MatchPrice {
        var price = MatchPrice.group
        for buckets in byExactValue.values {
            let fullest = buckets.values.lazy.map { bucket in bucket.lazy.map { groups[$0] }.total }.worst
            price += .value + .lookup + fullest
        }
        for index in byPattern { price += index.price(of: groups) }
        return price + unindexed.lazy.map { groups[$0] }.total
    }

    /// The routes that `subject` satisfies, in order, up to and with the first that stops.
    package func matches(for subject: ConditionSubject) -> [Match] {
        var matches: [Match] = []
        forEachMatch(for: subject) { matches.append($0) }
        return matches
    }

    /// Calls `body` with each of them.
    package func forEachMatch(for subject: ConditionSubject, _ body: (Match) -> Void) {
        var candidates = unindexed
        for (key, groupsByValue) in byExactValue {
            if let value = subject.value(of: key), let found = groupsByValue[value] { candidates += found }
        }
        for index in byPattern { candidates += index.candidates(for: subject) }
        candidates.sort()
        var lastRoute = -1
        for candidate in candidates {
            let group = groups[candidate]
            guard group.route != lastRoute, group.conditions.allSatisfy({ $0.holds(for: subject) }) else {
                continue
            }
            lastRoute = group.route
            body(routes[group.route])
            if routes[group.route].onMatch == .stop { break }
        }
    }

    private static func index(_ groups: [Group]) -> ([ConditionKey: [Text: [Int]]], [Int]) {
        var frequency: [ConditionKey: [Text: Int]] = [:]
        for condition in groups.flatMap(\.conditions) {
            for value in condition.exactValues ?? [] {
                frequency[condition.key, default: [:]][value, default: 0] += 1
            }
        }
        var table: [ConditionKey: [Text: [Int]]] = [:]
        var rest: [Int] = []
        for (index, group) in groups.enumerated() {
            let best = group.conditions.compactMap {
                condition -> (key: ConditionKey, values: Set<Text>, cost: Int)? in
                guard let values = condition.exactValues else { return nil }
                let cost = values.map { frequency[condition.key]?[$0] ?? 0 }.max() ?? 0
                return (condition.key, Set(values), cost)
            }.min { $0.cost < $1.cost }
            let isBetterByLiterals =
                (best?.cost ?? .max) > commonValue && group.conditions.contains(where: \.isFoundByLiterals)
            guard let best, !isBetterByLiterals else {
                rest.append(index)
                continue
            }
            for value in best.values { table[best.key, default: [:]][value, default: []].append(index) }
        }
        return (table, rest)
    }
}
