import Domain
import Native

/// What a delivery keeps of the decision on each of its events, so that their traces can be told later in words.
///
/// A packed JSON array, in the order of the events, of objects with short names:
/// `k` alert key, `t` title, `v` severity (1..3), `r` is a recovery, `x` was cut, `f` and `l` field and level of the candidate that
/// decided (absent: guessed), `a` the level it is another word for, and the routing: `d` dedicated channel, or `m` matched routes, `n`
/// of how many, `s` stopped, `u` default channels used; neither for a recovery. `c` the channels.
enum DecisionRecord {
    /// Packs the decisions of a delivery.
    static func pack(_ events: [PreparedEvent]) -> [UInt8] {
        Packing.pack(
            JSONWriter.encode(capacity: events.count * 192) { writer in
                writer.array { list in
                    for event in events { list.object { write(event, &$0) } }
                }
            }
        )
    }

    private static func write(_ prepared: PreparedEvent, _ object: inout JSONWriter) {
        let (event, decision) = (prepared.event, prepared.decision)
        object.field("k", utf8: event.alertKey.bytes)
        object.field("t", utf8: event.title.bytes)
        object.field("v", Int(decision.severity.severity.rawValue))
        if event.isRecovery { object.field("r", true) }
        if event.wasCut { object.field("x", true) }
        if let candidate = decision.severity.candidate {
            object.field("f", candidate.field)
            object.field("l", utf8: candidate.level.bytes)
        }
        if let alias = decision.severity.alias { object.field("a", utf8: alias.bytes) }
        switch decision.routing {
        case .recovery: return
        case .dedicated(let channel): object.field("d", channel.description)
        case .routes(let matched, let count, let stopped, let usedDefaults):
            object.array("m") { list in for route in matched { list.value(route.description) } }
            object.field("n", count)
            if stopped { object.field("s", true) }
            if usedDefaults { object.field("u", true) }
        }
        object.array("c") { list in for channel in decision.channels { list.value(channel.description) } }
    }

    /// Reads what `pack` made, together with the outcomes of the same delivery; nil when it is damaged.
    static func unpack(_ bytes: [UInt8], outcomes: [EventOutcome]) -> [EventResult]? {
        guard let json = Packing.unpack(bytes) else { return nil }
        return PackedJSON.read(json) { root in
            var results: [EventResult] = []
            for (element, outcome) in zip(root.elements, outcomes) {
                guard let result = read(element, outcome) else { return nil }
                results.append(result)
            }
            return results
        }
    }

    private static func read(_ object: JSONValue, _ outcome: EventOutcome) -> EventResult? {
        guard let key = PackedJSON.text(object, "k"), let title = PackedJSON.text(object, "t"),
            let code = object.member("v")?.int64Value.flatMap({ UInt8(exactly: $0) }),
            let severity = Severity(rawValue: code)
        else { return nil }
        var candidate: SeverityCandidate?
        if let field = PackedJSON.text(object, "f"), let level = PackedJSON.text(object, "l") {
            candidate = SeverityCandidate(field: field.string, level: level)
        }
        let verdict = SeverityVerdict(
            severity: severity,
            candidate: candidate,
            alias: PackedJSON.text(object, "a")
        )
        let decision = Decision(
            severity: verdict,
            routing: routing(object),
            channels: identifiers(object.member("c"))
        )
        return EventResult(
            alertKey: key,
            title: title,
            isRecovery: object.member("r") != nil,
            wasCut: object.member("x") != nil,
            decision: decision,
            outcome: outcome
        )
    }

    private static func routing(_ object: JSONValue) -> Decision.Routing {
        if let channel = PackedJSON.text(object, "d").flatMap({ ChannelID($0.string) }) {
            return .dedicated(channel)
        }
        guard let matched = object.member("m") else { return .recovery }
        return .routes(
            matched: identifiers(matched),
            of: Int(object.member("n")?.int64Value ?? 0),
            stopped: object.member("s") != nil,
            usedDefaults: object.member("u") != nil
        )
    }

    private static func identifiers<Kind>(_ list: JSONValue?) -> [Identifier<Kind>] {
        list?.elements.compactMap { $0.string.flatMap { Identifier<Kind>($0.text) } } ?? []
    }
}
