import Domain
import Native
import Testing

@Suite("RouteTable")
struct RouteTests {
    private static let subject = ConditionSubject(
        severity: .warning,
        title: "Disk full",
        description: "",
        alertKey: "k",
        labels: labels(("env", "prod"), ("team", "db"))
    )

    private static let yes = ConditionSource(key: "labels.env", operator: "in", values: ["prod"])
    private static let no = ConditionSource(key: "labels.env", operator: "in", values: ["test"])
    private static let yesSlow = ConditionSource(key: "labels.team", operator: "in", values: ["d*"])
    private static let noSlow = ConditionSource(key: "labels.team", operator: "not_in", values: ["db"])

    private func matched(_ conditions: [[[ConditionSource]]], stopAfter stop: Int? = nil) -> [RouteID] {
        let routes = conditions.enumerated().map { index, conditions in
            Route(
                id: route(UInt64(index)),
                conditions: conditions,
                target: .channels([channel(1)]),
                onMatch: index == stop ? .stop : .continue
            )
        }
        return RouteTable(routes).matches(for: Self.subject).map(\.route)
    }

    @Test(
        "conditions are an OR of AND groups",
        arguments: [
            ([], true), ([[]], true), ([[yes]], true), ([[no]], false), ([[yes, yesSlow]], true),
            ([[yes, noSlow]], false),
            ([[no, yesSlow]], false), ([[no], [yesSlow]], true), ([[noSlow], [yes]], true),
            ([[no, yes], [noSlow]], false),
            ([[no], [no], [yes, yesSlow]], true), ([[no], []], true),
        ] as [([[ConditionSource]], Bool)]
    )
    func groups(conditions: [[ConditionSource]], isMatch: Bool) {
        #expect(matched([conditions]) == (isMatch ? [route(0)] : []))
    }

    @Test("routes match in their order, whether indexed or not")
    func order() {
        #expect(
            matched([[[Self.yesSlow]], [[Self.yes]], [[Self.no]], [], [[Self.yes]]])
                == [0, 1, 3, 4].map(route)
        )
    }

    @Test("a route with several groups that hold matches once")
    func onceEach() {
        #expect(matched([[[Self.yes], [Self.yesSlow], []]]) == [route(0)])
    }

    @Test(
        "a match that says stop is the last one",
        arguments: [(0, [0]), (1, [0, 2, 3]), (2, [0, 2]), (3, [0, 2, 3]), (nil, [0, 2, 3])]
            as [(Int?, [UInt64])]
    )
    func stop(position: Int?, result: [UInt64]) {
        let conditions = [[[Self.yes]], [[Self.no]], [[Self.yesSlow]], [[Self.yes]]]
        #expect(matched(conditions, stopAfter: position) == result.map(route))
    }

    @Test(
        "an expression matches in a route what it matches alone, whatever it begins with",
        arguments: [
            "^abc", "^abc*", "^ab|cd", "^a(b|c)d", "^ab{0}c", "^[a|b]c", "^[ab]|cd", "^(?i)abc", "^a\\.b",
            "^ab+?c", "^a\\Qb|c\\E",
            "^ab?$", "^", "abc", "^abc.*cd$", "^a\\|b", "(^ab)", "^日本", "^a b-c", "^x|", "^ab(?:c|)",
            "^[]|]c", "^a[^]]|cd", "^ab[[:alpha:]|]*$", "^b[\\]|]?|cd", "^a(b|[c|])d", "^ab[0-9]|x",
        ]
    )
    func anchored(expression: String) throws {
        let pattern = try Pattern(Array(expression.utf8))
        let source = ConditionSource(key: "title", operator: "in", values: [Text("/" + expression + "/")])
        let table = RouteTable([
            Route(id: route(1), conditions: [[source]], target: .channels([channel(1)]), onMatch: .stop)
        ])
        let titles: [Text] = [
            "a", "ab", "abc", "abcd", "ABC", "xcd", "cd", "acd", "abd", "ac", "bc", "a.b", "a.bc", "ab|c",
            "a|b", "abcxcd", "x", "日本語",
            "a b-c d", "b", "abbc", "a", "", "xabc",
        ]
        for title in titles {
            let subject = ConditionSubject(
                severity: .info,
                title: title,
                description: "",
                alertKey: "k",
                labels: Labels()
            )
            #expect(table.matches(for: subject).isEmpty == !pattern.matches(title.bytes), "\(title.string)")
        }
    }

    @Test("no routes match nothing")
    func empty() {
        #expect(matched([]).isEmpty)
    }

    @Test("a condition with no values never holds for in")
    func noValues() {
        #expect(matched([[[ConditionSource(key: "labels.env", operator: "in", values: [])]]]).isEmpty)
    }

    @Test("a value given twice finds its route once")
    func repeatedValue() {
        let source = ConditionSource(
            key: "labels.env",
            operator: "in",
            values: ["prod", "prod", "literal:prod"]
        )
        #expect(matched([[[source]]]) == [route(0)])
    }

    @Test("a group with a condition that no longer compiles matches nothing, its route's other groups do")
    func lostWord() {
        let lost = ConditionSource(key: "labels.env", operator: "soundslike", values: ["prod"])
        #expect(matched([[[lost]], [[lost], [Self.yes]], [[Self.yes, lost]]]) == [route(1)])
    }

    @Test(
        "the index finds what a plain evaluation finds",
        arguments: [(1, nil), (2, 300), (3, 20)] as [(UInt64, Int?)]
    )
    func naive(seed: UInt64, stopOnceIn: Int?) {
        var random = SeededRandom(seed)
        let routes = (0..<2_000).map { RandomRoute($0, stopOnceIn: stopOnceIn, random: &random) }
        let table = RouteTable(routes.map(\.route))
        let failures = (0..<200).filter { _ in
            let fields = RandomRoute.fields(random: &random)
            return table.matches(for: fields.subject).map(\.route) != RandomRoute.plainly(routes, fields)
        }
        #expect(failures.isEmpty)
    }
}

/// The parts of an event as plain strings.
private struct Fields {
    let severity: Severity
    let title: String
    let labels: [String: String]

    var subject: ConditionSubject {
        ConditionSubject(
            severity: severity,
            title: Text(title),
            description: "",
            alertKey: "k",
            labels: Labels(labels.map { (Text($0), Text($1)) })
        )
    }

    func value(of key: String) -> String? {
        switch key {
        case "severity": severity.name
        case "title": title
        default: labels[String(key.dropFirst("labels.".count))]
        }
    }
}

/// A value of a condition: how it is written and, apart from that, what it means.
private enum Wanted {
    case exact(String)
    case literal(String)
    case present
    case beginning(String)
    case containing(String)

    var text: Text {
        switch self {
        case .exact(let value): Text(value)
        case .literal(let value): Text("literal:" + value)
        case .present: "*"
        case .beginning(let value): Text(value + "*")
        case .containing(let value): Text("/" + value + "/")
        }
    }

    func matches(_ value: String) -> Bool {
        switch self {
        case .exact(let wanted), .literal(let wanted): value == wanted
        case .present: true
        case .beginning(let start): value.hasPrefix(start)
        case .containing(let part): value.contains(part)
        }
    }
}

/// A route made at random, and what it means written plainly.
private struct RandomRoute {
    struct Condition {
        let key: String
        let isIn: Bool
        let wanted: [Wanted]

        func holds(for fields: Fields) -> Bool {
            guard let value = fields.value(of: key) else { return !isIn }
            return wanted.contains { $0.matches(value) } == isIn
        }
    }

    let id: RouteID
    let groups: [[Condition]]
    let stops: Bool

    init(_ number: Int, stopOnceIn: Int?, random: inout SeededRandom) {
        id = Domain.RouteID(high: 1, low: UInt64(number))
        groups = (0..<Int.random(in: 0...20, using: &random) / 6).map { _ in
            (0..<Int.random(in: 1...3, using: &random)).map { _ in RandomRoute.condition(random: &random) }
        }
        stops = stopOnceIn.map { random.once(in: $0) } ?? false
    }

    var route: Route {
        let conditions = groups.map { group in
            group.map { condition in
                ConditionSource(
                    key: Text(condition.key),
                    operator: condition.isIn ? "in" : "not_in",
                    values: condition.wanted.map(\.text)
                )
            }
        }
        return Route(
            id: id,
            conditions: conditions,
            target: .channels([channel(1)]),
            onMatch: stops ? .stop : .continue
        )
    }

    static func plainly(_ routes: [RandomRoute], _ fields: Fields) -> [RouteID] {
        var result: [RouteID] = []
        for route in routes {
            let holds =
                route.groups.isEmpty || route.groups.contains { $0.allSatisfy { $0.holds(for: fields) } }
            if holds { result.append(route.id) }
            if holds && route.stops { break }
        }
        return result
    }

    static func fields(random: inout SeededRandom) -> Fields {
        var labels: [String: String] = [:]
        for name in ["a", "b", "c", "d"] where !random.once(in: 4) { labels[name] = word(random: &random) }
        return Fields(
            severity: random.pick(Severity.allCases),
            title: word(random: &random),
            labels: labels
        )
    }

    private static func condition(random: inout SeededRandom) -> Condition {
        let key = random.pick(["severity", "title", "labels.a", "labels.b", "labels.c", "labels.d"])
        let wanted: [Wanted] = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            if key == "severity" { return .exact(random.pick(Severity.allCases).name) }
            let word = word(random: &random)
            return random.pick([
                .exact(word), .exact(word), .exact(word), .exact(word), .literal(word), .present,
                .beginning(String(word.prefix(2))), .containing(String(word.suffix(1))),
            ])
        }
        return Condition(key: key, isIn: !random.once(in: 4), wanted: wanted)
    }

    private static func word(random: inout SeededRandom) -> String {
        "w\(Int.random(in: 0..<60, using: &random))"
    }
}
