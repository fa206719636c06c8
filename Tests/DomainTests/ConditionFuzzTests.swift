import Domain
import Foundation
import Native
import Testing

/// Random conditions and patterns, held against random alerts: none may end the process, and what they take is printed beside their price.
///
/// For a second; for `TOCSIN_FUZZ_SECONDS` when that is set, from the seed in `TOCSIN_FUZZ_SEED`.
@Suite("Conditions at random", .serialized)
struct ConditionFuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let duration = Duration.seconds(
        environment["TOCSIN_FUZZ_SECONDS"].flatMap { Int($0) } ?? 1
    )
    private static let seed = environment["TOCSIN_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1

    /// Bits of expressions: what RE2 knows, what it does not, and what makes large programs.
    private static let bits = [
        "a", "b", "ab", ".", "^", "$", "*", "+", "?", "{3}", "{2,}", "{0,40}", "{1000}", "(", ")", "(?:",
        "(?i)", "|", "[", "]",
        "[^a]", "[a-z0-9]", "\\d", "\\w", "\\pL", "\\p{Han}", "\\PN", "\\b", "\\B", "\\", "\\Q", "\\E",
        "\\x{10FFFF}", "\\C", "(a|b)*",
        "(?:a?){30}", "[ab]*a[ab]{12}", "é", "容", "𝄞", "-", "/", "\u{301}", "[[:alpha:]]", "(?P<n>a)", "\\1",
        "(?=a)", "*?",
    ]
    private static let wildcardBits = [
        "*", "*", "?", "a", "aa", "b", "é", "容", "𝄞", "ab", "\u{301}", "[", "\\",
    ]
    private static let otherValues = [
        "*", "", "literal:*", "literal:", "a", "Critical", "cidr:10.0.0.0/8", "cidr:::/0", "cidr:x",
        "num:gt:1", "num:le:1e308",
        "num:ge:nan", "num:lt:-", "/", "//", "///", "cidr:" + String(repeating: ":", count: 60),
        "num:gt:" + String(repeating: "9", count: 900),
    ]

    @Test("no condition ends the process, whatever it is held against")
    func conditions() {
        var random = SeededRandom(Self.seed)
        var (tables, tries, worst) = (0, 0, (ratio: 0.0, what: ""))
        let end = ContinuousClock.now.advanced(by: Self.duration)
        while ContinuousClock.now < end {
            let routes = (0..<Int.random(in: 1...30, using: &random)).map { Self.route($0, &random) }
            let table = RouteTable(routes)
            let rule = NotifierRule(
                id: Domain.NotifierID(high: 0, low: 1),
                isEnabled: true,
                changes: Set(AlertChange.allCases),
                conditions: routes.flatMap(\.conditions)
            )
            tables += 1
            for _ in 0..<5 {
                let subject = Self.subject(&random)
                let time = ContinuousClock().measure {
                    _ = table.matches(for: subject)
                    _ = rule.conditionsMet(by: subject)
                }
                let price = table.price + rule.price
                let nanoseconds = Double(time.components.attoseconds) / 1e9
                let ratio =
                    nanoseconds / Double(max(1, price.nanoseconds(forBytes: Self.longest(of: subject))))
                if ratio > worst.ratio { worst = (ratio, "\(time) for \(price)") }
                tries += 1
            }
        }
        #expect(tables > 0 && tries > 0)
        print("conditions at random: \(tables) tables, \(tries) alerts; most time over price: \(worst)")
    }

    @Test("an expression at random is compiled within its limits or refused, in time")
    func patterns() {
        var random = SeededRandom(Self.seed &+ 1)
        var (taken, refused, slowest) = (0, 0, Duration.zero)
        let end = ContinuousClock.now.advanced(by: Self.duration)
        while ContinuousClock.now < end {
            let source = Self.join(Self.bits, upTo: 60, &random)
            let start = ContinuousClock.now
            do {
                let pattern = try Pattern.tenants(Array(source.utf8))
                #expect((1...Pattern.Limits.programSize).contains(pattern.programSize))
                taken += 1
            } catch {
                refused += 1
            }
            slowest = max(slowest, start.duration(to: .now))
        }
        #expect(taken > 0 && refused > 0)
        print("expressions at random: \(taken) taken, \(refused) refused, the slowest in \(slowest)")
    }

    private static func route(_ number: Int, _ random: inout SeededRandom) -> Route {
        let groups = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            (0..<Int.random(in: 1...3, using: &random)).map { _ in
                ConditionSource(
                    key: Text(
                        random.pick(["severity", "title", "alert_key", "labels.a", "labels.b", "nope"])
                    ),
                    operator: random.pick(["in", "in", "in", "not_in", "of"]),
                    values: (0..<Int.random(in: 0...4, using: &random)).map { _ in value(&random) }
                )
            }
        }
        return Route(
            id: DomainTests.route(UInt64(number)),
            conditions: groups,
            target: .channels([channel(1)]),
            onMatch: random.once(in: 10) ? .stop : .continue
        )
    }

    private static func value(_ random: inout SeededRandom) -> Text {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: Text("/" + join(bits, upTo: 12, &random) + "/")
        case 1: Text(join(wildcardBits, upTo: random.once(in: 10) ? 400 : 12, &random))
        default: Text(random.pick(otherValues))
        }
    }

    private static func subject(_ random: inout SeededRandom) -> ConditionSubject {
        let signs = ["a", "a", "a", "b", "é", "容", "𝄞", "1", ".", ":", " ", "\n", "\u{301}"]
        let length = random.once(in: 4) ? 2_000 : 20
        return ConditionSubject(
            severity: random.pick(Severity.allCases),
            status: "Ok",
            title: Text(join(signs, upTo: length, &random)),
            description: "",
            alertKey: Text(
                random.pick(["10.1.2.3:80", "::1", "1e3", "-5", String(repeating: ".", count: 255)])
            ),
            labels: labels(("a", Text(join(signs, upTo: length, &random))), ("b", ""))
        )
    }

    private static func longest(of subject: ConditionSubject) -> Int {
        max(subject.title.bytes.count, subject.alertKey.bytes.count, subject.labels.byteCount)
    }

    private static func join(_ bits: [String], upTo count: Int, _ random: inout SeededRandom) -> String {
        (0..<Int.random(in: 0...count, using: &random)).reduce(into: "") { text, _ in
            text += random.pick(bits)
        }
    }
}
