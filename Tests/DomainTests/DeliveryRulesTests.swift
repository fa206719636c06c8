import Domain
import Testing

@Suite("When a message is tried again")
struct RetryScheduleTests {
    @Test(
        "each pause is the schedule's, give or take a fifth",
        arguments: zip(1...10, [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as [Int64])
    )
    func pauses(attempts: Int, pause: Int64) throws {
        var random = SeededRandom(7)
        var seen: Set<Int64> = []
        for _ in 0..<200 {
            let next = try #require(
                RetrySchedule.next(after: attempts, at: at(0), asked: nil, random: &random)
            )
            let waited = next.milliseconds - at(0).milliseconds
            #expect((pause * 800...pause * 1_200).contains(waited))
            seen.insert(waited)
        }
        #expect(seen.count > 50)
    }

    @Test("after eleven attempts it is given up")
    func end() {
        var random = SeededRandom(1)
        #expect(RetrySchedule.next(after: 11, at: at(0), asked: nil, random: &random) == nil)
    }

    @Test(
        "what the receiver asks for counts when it is longer, within bounds",
        arguments: [(0, 4...6), (60, 60...60), (1_000_000, 3_600...3_600)] as [(Int64, ClosedRange<Int64>)]
    )
    func asked(seconds: Int64, expected: ClosedRange<Int64>) throws {
        var random = SeededRandom(3)
        let next = try #require(RetrySchedule.next(after: 1, at: at(0), asked: seconds, random: &random))
        let milliseconds = next.milliseconds - at(0).milliseconds
        #expect((expected.lowerBound * 1_000...expected.upperBound * 1_000).contains(milliseconds))
    }
}

@Suite("The breaker of a receiver")
struct EndpointBreakerTests {
    @Test("ten failures in a row open it, nine do not")
    func opens() {
        var breaker = EndpointBreaker()
        for _ in 0..<9 { breaker.failed(at: at(0)) }
        #expect(breaker.allowance(at: at(0)) == .all)
        breaker.failed(at: at(0))
        #expect(breaker.allowance(at: at(0)) == .none(until: at(30)))
    }

    @Test("what was on its way when it opened does not make the pause longer")
    func stragglers() {
        var breaker = EndpointBreaker()
        for _ in 0..<13 { breaker.failed(at: at(0)) }
        #expect(breaker.allowance(at: at(0)) == .none(until: at(30)))
    }

    @Test("seven of ten failing within a minute open it, though some succeed")
    func rate() {
        var breaker = EndpointBreaker()
        for number in 0..<20 {
            if number % 10 < 3 { breaker.succeeded(at: at(0)) } else { breaker.failed(at: at(0)) }
        }
        #expect(breaker.allowance(at: at(1)) == .none(until: at(30)))
    }

    @Test("half of them failing does not open it")
    func half() {
        var breaker = EndpointBreaker()
        for number in 0..<100 {
            if number.isMultiple(of: 2) { breaker.succeeded(at: at(0)) } else { breaker.failed(at: at(0)) }
        }
        #expect(breaker.allowance(at: at(0)) == .all)
    }

    @Test("one try after the pause: it closes the breaker or doubles the pause, up to ten minutes")
    func probes() {
        var breaker = EndpointBreaker()
        for _ in 0..<10 { breaker.failed(at: at(0)) }
        var now: Int64 = 30
        for pause in [60, 120, 240, 480, 600, 600] as [Int64] {
            #expect(breaker.allowance(at: at(now)) == .one)
            breaker.failed(at: at(now))
            #expect(breaker.allowance(at: at(now)) == .none(until: at(now + pause)))
            now += pause
        }
        breaker.succeeded(at: at(now))
        #expect(breaker.allowance(at: at(now)) == .all)
    }

    @Test("a receiver that asks for a pause gets it")
    func asked() {
        var breaker = EndpointBreaker()
        breaker.failed(at: at(0), retryAfter: 90)
        #expect(breaker.allowance(at: at(89)) == .none(until: at(90)))
        #expect(breaker.allowance(at: at(90)) == .all)
    }
}

@Suite("The storm gauge")
struct StormGaugeTests {
    @Test("up to the limit within a minute everything is told one by one")
    func calm() {
        var gauge = StormGauge(limit: 2)
        #expect(gauge.advice(waiting: 2, at: at(0)) == .single(2))
        gauge.told(at: at(0))
        gauge.told(at: at(1))
        #expect(gauge.advice(waiting: 1, at: at(60)) == .single(1))
    }

    @Test("a digest ten seconds after the first that is held, then every minute while more comes than fits")
    func storm() {
        var gauge = StormGauge(limit: 3)
        #expect(gauge.advice(waiting: 9, at: at(0)) == .single(2))
        for _ in 0..<2 { gauge.told(at: at(0)) }
        #expect(gauge.advice(waiting: 7, at: at(0)) == .hold(until: at(10)))
        #expect(gauge.advice(waiting: 9, at: at(9)) == .hold(until: at(10)))
        #expect(gauge.advice(waiting: 9, at: at(10)) == .digest)
        gauge.digested(at: at(10))
        gauge.told(at: at(10))
        #expect(gauge.advice(waiting: 1, at: at(20)) == .hold(until: at(70)))
        #expect(gauge.advice(waiting: 30, at: at(70)) == .digest)
        gauge.digested(at: at(70))
        gauge.told(at: at(70))
        #expect(gauge.advice(waiting: 2, at: at(130)) == .single(2))
        #expect(gauge.advice(waiting: 2, at: at(131)) == .single(2))
    }

    @Test("changes that come one after the other: the first too many waits until there is room")
    func trickle() {
        var gauge = StormGauge(limit: 2)
        for second in [0, 5] as [Int64] {
            #expect(gauge.advice(waiting: 1, at: at(second)) == .single(1))
            gauge.told(at: at(second))
        }
        #expect(gauge.advice(waiting: 1, at: at(9)) == .hold(until: at(19)))
        #expect(gauge.advice(waiting: 2, at: at(19)) == .hold(until: at(60)))
        #expect(gauge.advice(waiting: 2, at: at(60)) == .digest)
    }

    @Test("a clock that goes back holds nothing for longer than a minute")
    func clock() {
        var gauge = StormGauge(limit: 1)
        gauge.told(at: at(0))
        #expect(gauge.advice(waiting: 5, at: at(1)) == .hold(until: at(11)))
        #expect(gauge.advice(waiting: 5, at: at(-3_600)) == .digest)
    }
}

@Suite("Who hears of a change")
struct NotifierRuleTests {
    private static let critical = [
        [ConditionSource(key: "severity", operator: "in", values: ["Critical"])]
    ]

    private func rule(
        _ number: UInt64 = 1,
        isEnabled: Bool = true,
        changes: Set<AlertChange> = Set(AlertChange.allCases),
        conditions: [[ConditionSource]] = []
    ) -> NotifierRule {
        NotifierRule(
            id: NotifierID(high: number << 16, low: 1),
            isEnabled: isEnabled,
            changes: changes,
            conditions: conditions
        )
    }

    private func subject(_ severity: Severity, status: Text) -> ConditionSubject {
        ConditionSubject(
            severity: severity,
            status: status,
            title: "CPU high",
            description: "",
            alertKey: "k",
            labels: labels(("team", "db"))
        )
    }

    @Test("without conditions everything is told")
    func everything() {
        #expect(rule().verdict(on: .opened, by: subject(.info, status: "Info")) == .told)
    }

    @Test(
        "one that is disabled, or does not want the change, or whose conditions are not met is not told, and why"
    )
    func refusals() {
        let info = subject(.info, status: "Info")
        #expect(rule(isEnabled: false).verdict(on: .opened, by: info) == .notifierDisabled)
        #expect(rule(changes: [.recovered]).verdict(on: .opened, by: info) == .changeNotWanted)
        #expect(rule(conditions: Self.critical).verdict(on: .opened, by: info) == .conditionsNotMet)
    }

    @Test("the status can be asked for: what is met while it fires, and once it is over")
    func status() {
        func met(_ value: Text) -> ConditionsMet {
            rule(conditions: [[ConditionSource(key: "status", operator: "in", values: [value])]])
                .conditionsMet(by: subject(.critical, status: "Critical"))
        }
        #expect(met("Ok") == .ended)
        #expect(met("Critical") == .firing)
        #expect(rule(conditions: Self.critical).conditionsMet(by: subject(.info, status: "Info")) == [])
        #expect(rule().conditionsMet(by: subject(.info, status: "Info")) == .both)
    }

    @Test("who was told of a firing hears of the end, whatever the conditions say by then")
    func hearing() {
        let rules = [rule(conditions: Self.critical), rule(2)]
        var hearing = Hearing.nobody
        #expect(!hearing.includes(rules[0]))
        #expect(hearing.includes(rules[1]))
        hearing = hearing.after([.told, .told], of: rules, met: [.both, .both])
        #expect(hearing.includes(rules[0]))
        hearing = hearing.after([.conditionsNotMet, .told], of: rules, met: [[], .both])
        #expect(hearing.includes(rules[0]))
    }

    @Test("who was not told hears of the end when the alert met the conditions as it last fired")
    func hearingOfTheEndAlone() {
        let rules = [rule(changes: [.recovered], conditions: Self.critical)]
        let met = Hearing.nobody.after([.changeNotWanted], of: rules, met: [.both])
        #expect(met.includes(rules[0]))
        #expect(!met.after(nil, of: rules, met: [[]]).includes(rules[0]))
        #expect(met.after(nil, of: rules, met: [.ended]).includes(rules[0]))
    }

    @Test("of an alert from before it was noted everybody hears the end")
    func hearingUnknown() {
        let rules = [rule(conditions: Self.critical)]
        let unknown = Hearing(bytes: nil)
        #expect(unknown.includes(rules[0]))
        #expect(unknown.after([.conditionsNotMet], of: rules, met: [[]]).includes(rules[0]))
    }

    @Test("routes can't ask for the status")
    func routesCannot() {
        var errors = ValidationErrors()
        let source = ConditionSource(key: "status", operator: "in", values: ["Ok"])
        #expect(source.compiled(at: "", errors: &errors) == nil)
        #expect(errors.items.map(\.pointer) == ["/key"])
    }

    @Test("tellings are read as they were written; anything else is not read")
    func tellings() {
        let tellings = Telling.Verdict.allCases.map { verdict in
            Telling(
                channelID: channel(3),
                notifierID: NotifierID(high: 5 << 16, low: 6),
                verdict: verdict,
                notificationID: verdict == .told ? NotificationID(high: 7 << 16, low: 8) : nil
            )
        }
        let bytes = Telling.encode(tellings)
        #expect(Telling.decode(bytes) == tellings)
        #expect(Telling.decode(Array(bytes.dropLast())) == nil)
        #expect(Telling.decode([2] + bytes.dropFirst()) == nil)
        #expect(Telling.decode([]) == nil)
    }
}

extension NotifierRule {
    /// The verdict on a change that leaves an alert as `subject`, asked at once.
    fileprivate func verdict(on change: AlertChange, by subject: ConditionSubject) -> Telling.Verdict {
        verdict(on: change, isMet: conditionsMet(by: subject).contains(.firing))
    }
}
