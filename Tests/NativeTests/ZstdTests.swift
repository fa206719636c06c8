import Native
import Testing

@Suite("Zstd")
struct ZstdTests {
    static func sample(_ number: Int) -> [UInt8] {
        utf8(
            """
            {"status": "firing", "labels": {"alertname": "HighCPU \(number % 7)", "pod": "web-\(number)", \
            "namespace": "shop", "severity": "P\(number % 4)"}, "startsAt": "2026-11-20T07:\(number % 60):15Z", \
            "annotations": {"message": "CPU of pod web-\(number) is above \(50 + number % 50)%"}}
            """
        )
    }

    @Test("what was compressed comes back", arguments: [0, 1, 100, 65_000, 66_000, 300_000], [1, 3, 19])
    func roundTrip(count: Int, level: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 3 &* 31 ^ $0) }
        let frame = Zstd.compress(bytes, level: level)
        #expect(try Zstd.decompress(frame, maximumSize: count) == bytes)
        #expect(Zstd.compress(bytes.span, level: level) == frame)
    }

    @Test("bytes without pattern come back too")
    func incompressible() throws {
        let bytes = SecureRandom.bytes(100_000)
        #expect(try Zstd.decompress(Zstd.compress(bytes), maximumSize: 100_000) == bytes)
    }

    @Test("a trained dictionary makes small frames, and names itself in them")
    func trained() throws {
        let bytes = try ZstdDictionary.train(samples: (0..<2_000).map(Self.sample), maximumSize: 4_096)
        let dictionary = try ZstdDictionary(bytes)
        let other = try ZstdDictionary(
            try ZstdDictionary.train(samples: (5_000..<7_000).map(Self.sample), maximumSize: 2_048)
        )
        #expect(dictionary.id != 0 && dictionary.id != other.id)
        let sample = Self.sample(9_999)
        let frame = Zstd.compress(sample, dictionary: dictionary)
        #expect(frame.count * 2 < Zstd.compress(sample).count)
        #expect(try Zstd.decompress(frame, dictionary: dictionary, maximumSize: 4_096) == sample)
        #expect(throws: ZstdError.wrongDictionary) { try Zstd.decompress(frame, maximumSize: 4_096) }
        #expect(throws: ZstdError.wrongDictionary) {
            try Zstd.decompress(frame, dictionary: other, maximumSize: 4_096)
        }
    }

    @Test("plain content is a dictionary without a number")
    func plain() throws {
        let dictionary = try ZstdDictionary(Self.sample(1), level: 3)
        #expect(dictionary.id == 0 && dictionary.level == 3)
        let frame = Zstd.compress(Self.sample(2), dictionary: dictionary)
        #expect(frame.count < Zstd.compress(Self.sample(2), level: 3).count)
        #expect(try Zstd.decompress(frame, dictionary: dictionary, maximumSize: 1_000) == Self.sample(2))
    }

    @Test("bytes that only begin like a trained dictionary are refused")
    func badDictionary() {
        #expect(throws: ZstdError.corrupt) {
            try ZstdDictionary([0x37, 0xA4, 0x30, 0xEC] + [UInt8](repeating: 0, count: 100))
        }
    }

    @Test("too few examples make no dictionary")
    func training() {
        #expect(throws: ZstdError.training) { try ZstdDictionary.train(samples: [[1]], maximumSize: 1_024) }
    }

    @Test("larger content than allowed is refused, however small the frame")
    func oversize() throws {
        let frame = Zstd.compress([UInt8](repeating: 0, count: 10_000_000))
        #expect(frame.count < 2_000)
        #expect(throws: ZstdError.tooLarge) { try Zstd.decompress(frame, maximumSize: 9_999_999) }
        #expect(try Zstd.decompress(frame, maximumSize: 10_000_000).count == 10_000_000)
    }

    @Test("a damaged or cut frame is refused, or at least never larger than allowed")
    func corrupt() throws {
        #expect(throws: ZstdError.corrupt) { try Zstd.decompress([], maximumSize: 10) }
        #expect(throws: ZstdError.corrupt) { try Zstd.decompress(utf8("not zstd at all"), maximumSize: 10) }
        let frame = Zstd.compress(Self.sample(1))
        for length in 0..<frame.count {
            #expect(throws: ZstdError.self) {
                try Zstd.decompress(Array(frame.prefix(length)), maximumSize: 1_000)
            }
        }
        for index in frame.indices {
            var damaged = frame
            damaged[index] ^= 0x55
            let content = try? Zstd.decompress(damaged, maximumSize: 1_000)
            #expect((content?.count ?? 0) <= 1_000)
        }
        #expect(try Zstd.decompress(frame, maximumSize: 1_000) == Self.sample(1))
    }

    @Test("many tasks compress and decompress at once")
    func concurrent() async throws {
        let dictionary = try ZstdDictionary(Self.sample(1))
        await withTaskGroup(of: Bool.self) { group in
            for task in 0..<12 {
                group.addTask {
                    (0..<200).allSatisfy { round in
                        let sample = Self.sample(task * 1_000 + round)
                        let frame = Zstd.compress(sample, dictionary: round % 2 == 0 ? dictionary : nil)
                        let back = try? Zstd.decompress(frame, dictionary: dictionary, maximumSize: 1_000)
                        return back == sample
                    }
                }
            }
            for await isRight in group { #expect(isRight) }
        }
    }
}
