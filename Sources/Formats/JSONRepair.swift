import Native

/// Rewrites a body that the strict parser refused, so that what is JSON by its grammar can be read:
///
/// - a UTF-8 byte-order mark at the start is dropped;
/// - bytes that are not UTF-8 become U+FFFD;
/// - an escaped surrogate without its partner becomes U+FFFD;
/// - a number that no 64-bit type holds becomes a string of its text.
///
/// It repairs no grammar: a missing bracket stays missing. Linear.
struct JSONRepair {
    private let bytes: [UInt8]
    private var position = 0
    private var output: [UInt8] = []
    private var isChanged = false

    init(_ body: [UInt8]) {
        var body = body
        var isChanged = false
        if body.starts(with: [0xEF, 0xBB, 0xBF]) {
            body.removeFirst(3)
            isChanged = true
        }
        if !UTF8Scan.isValidUTF8(body) {
            body = Array(UTF8Scan.repairedText(body).utf8)
            isChanged = true
        }
        bytes = body
        self.isChanged = isChanged
    }

    /// The rewritten body; nil when there is nothing to repair.
    mutating func repaired() -> [UInt8]? {
        output.reserveCapacity(bytes.count + 64)
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""): copyString()
            case UInt8(ascii: "-"), 0x30...0x39: copyNumber()
            default: copy(1)
            }
        }
        return isChanged ? output : nil
    }

    private mutating func copy(_ count: Int) {
        let end = min(position + count, bytes.count)
        output += bytes[position..<end]
        position = end
    }

    private mutating func copyString() {
        copy(1)
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""): return copy(1)
            case UInt8(ascii: "\\"): copyEscape()
            default: copy(1)
            }
        }
    }

    private mutating func copyEscape() {
        guard let unit = codeUnit(at: position) else { return copy(2) }
        if 0xD800...0xDBFF ~= unit, let next = codeUnit(at: position + 6), 0xDC00...0xDFFF ~= next {
            return copy(12)
        }
        guard 0xD800...0xDFFF ~= unit else { return copy(6) }
        output += Array("\\ufffd".utf8)
        position += 6
        isChanged = true
    }

    /// The value of `\uXXXX` at `start`.
    private func codeUnit(at start: Int) -> UInt16? {
        guard start + 6 <= bytes.count, bytes[start] == UInt8(ascii: "\\"),
            bytes[start + 1] == UInt8(ascii: "u")
        else {
            return nil
        }
        let digits = bytes[start + 2..<start + 6]
        guard digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private mutating func copyNumber() {
        var end = position
        let characters = Array("+-.eE0123456789".utf8)
        while end < bytes.count, characters.contains(bytes[end]) { end += 1 }
        let text = bytes[position..<end]
        guard JSONRepair.isNumber(text), JSONRepair.isTooLarge(text) else { return copy(end - position) }
        output.append(UInt8(ascii: "\""))
        output += text
        output.append(UInt8(ascii: "\""))
        position = end
        isChanged = true
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
