import Domain
import Testing

@Suite("Identifier")
struct IdentifiersTests {
    private static let text = "chan_01jd2v9k3re8v8f6wq5m2c7h4x"

    @Test(
        "prints what it was read from",
        arguments: [text, "chan_00000000000000000000000000", "chan_7zzzzzzzzzzzzzzzzzzzzzzzzz"]
    )
    func roundTrip(text: String) throws {
        #expect(try #require(ChannelID(text)).description == text)
    }

    @Test("is the TypeID of its UUID")
    func typeID() throws {
        // The example of the TypeID specification.
        let id = try #require(ChannelID("chan_01h455vb4pex5vsknk084sn02q"))
        #expect((id.high, id.low) == (0x0189_0A5D_AC96_774B, 0xBCCE_B302_099A_8057))
    }

    @Test("10,000 random values survive text and bytes")
    func randomRoundTrips() {
        var random = SeededRandom(1)
        let failures = (0..<10_000).count { _ in
            let id = ChannelID(high: random.next(), low: random.next())
            return ChannelID(id.description) != id || ChannelID(bytes: id.bytes) != id
        }
        #expect(failures == 0)
    }

    @Test(
        "any other text is refused",
        arguments: [
            "", "chan", "chan_", "01jd2v9k3re8v8f6wq5m2c7h4x", "acct_01jd2v9k3re8v8f6wq5m2c7h4x",
            "CHAN_01jd2v9k3re8v8f6wq5m2c7h4x", "chan_01JD2V9K3RE8V8F6WQ5M2C7H4X",
            "chan-01jd2v9k3re8v8f6wq5m2c7h4x",
            "chan_01jd2v9k3re8v8f6wq5m2c7h4", "chan_01jd2v9k3re8v8f6wq5m2c7h4xx",
            "chan_81jd2v9k3re8v8f6wq5m2c7h4x",
            "chan_z1jd2v9k3re8v8f6wq5m2c7h4x", "chan_01jd2v9k3re8v8f6wq5m2c7h4i",
            "chan_01jd2v9k3re8v8f6wq5m2c7h4l",
            "chan_01jd2v9k3re8v8f6wq5m2c7h4o", "chan_01jd2v9k3re8v8f6wq5m2c7h4u",
            " chan_01jd2v9k3re8v8f6wq5m2c7h4x",
            "chan_01jd2v9k3re8v8f6wq5m2c7h4x\n", "chan_01jd2v9k3re8v8f6wq5m2c7hé",
            "chan_01jd2v9k3re8v8f6wq5m2c7h4\0",
        ]
    )
    func refused(text: String) {
        #expect(ChannelID(text) == nil)
    }

    @Test("bytes are read only when there are 16", arguments: [0, 15, 17])
    func wrongByteCount(count: Int) {
        #expect(ChannelID(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test("text, bytes and value have one order")
    func order() {
        var random = SeededRandom(2)
        let ids = (0..<200).map { _ in ChannelID(high: random.next(), low: random.next()) }.sorted()
        #expect(ids.map(\.description) == ids.map(\.description).sorted())
        #expect(ids.map { Text(trusted: $0.bytes) } == ids.map { Text(trusted: $0.bytes) }.sorted())
    }

    @Test("the lowest of a moment is not after any of that moment and after all before it")
    func lowest() {
        var random = SeededRandom(3)
        var sequence = IdentifierSequence()
        let before: ChannelID = sequence.next(at: at(0).adding(milliseconds: -1), random: &random)
        let first: ChannelID = sequence.next(at: at(0), random: &random)
        #expect(before < ChannelID.lowest(at: at(0)))
        #expect(ChannelID.lowest(at: at(0)) < first)
    }

    @Test("the lowest of a moment before 1970 is zero")
    func lowestBefore1970() {
        #expect(ChannelID.lowest(at: UnixTime(milliseconds: -1)) == ChannelID(high: 0, low: 0))
    }
}

@Suite("IdentifierSequence")
struct IdentifierSequenceTests {
    @Test("makes UUIDs of version 7")
    func version() {
        var random = SeededRandom(4)
        var sequence = IdentifierSequence()
        let ids: [EventID] = (0..<1_000).map { sequence.next(at: at(Int64($0 / 10)), random: &random) }
        #expect(ids.allSatisfy { $0.high >> 12 & 0xF == 7 && $0.low >> 62 == 2 })
    }

    @Test("carries the clock's millisecond")
    func time() {
        var random = SeededRandom(5)
        var sequence = IdentifierSequence()
        let id: EventID = sequence.next(at: at(5), random: &random)
        #expect(id.time == at(5))
    }

    @Test(
        "never runs backwards",
        arguments: [
            ("the clock stands", [0, 0]), ("the clock goes back an hour", [0, -3_600]),
            ("the clock is before 1970", [-9_000_000_000, 0]),
        ]
    )
    func monotonic(clock: String, seconds: [Int64]) {
        var random = SeededRandom(6)
        var sequence = IdentifierSequence()
        let ids: [EventID] = seconds.flatMap { second in
            (0..<2_000).map { _ in sequence.next(at: at(second), random: &random) }
        }
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("never runs backwards when the random bits are the highest")
    func counterOverflow() {
        var highest = Constant(value: .max)
        var sequence = IdentifierSequence()
        let ids: [EventID] = (0..<10_000).map { _ in sequence.next(at: at(0), random: &highest) }
        #expect(zip(ids, ids.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("begins after the newest time of earlier ones, whatever the clock says")
    func floor() {
        var random = SeededRandom(7)
        var earlier = IdentifierSequence()
        var later = IdentifierSequence(after: at(0))
        let old: EventID = earlier.next(at: at(0), random: &random)
        let new: EventID = later.next(at: at(-3_600), random: &random)
        #expect(old < new)
    }

    private struct Constant: RandomNumberGenerator {
        let value: UInt64
        func next() -> UInt64 { value }
    }
}
