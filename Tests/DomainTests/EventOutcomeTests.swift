import Domain
import Testing

@Suite("EventOutcome")
struct EventOutcomeTests {
    private static let empty = EventOutcome(channels: [], whenEmpty: .noChannel)
    private static let ignored = EventOutcome(channels: [], whenEmpty: .neverSeen)
    private static let several = EventOutcome(
        channels: [
            .init(channelID: channel(1), alertID: alert(1), outcome: .opened, reason: .noOpenAlert),
            .init(channelID: channel(2), alertID: nil, outcome: .ignored, reason: .lateCopy),
        ],
        whenEmpty: .noChannel
    )

    @Test(
        "survives its stored form",
        arguments: [[], [empty], [ignored], [several], [several, empty, ignored, several]]
    )
    func roundTrip(outcomes: [EventOutcome]) {
        #expect(EventOutcome.decode(EventOutcome.encode(outcomes)) == outcomes)
    }

    @Test("1,000 random lists survive their stored form")
    func randomRoundTrips() {
        var random = SeededRandom(1)
        let reasons = (UInt8.min...UInt8.max).compactMap(ReductionReason.init(rawValue:))
        let failures = (0..<1_000).filter { _ in
            let outcomes = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                let channels = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                    EventOutcome.InChannel(
                        channelID: ChannelID(high: random.next(), low: random.next()),
                        alertID: random.once(in: 3) ? nil : AlertID(high: random.next(), low: random.next()),
                        outcome: random.pick(Outcome.allCases),
                        reason: random.pick(reasons)
                    )
                }
                return EventOutcome(channels: channels, whenEmpty: random.pick(reasons))
            }
            return EventOutcome.decode(EventOutcome.encode(outcomes)) != outcomes
        }
        #expect(failures.isEmpty)
    }

    @Test("300 channels survive")
    func manyChannels() {
        let channels = (0..<300).map {
            EventOutcome.InChannel(
                channelID: channel($0),
                alertID: alert($0),
                outcome: .opened,
                reason: .noOpenAlert
            )
        }
        let outcomes = [EventOutcome(channels: channels, whenEmpty: .noChannel)]
        #expect(EventOutcome.decode(EventOutcome.encode(outcomes)) == outcomes)
    }

    @Test("bytes that were cut are refused", arguments: Array(2..<EventOutcome.encode([several]).count) + [0])
    func cut(count: Int) {
        #expect(EventOutcome.decode(Array(EventOutcome.encode([Self.several]).prefix(count))) == nil)
    }

    @Test("bytes after the end are refused", arguments: [[0], [1], [9, 0], [9, 0, 1]] as [[UInt8]])
    func longer(tail: [UInt8]) {
        #expect(EventOutcome.decode(EventOutcome.encode([Self.several]) + tail) == nil)
    }

    @Test(
        "unknown version, reason, outcome and impossible counts are refused",
        arguments: [
            (0, 0), (0, 2), (1, 0), (1, 255), (2, 255), (3, 3), (36, 6), (36, 255), (37, 0), (37, 12),
        ] as [(Int, UInt8)]
    )
    func damaged(offset: Int, byte: UInt8) {
        var bytes = EventOutcome.encode([Self.several])
        bytes[offset] = byte
        #expect(EventOutcome.decode(bytes) == nil)
    }

    @Test("the stored form is the one that is described")
    func layout() {
        let one = EventOutcome(
            channels: [.init(channelID: channel(1), alertID: nil, outcome: .opened, reason: .noOpenAlert)],
            whenEmpty: .noChannel
        )
        let expected: [UInt8] = [1, 9, 0, 1] + channel(1).bytes + [UInt8](repeating: 0, count: 16) + [5, 1]
        #expect(EventOutcome.encode([one]) == expected)
    }

    @Test(
        "the strongest outcome in a channel is its own",
        arguments: [
            ([.duplicate, .opened], .opened), ([.recovered, .duplicate], .recovered),
            ([.ignored, .duplicate], .duplicate),
            ([.updated, .recovered], .updated), ([.ignored], .ignored),
        ] as [([Outcome], Outcome)]
    )
    func strongest(outcomes: [Outcome], strongest: Outcome) {
        let channels = outcomes.map {
            EventOutcome.InChannel(channelID: channel(1), alertID: nil, outcome: $0, reason: .changed)
        }
        #expect(EventOutcome(channels: channels, whenEmpty: .noChannel).outcome == strongest)
    }
}
