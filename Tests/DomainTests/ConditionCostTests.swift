import Domain
import Native
import Testing

@Suite("What conditions cost")
struct ConditionCostTests {
    private static func source(
        _ values: [Text],
        _ word: Text = "in",
        _ key: Text = "labels.a"
    ) -> ConditionSource {
        ConditionSource(key: key, operator: word, values: values)
    }

    @Test(
        "of a route, conditions count that no index finds",
        arguments: [
            ([[source(["x", "y"])]], 0), ([[source(["x*"])]], 0), ([[source(["*x", "/^abc.*/"])]], 0),
            ([[source(["*x*"])]], 1), ([[source(["/x/"])]], 1), ([[source(["x"], "not_in")]], 1),
            ([[source(["*"])]], 1), ([[source(["cidr:10.0.0.0/8"])]], 1), ([[source(["num:gt:1"])]], 1),
            ([[source(["x*", "*y*"])]], 1), ([[source(["x"]), source(["*y*"])]], 0),
            ([[source(["*x*"]), source(["/y/"], "not_in")], [source(["z"])]], 2), ([], 0),
        ] as [([[ConditionSource]], Int)]
    )
    func unindexed(conditions: [[ConditionSource]], count: Int) {
        #expect(ConditionCost(of: conditions, for: .route, bytes: 0).unindexed == count)
        #expect(ConditionCost(estimating: conditions, for: .route, bytes: 0).unindexed == count)
    }

    @Test("of a notifier, all conditions count but those with exact values alone")
    func notifier() {
        let conditions = [
            [Self.source(["x"]), Self.source(["x*"])], [Self.source(["Ok"], "not_in", "status")],
        ]
        #expect(ConditionCost(of: conditions, for: .notifier, bytes: 0).unindexed == 2)
    }

    @Test("wildcards and regular expressions count, with their bytes and instructions")
    func patterns() throws {
        let conditions = [[Self.source(["x", "literal:*", "*", "a*b", "/^a+$/"])], [Self.source(["/b|c/"])]]
        let cost = ConditionCost(of: conditions, for: .route, bytes: 7)
        let size = try Pattern("^a+$").programSize + Pattern("b|c").programSize
        #expect(cost.patterns == 3 && cost.patternBytes == 3 + 4 + 3 && cost.programSize == size)
        #expect(cost.bytes == 7 + ConditionCost.base)
        let estimated = ConditionCost(estimating: conditions, for: .route, bytes: 7)
        #expect(estimated.patterns == 3 && estimated.bytes == cost.bytes && estimated.programSize > 0)
    }

    @Test(
        "an expression whose program is too large is refused, and soon",
        arguments: [
            "\\pL{40}", "\\pL{5}", "((\\pL{10}){10}){10}", ".{1000}.{1000}",
            "(?:a?){1000}(?:b?){1000}(?:c?){1000}",
        ]
    )
    func tooLarge(source: String) {
        let error = #expect(throws: FieldError.self) { try ConditionValue(Text("/" + source + "/")) }
        #expect(
            error?.detail.hasPrefix("is too large a regular expression") == true,
            "\(error?.detail ?? "")"
        )
    }

    @Test(
        "an expression within the limit is taken",
        arguments: ["\\pL", "\\pL{4}", ".{200}", "(a|b)*a(a|b){12}"]
    )
    func notTooLarge(source: String) throws {
        guard case .pattern(let pattern) = try ConditionValue(Text("/" + source + "/")) else {
            Issue.record("no pattern")
            return
        }
        #expect((1...Pattern.Limits.programSize).contains(pattern.programSize))
    }

    @Test("the same expression is compiled once")
    func once() throws {
        let (one, other) = (try Pattern.tenants([0x61, 0x2B]), try Pattern.tenants([0x61, 0x2B]))
        #expect(one === other)
    }

    @Test("what one body may compile is bounded; that there is no more is said once")
    func budget() {
        let budget = CompileBudget()
        var errors = ValidationErrors()
        let values = (0..<200).map { Text("/\\pL{4}a{\($0 % 50)}\($0)/") }
        let compiled = Self.source(values).compiled(at: "/c", within: budget, errors: &errors)
        #expect(compiled == nil && errors.items.count == 1)
        #expect(errors.items.first?.detail.hasPrefix("is one regular expression too many") == true)
        #expect(Self.source(["/b/"]).compiled(at: "/d", within: budget, errors: &errors) == nil)
        #expect(errors.items.count == 1)
    }
}

@Suite("Price of matching")
struct MatchPriceTests {
    private func table(_ conditions: [[ConditionSource]]) -> RouteTable {
        RouteTable(
            conditions.enumerated().map { index, group in
                Route(
                    id: route(UInt64(index)),
                    conditions: [group],
                    target: .channels([channel(1)]),
                    onMatch: .continue
                )
            }
        )
    }

    private func source(_ value: String, _ word: Text = "in") -> ConditionSource {
        ConditionSource(key: "labels.a", operator: word, values: [Text(value)])
    }

    @Test("is the same for ten thousand routes that an index finds as for ten of them")
    func indexed() {
        for form in ["v%", "v%-*", "/^v%-[0-9]+$/"] {
            let values = (1_000..<11_000).map { form.replacing("%", with: "\($0)") }
            let few = table(values.prefix(10).map { [source($0)] })
            let many = table(values.map { [source($0)] })
            let (one, other) = (few.price.nanoseconds(forBytes: 64), many.price.nanoseconds(forBytes: 64))
            #expect(other < 2 * one, "\(form): \(one) and \(other) ns")
        }
    }

    @Test("is that of all routes that one value can bring, or that no index finds")
    func unindexed() {
        let alone = table([[source("v")]]).price.nanoseconds(forBytes: 64)
        let crowd = table((0..<100).map { _ in [source("v")] }).price.nanoseconds(forBytes: 64)
        #expect(crowd > 20 * alone)
        let refusals = table((0..<100).map { [source("v\($0)", "not_in")] })
        #expect(refusals.price.nanoseconds(forBytes: 64) > 20 * alone)
        let prefixes = table((0..<100).map { _ in [source("v*")] })
        #expect(prefixes.price.nanoseconds(forBytes: 64) > 20 * alone)
    }

    @Test("of a regular expression grows with its program and the text, and never overflows")
    func patterns() {
        let small = table([[source("/a/")]]).price
        let large = table([[source("/\\pL{4}/")]]).price
        #expect(large.perByte > 50 * small.perByte)
        #expect(large.nanoseconds(forBytes: 2_000) > 10 * large.nanoseconds(forBytes: 20))
        #expect(large.nanoseconds(forBytes: .max) == .max && large.nanoseconds(forBytes: -1) == large.fixed)
        let dearest = MatchPrice(fixed: .max, perByte: .max)
        #expect(dearest + dearest == dearest && dearest.nanoseconds(forBytes: 1) == .max)
    }

    @Test("of notifiers is that of the 64 dearest channels")
    func notifiers() {
        let rule = NotifierRule(
            id: Domain.NotifierID(high: 0, low: 1),
            isEnabled: true,
            changes: Set(AlertChange.allCases),
            conditions: [[source("*x*", "not_in")]]
        )
        func price(_ channels: Int) -> MatchPrice {
            NotifierDirectory(
                Dictionary(uniqueKeysWithValues: (0..<channels).map { (channel(UInt64($0)), [rule, rule]) })
            ).price
        }
        #expect(price(1).fixed == 2 * rule.price.fixed)
        #expect(price(64).fixed == 128 * rule.price.fixed && price(1_000) == price(64))
        #expect(NotifierDirectory().price == MatchPrice())
    }

    @Test("a table says which routes have conditions that no longer compile")
    func broken() {
        let table = table([[source("x")], [source("/(/")], [source("/\\pL{40}/"), source("y")]])
        #expect(table.broken == [route(1), route(2)])
    }
}
