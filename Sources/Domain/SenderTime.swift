/// A moment as senders write it.
///
/// - RFC 3339, also with a space for the `T`, with an offset without its colon (`+0800`) or of hours alone
///   (`+08`), behind a space and with the zone's name after it, as Go prints a time (`2026-11-30 10:00:00
///   +0800 CST`), or with `UTC` or `GMT` for the offset.
/// - Seconds, milliseconds, microseconds or nanoseconds since 1970, as a number or its text: which one is
///   plain from its size, for moments from 2001 to 2286.
/// - Rule: a time without an offset is not read. Why: nobody knows of which zone it is. Otherwise: alerts
///   that are hours off.
package enum SenderTime: Equatable, Sendable {
    case moment(UnixTime)
    /// The sender says that there is none: nothing, blank, or the zero of its language.
    case none
    case unreadable

    package var time: UnixTime? {
        if case .moment(let time) = self { time } else { nil }
    }

    /// Bytes of a text that may be a moment.
    private static let longest = 64
    /// Bytes that are looked at, blanks at the ends included.
    private static let most = 1_024

    /// Reads a text.
    package init(_ text: some Collection<UInt8>) {
        let trimmed = Text(trusted: Array(text.prefix(Self.most))).trimmed.bytes
        guard !trimmed.isEmpty else {
            self = .none
            return
        }
        guard text.count <= Self.most, trimmed.count <= Self.longest else {
            self = .unreadable
            return
        }
        if let time = UnixTime(rfc3339: trimmed) ?? UnixTime(rfc3339: Self.plain(trimmed)) {
            self = time.isGoZero || time.milliseconds == 0 ? .none : .moment(time)
        } else if let number = Self.decimal(trimmed) {
            self.init(sinceEpoch: number)
        } else {
            self = .unreadable
        }
    }

    /// Reads a number.
    package init(sinceEpoch number: Double) {
        guard number != 0 else {
            self = .none
            return
        }
        let milliseconds: Double? =
            switch number {
            case 1e9..<1e10: number * 1_000
            case 1e12..<1e13: number
            case 1e15..<1e16: number / 1_000
            case 1e18..<1e19: number / 1_000_000
            default: nil
            }
        // Below 10^13, so far inside of what Int64 holds.
        self = milliseconds.map { .moment(UnixTime(milliseconds: Int64($0))) } ?? .unreadable
    }

    /// `date time offset zone` with the offset as RFC 3339 has it, and nothing after it.
    private static func plain(_ text: [UInt8]) -> [UInt8] {
        var words = text.split(separator: UInt8(ascii: " ")).map { Array($0) }
        // The clock of the process, which Go adds.
        if let last = words.last, last.starts(with: Array("m=".utf8)) { words.removeLast() }
        var zone: [UInt8]?
        if words.count > 1, let last = words.last, last.allSatisfy({ $0 >= 0x41 && $0 <= 0x5A }) {
            zone = words.removeLast()
        } else if words.count > 3, isOffset(words[words.count - 2]), let last = words.last, isOffset(last) {
            // A zone that has no name but its offset.
            words.removeLast()
        }
        var result = words.first ?? []
        if words.count > 1, words[1].first.map({ $0 >= 0x30 && $0 <= 0x39 }) == true {
            result += [UInt8(ascii: "T")] + words[1]
            words.removeSubrange(..<2)
        } else {
            words = Array(words.dropFirst())
        }
        guard words.count <= 1 else { return text }
        result += words.first ?? []
        let signs = Array("+-".utf8)
        if let sign = result.lastIndex(where: { signs.contains($0) }), sign > 15 {
            switch result.count - sign {
            case 3: result += Array(":00".utf8)
            case 5: result.insert(UInt8(ascii: ":"), at: sign + 3)
            default: break
            }
        } else if let zone, zone == Array("UTC".utf8) || zone == Array("GMT".utf8) {
            result.append(UInt8(ascii: "Z"))
        }
        return result
    }

    private static func isOffset(_ word: [UInt8]) -> Bool {
        guard let sign = word.first, (3...5).contains(word.count) else { return false }
        return Array("+-".utf8).contains(sign) && word.dropFirst().allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
    }

    /// Digits, at most with a fraction.
    private static func decimal(_ text: [UInt8]) -> Double? {
        guard text.allSatisfy({ $0 == UInt8(ascii: ".") || ($0 >= 0x30 && $0 <= 0x39) }) else { return nil }
        return Double(String(decoding: text, as: UTF8.self))
    }
}
