import Domain
import Native

/// Rewrites a body that the strict parser refused, so that what is nearly JSON can be read:
///
/// - byte-order marks at the start and NUL bytes at the end are dropped;
/// - control characters in strings, raw line feeds for instance, are escaped;
/// - a comma before a closing bracket is dropped;
/// - `NaN`, `Infinity` and their like become strings;
/// - an escaped surrogate without its partner becomes U+FFFD;
/// - a number that no 64-bit type holds becomes a string of its text.
///
/// Nothing else is guessed: a missing bracket stays missing. Linear.
struct JSONRepair {
    private let bytes: [UInt8]
    private var position = 0
    /// What lies before is in `output`.
    private var copied = 0
    private var output: [UInt8] = []
    /// What was done so far.
    private(set) var notes: ReadingNotes = []

    /// Words of other languages for what is no number, in lower case, the longer ones first.
    private static let nonNumbers = ["infinity", "inf", "nan"].map { Array($0.utf8) }
    /// The parsers take no more.
    private static let longest = 3 * Limits.pushBytes

    init(_ body: [UInt8]) {
        var rest = UTF8Scan.withoutMarks(body)
        if rest.count < body.count { notes.insert(.byteOrderMark) }
        while let last = rest.last, last == 0 || last.isASCIIWhitespace {
            if last == 0 { notes.insert(.trailingNUL) }
            rest.removeLast()
        }
        bytes = notes.isEmpty ? body : Array(rest)
    }

    /// The rewritten body; nil when there is nothing to repair, or it would be too long.
    mutating func repaired() -> [UInt8]? {
        while position < bytes.count, output.count <= Self.longest {
            switch bytes[position] {
            case UInt8(ascii: "\""): readString()
            case UInt8(ascii: "-"), 0x30...0x39: readNumber()
            case UInt8(ascii: ","): readComma()
            case UInt8(ascii: "N"), UInt8(ascii: "n"), UInt8(ascii: "I"), UInt8(ascii: "i"): readWord()
            default: position += 1
            }
        }
        guard !notes.isEmpty, output.count <= Self.longest else { return nil }
        guard copied > 0 else { return bytes }
        output += bytes[copied...]
        return output
    }

    /// Puts `replacement` into the place of the next `count` bytes.
    private mutating func replace(
        _ count: Int,
        with replacement: some Collection<UInt8>,
        _ note: ReadingNotes
    ) {
        if copied == 0 { output.reserveCapacity(bytes.count + 64) }
        output += bytes[copied..<position]
        output += replacement
        position += count
        copied = position
        notes.insert(note)
    }

    private mutating func readString() {
        position += 1
        while position < bytes.count, output.count <= Self.longest {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): readEscape()
            case 0..<0x20: replace(1, with: Self.escapes[Int(bytes[position])], .controlCharacters)
            default: position += 1
            }
        }
    }

    /// `\u0000` to `\u001f`.
    private static let escapes: [[UInt8]] = (0..<32 as Range<UInt8>).map { byte in
        let digits = Array("0123456789abcdef".utf8)
        return Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }

    private mutating func readComma() {
        let next = bytes[(position + 1)...].first { !$0.isASCIIWhitespace }
        if next == UInt8(ascii: "]") || next == UInt8(ascii: "}") {
            replace(1, with: [], .trailingComma)
        } else {
            position += 1
        }
    }

    /// A word that is none of JSON's.
    private mutating func readWord() {
        let length = Self.nonNumber(bytes[position...])
        if length > 0 { quote(length, .notANumber) } else { position += 1 }
    }

    /// Bytes of a word for what is no number at the beginning of `text`; 0: there is none.
    private static func nonNumber(_ text: ArraySlice<UInt8>) -> Int {
        let word = text.prefix(9).map { $0 | 0x20 }
        return nonNumbers.first { word.starts(with: $0) }?.count ?? 0
    }

    private mutating func quote(_ count: Int, _ note: ReadingNotes) {
        let mark = CollectionOfOne(UInt8(ascii: "\""))
        replace(count, with: mark + bytes[position..<position + count] + mark, note)
    }

    private mutating func readEscape() {
        guard let unit = codeUnit(at: position) else {
            position = min(position + 2, bytes.count)
            return
        }
        if 0xD800...0xDBFF ~= unit, let next = codeUnit(at: position + 6), 0xDC00...0xDFFF ~= next {
            position += 12
        } else if 0xD800...0xDFFF ~= unit {
            replace(6, with: JSONRepair.replacementCharacter, .loneSurrogate)
        } else {
            position += 6
        }
    }

    private static let replacementCharacter = Array("\\ufffd".utf8)

    /// The value of `\uXXXX` at `start`.
    private func codeUnit(at start: Int) -> UInt16? {
        guard start + 6 <= bytes.count, bytes[start] == UInt8(ascii: "\\"),
            bytes[start + 1] == UInt8(ascii: "u")
        else {
            return nil
        }
        var value: UInt16 = 0
        for digit in start + 2..<start + 6 {
            guard let number = JSONRepair.hexadecimal(bytes[digit]) else { return nil }
            value = value << 4 | number
        }
        return value
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt16? {
        switch digit {
        case 0x30...0x39: UInt16(digit - 0x30)
        case 0x41...0x46: UInt16(digit - 0x41 + 10)
        case 0x61...0x66: UInt16(digit - 0x61 + 10)
        default: nil
        }
    }

    private mutating func readNumber() {
        if bytes[position] == UInt8(ascii: "-") {
            let length = Self.nonNumber(bytes[(position + 1)...])
            if length > 0 { return quote(1 + length, .notANumber) }
        }
        var end = position
        var exponent: Int?
        scan: while end < bytes.count {
            switch bytes[end] {
            case 0x30...0x39, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): break
            case UInt8(ascii: "e"), UInt8(ascii: "E"): exponent = end
            default: break scan
            }
            end += 1
        }
        // So short that a 64-bit type holds it, whatever its digits are: nearly all numbers.
        let isShort =
            if let exponent { end - position <= 100 && end - exponent <= 3 } else { end - position <= 18 }
        let text = bytes[position..<end]
        guard !isShort, JSONRepair.isNumber(text), JSONRepair.isTooLarge(text) else {
            position = end
            return
        }
        quote(text.count, .largeNumber)
    }

    /// Whether it is a number by JSON's grammar: `-? (0 | [1-9][0-9]*) (\.[0-9]+)? ([eE][+-]?[0-9]+)?`.
    private static func isNumber(_ text: ArraySlice<UInt8>) -> Bool {
        var rest = text
        func digits(_ rest: inout ArraySlice<UInt8>) -> Int {
            let run = rest.prefix { $0 >= 0x30 && $0 <= 0x39 }
            rest = rest.dropFirst(run.count)
            return run.count
        }
        if rest.first == UInt8(ascii: "-") { rest.removeFirst() }
        let startsWithZero = rest.first == 0x30
        let whole = digits(&rest)
        guard whole > 0, !startsWithZero || whole == 1 else { return false }
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            guard digits(&rest) > 0 else { return false }
        }
        if let mark = rest.first, mark | 0x20 == UInt8(ascii: "e") {
            rest.removeFirst()
            if let sign = rest.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                rest.removeFirst()
            }
            guard digits(&rest) > 0 else { return false }
        }
        return rest.isEmpty
    }

    private static func isTooLarge(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.count <= 400 else { return true }
        let string = String(decoding: text, as: UTF8.self)
        if string.utf8.allSatisfy({ $0 == UInt8(ascii: "-") || ($0 >= 0x30 && $0 <= 0x39) }) {
            return Int64(string) == nil && UInt64(string) == nil
        }
        return !(Double(string)?.isFinite ?? false)
    }
}
