import Domain

/// What a delivery keeps of the decision on each of its events, so that their traces can be told later in words.
///
///     1 byte   form: 1 = what follows is plain, 2 = it is packed; 3 and 4 = the same with what was left out; 5 and 6 = that and the notes
///     per event:
///       1 byte   1 recovery · 2 was cut · 4 candidate · 8 alias · 16 dedicated · 32 routes · 64 stopped · 128 default channels used
///       1 byte   severity
///       number   notes on reading it (`ReadingNotes`), in forms 5 and 6
///       text     alert key
///       text     title
///       text x 2 field and level of the candidate that decided, where there is one
///       text     the level that it is another word for, where there is one
///       dedicated: 16 bytes channel, 1 byte whether it is enabled
///       routes: number, that many route ids (16 bytes), number of routes, number of channels, that many channel ids; from form 3 on the
///       numbers of matched routes and of channels that were left out
///
/// A text is a number and so many bytes of UTF-8; a number is 7 bits a byte, the lowest first, the last byte below 128.
enum DecisionRecord {
    private struct Flags: OptionSet {
        let rawValue: UInt8

        static let recovery = Flags(rawValue: 1)
        static let wasCut = Flags(rawValue: 2)
        static let candidate = Flags(rawValue: 4)
        static let alias = Flags(rawValue: 8)
        static let dedicated = Flags(rawValue: 16)
        static let routes = Flags(rawValue: 32)
        static let stopped = Flags(rawValue: 64)
        static let usedDefaults = Flags(rawValue: 128)
    }

    /// Bytes from which packing is worth its time.
    private static let plainLimit = 512

    /// Encodes the decisions of a delivery.
    static func pack(_ events: some Collection<PreparedEvent>) -> [UInt8] {
        let hasOmissions = events.contains {
            $0.decision.routesOmitted > 0 || $0.decision.channelsOmitted > 0
        }
        // Whether something was cut is a flag by itself.
        let hasNotes = events.contains { !$0.event.notes.subtracting(.cut).isEmpty }
        let form: UInt8 = hasNotes ? 5 : hasOmissions ? 3 : 1
        var bytes: [UInt8] = [form]
        bytes.reserveCapacity(events.count * 128)
        for event in events { append(event, to: &bytes, form) }
        return bytes.count <= plainLimit ? bytes : [form + 1] + Packing.pack(Array(bytes[1...]))
    }

    private static func append(
        _ prepared: PreparedEvent,
        to bytes: inout [UInt8],
        _ form: UInt8
    ) {
        let (event, decision) = (prepared.event, prepared.decision)
        let verdict = decision.severity
        bytes.append(flags(of: prepared).rawValue)
        bytes.append(verdict.severity.rawValue)
        if form >= 5 { bytes.append(number: Int(event.notes.rawValue)) }
        bytes.append(text: event.alertKey)
        bytes.append(text: event.title)
        if let candidate = verdict.candidate {
            bytes.append(text: Text(candidate.field))
            bytes.append(text: candidate.level)
        }
        if let alias = verdict.alias { bytes.append(text: alias) }
        switch decision.routing {
        case .recovery: break
        case .dedicated(let channel):
            bytes.append(id: channel)
            bytes.append(decision.channels.isEmpty ? 0 : 1)
        case .routes(let matched, let count, _, _):
            bytes.append(number: matched.count)
            for route in matched { bytes.append(id: route) }
            bytes.append(number: count)
            bytes.append(number: decision.channels.count)
            for channel in decision.channels { bytes.append(id: channel) }
            guard form >= 3 else { return }
            bytes.append(number: decision.routesOmitted)
            bytes.append(number: decision.channelsOmitted)
        }
    }

    private static func flags(of prepared: PreparedEvent) -> Flags {
        let (event, decision) = (prepared.event, prepared.decision)
        var flags: Flags = []
        if event.isRecovery { flags.insert(.recovery) }
        if event.notes.contains(.cut) { flags.insert(.wasCut) }
        if decision.severity.candidate != nil { flags.insert(.candidate) }
        if decision.severity.alias != nil { flags.insert(.alias) }
        switch decision.routing {
        case .recovery: break
        case .dedicated: flags.insert(.dedicated)
        case .routes(_, _, let stopped, let usedDefaults):
            flags.insert(.routes)
            if stopped { flags.insert(.stopped) }
            if usedDefaults { flags.insert(.usedDefaults) }
        }
        return flags
    }

    /// Reads what `pack` made, together with the outcomes of the same delivery; nil when it is damaged.
    static func unpack(_ bytes: [UInt8], outcomes: [EventOutcome]) -> [EventResult]? {
        var rest = ByteReader(bytes)
        guard let form = rest.byte() else { return nil }
        switch form {
        case 1, 3, 5: break
        case 2, 4, 6:
            guard let plain = Packing.unpack(Array(bytes[1...])) else { return nil }
            rest = ByteReader(plain)
        default: return nil
        }
        var results: [EventResult] = []
        for outcome in outcomes {
            guard let result = result(&rest, outcome, form) else { return nil }
            results.append(result)
        }
        return rest.isAtEnd ? results : nil
    }

    private static func result(
        _ rest: inout ByteReader,
        _ outcome: EventOutcome,
        _ form: UInt8
    ) -> EventResult? {
        guard let bits = rest.byte(), let code = rest.byte(), let severity = Severity(rawValue: code),
            let notes = form >= 5 ? rest.number() : 0, let key = rest.text(), let title = rest.text()
        else { return nil }
        let flags = Flags(rawValue: bits)
        var candidate: SeverityCandidate?
        if flags.contains(.candidate) {
            guard let field = rest.text(), let level = rest.text() else { return nil }
            candidate = SeverityCandidate(field: field.string, level: level)
        }
        let alias = flags.contains(.alias) ? rest.text() : nil
        guard let (routing, channels) = routing(&rest, flags) else { return nil }
        var (routesOmitted, channelsOmitted) = (0, 0)
        if form >= 3, flags.contains(.routes) {
            guard let routes = rest.number(), let channels = rest.number() else { return nil }
            (routesOmitted, channelsOmitted) = (routes, channels)
        }
        var reading = ReadingNotes(rawValue: UInt32(truncatingIfNeeded: notes))
        if flags.contains(.wasCut) { reading.insert(.cut) }
        let verdict = SeverityVerdict(
            severity: severity,
            candidate: candidate,
            alias: alias,
            meansRecovery: !reading.isDisjoint(with: [.recoveryByTable, .recoveryLevel])
        )
        return EventResult(
            alertKey: key,
            title: title,
            isRecovery: flags.contains(.recovery),
            notes: reading,
            decision: Decision(
                severity: verdict,
                routing: routing,
                channels: channels,
                routesOmitted: routesOmitted,
                channelsOmitted: channelsOmitted
            ),
            outcome: outcome
        )
    }

    private static func routing(
        _ rest: inout ByteReader,
        _ flags: Flags
    ) -> (Decision.Routing, [ChannelID])? {
        if flags.contains(.dedicated) {
            guard let channel: ChannelID = rest.id(), let isEnabled = rest.byte() else { return nil }
            return (.dedicated(channel), isEnabled == 1 ? [channel] : [])
        }
        guard flags.contains(.routes) else { return (.recovery, []) }
        guard let matched: [RouteID] = rest.ids(), let count = rest.number(),
            let channels: [ChannelID] = rest.ids()
        else { return nil }
        let routing = Decision.Routing.routes(
            matched: matched,
            of: count,
            stopped: flags.contains(.stopped),
            usedDefaults: flags.contains(.usedDefaults)
        )
        return (routing, channels)
    }
}

extension [UInt8] {
    /// Appends a number, 7 bits a byte, the lowest first.
    fileprivate mutating func append(number: Int) {
        var rest = UInt(number)
        while rest > 127 {
            append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    fileprivate mutating func append(text: Text) {
        append(number: text.bytes.count)
        self += text.bytes
    }

    fileprivate mutating func append<Kind>(id: Identifier<Kind>) {
        appendBigEndian(id.high, count: 8)
        appendBigEndian(id.low, count: 8)
    }
}

/// Reads bytes from front to back; every read answers nil when there are too few.
private struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        position += 1
        return bytes[position - 1]
    }

    mutating func number() -> Int? {
        var number = 0
        for shift in stride(from: 0, to: 56, by: 7) {
            guard let byte = byte() else { return nil }
            number |= Int(byte & 127) << shift
            if byte < 128 { return number }
        }
        return nil
    }

    mutating func text() -> Text? {
        guard let count = number(), let slice = slice(count) else { return nil }
        return Text(trusted: Array(slice))
    }

    mutating func id<Kind>() -> Identifier<Kind>? {
        slice(16).flatMap { Identifier<Kind>(bytes: $0) }
    }

    mutating func ids<Kind>() -> [Identifier<Kind>]? {
        guard let count = number(), count <= (bytes.count - position) / 16 else { return nil }
        return (0..<count).compactMap { _ in id() }
    }

    private mutating func slice(_ count: Int) -> ArraySlice<UInt8>? {
        guard count <= bytes.count - position else { return nil }
        position += count
        return bytes[position - count..<position]
    }
}
