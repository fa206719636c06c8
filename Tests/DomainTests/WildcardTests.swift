import Domain
import Testing

@Suite("Wildcard against its definition")
struct WildcardDifferentialTests {
    /// The signs of random texts: few, so that they often match, of every length in UTF-8.
    private static let signs = ["a", "a", "b", "é", "容", "𝄞"]

    @Test("agrees on random texts with an algorithm that goes back", arguments: [1, 2, 3] as [UInt64])
    func goingBack(seed: UInt64) {
        var random = SeededRandom(seed)
        for _ in 0..<10_000 {
            let stars = Int.random(in: 2...8, using: &random)
            let pattern = text(upTo: 12, random: &random) {
                $0.once(in: stars) ? $0.pick(["*", "*", "?"]) : $0.pick(Self.signs)
            }
            let value = text(upTo: 24, random: &random) { $0.pick(Self.signs) }
            let isMatch = Wildcard(pattern).matches(value)
            #expect(isMatch == WildcardGoingBack(pattern).matches(value), "\(pattern) on \(value)")
        }
    }

    @Test("agrees on values cut out of the pattern, long ones too", arguments: [4, 5] as [UInt64])
    func cut(seed: UInt64) {
        var random = SeededRandom(seed)
        for _ in 0..<500 {
            let value = text(upTo: 300, random: &random) { $0.pick(["a", "a", "a", "b", "é"]) }
            let scalars = Array(value.string.unicodeScalars)
            var pattern = ""
            for scalar in scalars {
                if random.once(in: 40) { pattern += "*" }
                if random.once(in: 100) { continue }
                pattern += random.once(in: 15) ? "?" : String(scalar)
            }
            let isMatch = Wildcard(Text(pattern)).matches(value)
            #expect(
                isMatch == WildcardGoingBack(Text(pattern)).matches(value),
                "\(pattern) on \(value)"
            )
        }
    }

    @Test(
        "a part with ? that is longer than a word of the machine is found",
        arguments: [62, 63, 64, 65, 127, 128, 129, 500]
    )
    func longParts(length: Int) {
        let part = String(repeating: "a?", count: length / 2) + "c"
        let text = String(repeating: "ab", count: length / 2) + "c"
        let pattern = Text("*" + part + "*")
        #expect(Wildcard(pattern).matches(Text("xx" + text + "yy")))
        #expect(Wildcard(pattern).matches(Text("容" + text.replacing("b", with: "器") + "𝄞")))
        #expect(!Wildcard(pattern).matches(Text("xx" + text.dropLast() + "yy")))
    }

    @Test("bytes that are no UTF-8 end nothing but the match")
    func notUTF8() {
        var random = SeededRandom(6)
        for _ in 0..<5_000 {
            let value = Text(
                trusted: (0..<20).map { _ in random.pick([0x61, 0x80, 0xBF, 0xC3, 0xE5, 0xFF]) }
            )
            let pattern = text(upTo: 10, random: &random) { $0.pick(["a", "*", "?", "é"]) }
            _ = Wildcard(pattern).matches(value)
        }
    }

    @Test(
        "the time grows with the pattern or the value, not with both",
        arguments: [
            "*" + String(repeating: "a", count: 1_000) + "b",
            String(repeating: "*a", count: 500) + "*b*", "*" + String(repeating: "a", count: 999) + "*b",
            "*" + String(repeating: "?a", count: 500) + "b*", String(repeating: "*?", count: 500) + "b",
        ]
    )
    func linear(pattern: String) {
        let wildcard = Wildcard(Text(pattern))
        func time(_ bytes: Int) -> Duration {
            let value = Text(String(repeating: "a", count: bytes))
            return (0..<5).map { _ in
                ContinuousClock().measure { for _ in 0..<20 { _ = wildcard.matches(value) } }
            }.min() ?? .zero
        }
        let (short, long) = (time(2_000), time(16_000))
        // Eight times the bytes; quadratic would be sixty-four times.
        #expect(long < short * 30 + .milliseconds(5), "\(short) for 2 kB, \(long) for 16 kB")
    }

    private func text(
        upTo count: Int,
        random: inout SeededRandom,
        _ sign: (inout SeededRandom) -> String
    ) -> Text {
        var text = ""
        for _ in 0..<Int.random(in: 0...count, using: &random) { text += sign(&random) }
        return Text(text)
    }
}

/// The algorithm before this one: on a mismatch the last `*` takes one character more.
private struct WildcardGoingBack {
    private enum Piece: Equatable {
        case anyRun
        case anyOne
        case one(UInt8)
    }

    private let pieces: [Piece]

    init(_ text: Text) {
        pieces = text.bytes.map { byte in
            switch byte {
            case UInt8(ascii: "*"): .anyRun
            case UInt8(ascii: "?"): .anyOne
            default: .one(byte)
            }
        }
    }

    func matches(_ value: Text) -> Bool {
        let bytes = value.bytes
        var (piece, position) = (0, 0)
        var retry: (piece: Int, position: Int)?
        while position < bytes.count {
            if piece < pieces.count, pieces[piece] == .anyRun {
                piece += 1
                retry = (piece, position)
            } else if piece < pieces.count, let length = length(of: pieces[piece], in: bytes, at: position) {
                piece += 1
                position += length
            } else if let last = retry {
                let next = last.position + scalarLength(bytes, at: last.position)
                retry = (last.piece, next)
                (piece, position) = (last.piece, next)
            } else {
                return false
            }
        }
        return pieces[piece...].allSatisfy { $0 == .anyRun }
    }

    private func length(of piece: Piece, in bytes: [UInt8], at position: Int) -> Int? {
        switch piece {
        case .anyRun: nil
        case .anyOne: scalarLength(bytes, at: position)
        case .one(let byte): bytes[position] == byte ? 1 : nil
        }
    }

    private func scalarLength(_ bytes: [UInt8], at position: Int) -> Int {
        var end = position + 1
        while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
        return end - position
    }
}
