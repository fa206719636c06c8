import Domain
import Testing

@Suite("Pipeline")
struct PipelineTests {
    /// Channels 1 to 4; 3 is disabled, 9 does not exist.
    private static let channels = ChannelDirectory([
        (channel(1), "Payments", true), (channel(2), "Ops", true), (channel(3), "Old", false),
        (channel(4), "支付", true),
    ])

    private func decide(
        _ event: DecodedEvent,
        _ routing: IntegrationSnapshot.Routing,
        tables: [IntegrationType: SeverityTable] = [:],
        override: RouteTable? = nil
    ) -> Decision {
        let integration = IntegrationSnapshot(
            id: integration(1),
            number: IntegrationNumber(1),
            type: IntegrationType("aliyun-arms"),
            isEnabled: true,
            rateLimit: .standard,
            routing: routing,
            credentials: []
        )
        let account = AccountSnapshot(
            id: AccountID(high: 1, low: 1),
            number: AccountNumber(1),
            revision: Revision(1),
            isActive: true,
            storedBytesLimit: 1,
            channels: Self.channels,
            integrations: [integration.number: integration],
            severityTables: tables
        )
        return Pipeline.decide(
            event,
            integration: integration,
            account: account,
            vocabulary: armsVocabulary,
            routes: override
        )
    }

    /// Routes to the channels of each target, in order, all for every event; `stop` is the position of the one that stops.
    private func table(_ targets: [Route.Target], stop: Int? = nil) -> RouteTable {
        RouteTable(
            targets.enumerated().map { index, target in
                Route(
                    id: route(UInt64(index)),
                    conditions: [],
                    target: target,
                    onMatch: index == stop ? .stop : .continue
                )
            }
        )
    }

    private static func to(_ numbers: UInt64...) -> Route.Target { .channels(numbers.map(channel)) }

    @Suite("dedicated")
    struct Dedicated {
        @Test(
            "a firing event goes to the integration's channel when it is enabled",
            arguments: [(1, [1]), (3, []), (9, [])] as [(UInt64, [UInt64])]
        )
        func firing(own: UInt64, result: [UInt64]) {
            let decision = PipelineTests().decide(event(), .dedicated(channel(own)))
            #expect(decision.channels == result.map(channel))
        }

        @Test("it says how the channel was found")
        func routing() {
            #expect(PipelineTests().decide(event(), .dedicated(channel(3))).routing == .dedicated(channel(3)))
        }
    }

    @Suite("shared")
    struct Shared {
        private let defaults = [2, 3].map(channel)

        @Test(
            "the channels are the union of all matching routes, each once, without disabled and deleted ones",
            arguments: [
                ([to(1)], nil, [1]), ([to(2, 1), to(1, 4)], nil, [2, 1, 4]), ([to(1), to(2)], 0, [1]),
                ([to(1), to(2), to(4)], 1, [1, 2]), ([to(3), to(1)], nil, [1]), ([to(9, 1)], nil, [1]),
                ([to(1, 1)], nil, [1]),
            ] as [([Route.Target], Int?, [UInt64])]
        )
        func union(targets: [Route.Target], stop: Int?, result: [UInt64]) {
            let table = PipelineTests().table(targets, stop: stop)
            let decision = PipelineTests().decide(event(), .shared(table, defaults: defaults))
            #expect(decision.channels == result.map(channel))
        }

        @Test(
            "the default channels serve when no route yields an enabled one",
            arguments: [
                ([], nil, [2, 3], [2]), ([to(3)], nil, [2], [2]), ([to(3), to(1)], 0, [2], [2]),
                ([to(9)], nil, [4, 1], [4, 1]),
                ([], nil, [], []), ([to(3)], nil, [3, 9], []), ([], nil, [2, 2], [2]),
            ] as [([Route.Target], Int?, [UInt64], [UInt64])]
        )
        func defaultChannels(targets: [Route.Target], stop: Int?, defaults: [UInt64], result: [UInt64]) {
            let table = PipelineTests().table(targets, stop: stop)
            let decision = PipelineTests().decide(event(), .shared(table, defaults: defaults.map(channel)))
            #expect(decision.channels == result.map(channel))
        }

        @Test(
            "name mapping goes to the channel whose name equals the label",
            arguments: [
                (labels(("team", "Payments")), [1]), (labels(("team", "支付")), [4]),
                (labels(("team", "payments")), [2]),
                (labels(("team", "Payments ")), [2]), (labels(("team", "Old")), [2]),
                (labels(("team", "")), [2]),
                (labels(("crew", "Payments")), [2]), (labels(), [2]),
            ] as [(Labels, [UInt64])]
        )
        func nameMapping(labels: Labels, result: [UInt64]) {
            let table = PipelineTests().table([.channelNamed(byLabel: "team")])
            let decision = PipelineTests().decide(
                event(labels: labels),
                .shared(table, defaults: [channel(2)])
            )
            #expect(decision.channels == result.map(channel))
        }

        @Test(
            "it says which routes matched, whether one stopped and whether the defaults served",
            arguments: [
                ([], nil, [], false, true), ([to(1), to(2)], nil, [0, 1], false, false),
                ([to(1), to(2), to(4)], 1, [0, 1], true, false), ([to(3)], 0, [0], true, true),
            ] as [([Route.Target], Int?, [UInt64], Bool, Bool)]
        )
        func routing(
            targets: [Route.Target],
            stop: Int?,
            matched: [UInt64],
            stopped: Bool,
            usedDefaults: Bool
        ) {
            let table = PipelineTests().table(targets, stop: stop)
            let decision = PipelineTests().decide(event(), .shared(table, defaults: defaults))
            let expected = Decision.Routing.routes(
                matched: matched.map(route),
                of: targets.count,
                stopped: stopped,
                usedDefaults: usedDefaults
            )
            #expect(decision.routing == expected)
        }

        @Test(
            "conditions see the event",
            arguments: [
                ("severity", "Critical"), ("title", "CPU high"), ("description", "d"), ("alert_key", "cpu"),
                ("labels.env", "prod"),
            ] as [(Text, Text)]
        )
        func conditions(key: Text, value: Text) {
            let conditions = [[ConditionSource(key: key, operator: "in", values: [value])]]
            let table = RouteTable([
                Route(id: route(1), conditions: conditions, target: to(1), onMatch: .stop)
            ])
            let firing = event(
                description: "d",
                labels: labels(("env", "prod")),
                levels: [.init(field: "severity", level: "P1")]
            )
            #expect(PipelineTests().decide(firing, .shared(table, defaults: [])).channels == [channel(1)])
        }

        @Test("routes that are given instead are asked instead")
        func override() {
            let decision = PipelineTests().decide(
                event(),
                .shared(PipelineTests().table([to(1)]), defaults: []),
                override: PipelineTests().table([to(2)])
            )
            #expect(decision.channels == [channel(2)])
        }
    }

    @Test(
        "a recovery asks no route",
        arguments: [
            IntegrationSnapshot.Routing.dedicated(channel(1)),
            .shared(RouteTable([]), defaults: [channel(2)]),
        ]
    )
    func recovery(routing: IntegrationSnapshot.Routing) {
        let levels = [SeverityCandidate(field: "severity", level: "critical")]
        let decision = decide(event(isRecovery: true, levels: levels), routing)
        let severity = SeverityVerdict(severity: .critical, candidate: levels[0], alias: "p1")
        #expect(decision == Decision(severity: severity, routing: .recovery, channels: []))
    }

    @Test(
        "the severity comes from the account's table for the type, else from the default",
        arguments: [("aliyun-arms", .info), ("prometheus", .critical)] as [(String, Severity)]
    )
    func ownTable(type: String, severity: Severity) {
        let table = SeverityTable(entries: [.init(level: "P1", severity: .info)], fallback: .warning)
        let firing = event(levels: [.init(field: "severity", level: "P1")])
        let decision = decide(firing, .dedicated(channel(1)), tables: [IntegrationType(type): table])
        #expect(decision.severity.severity == severity)
    }
}

@Suite("Decision trace")
struct DecisionTraceTests {
    private func sentences(_ decision: Decision, wasCut: Bool = false) -> [String] {
        decision.trace(notes: wasCut ? .cut : []).map { "\($0.stage): \($0.detail)" }
    }

    private static func decision(
        _ routing: Decision.Routing,
        _ channels: [UInt64] = [],
        severity: SeverityVerdict = verdict(.warning)
    ) -> Decision {
        Decision(severity: severity, routing: routing, channels: channels.map(channel))
    }

    @Test(
        "says how the severity was found",
        arguments: [
            (verdict(.warning), ["fallback", "Warning"]),
            (
                SeverityVerdict(
                    severity: .critical,
                    candidate: .init(field: "severity", level: "critical"),
                    alias: "p1"
                ),
                ["severity \"critical\"", "P1", "Critical"]
            ),
            (
                SeverityVerdict(severity: .info, candidate: .init(field: "level", level: "P4"), alias: nil),
                ["level \"P4\"", "Info"]
            ),
        ]
    )
    func severity(verdict: SeverityVerdict, parts: [String]) {
        let sentence = sentences(Self.decision(.recovery, severity: verdict))[0]
        #expect(parts.allSatisfy { sentence.contains($0) })
    }

    @Test(
        "says how the channels were found",
        arguments: [
            (decision(.dedicated(channel(1)), [1]), "route: the integration belongs to this channel"),
            (decision(.dedicated(channel(1))), "route: the integration's channel is disabled"),
            (
                decision(.recovery),
                "route: a recovery goes to every open alert with its key, whatever the routes say"
            ),
            (
                decision(.routes(matched: [route(1)], of: 3, stopped: false, usedDefaults: false), [1]),
                "route: 1 of 3 routes matched"
            ),
            (
                decision(
                    .routes(matched: [route(1), route(2)], of: 2, stopped: true, usedDefaults: false),
                    [1]
                ),
                "route: 2 of 2 routes matched, the last one said stop"
            ),
            (
                decision(.routes(matched: [], of: 0, stopped: false, usedDefaults: true), [2]),
                "route: 0 of 0 routes matched; the default channels get it"
            ),
            (
                decision(.routes(matched: [], of: 5, stopped: false, usedDefaults: true)),
                "route: 0 of 5 routes matched; no default channel is enabled"
            ),
        ]
    )
    func routing(decision: Decision, sentence: String) {
        #expect(sentences(decision).last == sentence)
    }

    @Test("names the routes that matched")
    func routeIDs() {
        let ids = [route(1), route(2)]
        let steps = Self.decision(.routes(matched: ids, of: 9, stopped: false, usedDefaults: false), [1])
            .trace(notes: [])
        #expect(steps.last?.routeIDs == ids.map(\.description))
    }

    @Test(
        "says first that something was cut, when it was",
        arguments: [(true, .decode), (false, .severity)] as [(Bool, TraceStep.Stage)]
    )
    func cut(wasCut: Bool, first: TraceStep.Stage) {
        #expect(Self.decision(.recovery).trace(notes: wasCut ? .cut : []).first?.stage == first)
    }

    @Test("of an event goes from decoding to the outcome in each channel")
    func wholeEvent() {
        let outcome = EventOutcome(
            channels: [
                .init(channelID: channel(1), alertID: alert(1), outcome: .opened, reason: .noOpenAlert),
                .init(channelID: channel(2), alertID: alert(2), outcome: .duplicate, reason: .unchanged),
            ],
            whenEmpty: .noChannel
        )
        let result = EventResult(
            alertKey: "k",
            title: "t",
            isRecovery: false,
            notes: .cut,
            decision: Self.decision(.dedicated(channel(1)), [1]),
            outcome: outcome
        )
        #expect(result.trace.map(\.stage) == [.decode, .severity, .route, .reduce, .reduce])
    }

    @Test("names channel, alert and outcome of each reduction")
    func reductions() {
        let outcome = EventOutcome(
            channels: [
                .init(channelID: channel(1), alertID: alert(1), outcome: .opened, reason: .noOpenAlert)
            ],
            whenEmpty: .noChannel
        )
        let step = TraceStep(
            .reduce,
            ReductionReason.noOpenAlert.detail,
            channelID: channel(1),
            alertID: alert(1),
            outcome: .opened
        )
        #expect(outcome.trace == [step])
    }

    @Test(
        "says why there is no channel",
        arguments: [(.noChannel, .unrouted), (.neverSeen, .ignored)] as [(ReductionReason, Outcome)]
    )
    func noChannels(reason: ReductionReason, outcome: Outcome) {
        let trace = EventOutcome(channels: [], whenEmpty: reason).trace
        #expect(trace == [TraceStep(.reduce, reason.detail, outcome: outcome)])
    }

    @Test("every reason has a sentence of its own")
    func sentencesDiffer() {
        let reasons = (UInt8.min...UInt8.max).compactMap(ReductionReason.init(rawValue:))
        #expect(Set(reasons.map(\.detail)).count == reasons.count)
    }

    @Test(
        "the status of an event is its severity, of a recovery Ok",
        arguments: [(false, "Critical"), (true, "Ok")]
    )
    func status(isRecovery: Bool, status: String) {
        let result = EventResult(
            alertKey: "k",
            title: "t",
            isRecovery: isRecovery,
            notes: [],
            decision: Self.decision(.recovery, severity: verdict(.critical)),
            outcome: EventOutcome(channels: [], whenEmpty: .neverSeen)
        )
        #expect(result.status == status)
    }
}
