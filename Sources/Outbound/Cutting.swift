/// Texts that must not be longer than their receiver takes.
enum Cutting {
    /// The text, or as much of its beginning as leaves room for `line` below it.
    ///
    /// Cut before a scalar that would not fit whole, and not inside an escape (`&amp;`, `&#42;`). Never costs more than `limit`.
    /// `line` says that it was cut and where the whole is; `cost` is that of one byte in the final form.
    static func fit(_ text: String, line: String, limit: Int, cost: (UInt8) -> Int = { _ in 1 }) -> String {
        let bytes = Array(text.utf8)
        if end(of: bytes, limit: limit, cost: cost) == bytes.count { return text }
        let tail = Array(("\n" + line).utf8)
        let tailEnd = end(of: tail, limit: limit, cost: cost)
        guard tailEnd == tail.count else {
            return String(
                decoding: bytes[..<whole(bytes, upTo: end(of: bytes, limit: limit, cost: cost))],
                as: UTF8.self
            )
        }
        let room = limit - tail.reduce(0) { $0 + cost($1) }
        let kept = bytes[..<whole(bytes, upTo: end(of: bytes, limit: room, cost: cost))]
        return String(decoding: kept + tail, as: UTF8.self)
    }

    /// What a byte costs inside a string of JSON.
    static func inJSON(_ byte: UInt8) -> Int {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x0A, 0x0D, 0x09: 2
        case 0..<0x20: 6
        default: 1
        }
    }

    /// Pieces of at most `limit` bytes: cut after a line where there is one in the second half, else after a blank there, else before
    /// a scalar and not inside an escape. Together they are the whole text, without the line feeds at the cuts.
    ///
    /// Every piece begins a text of its own, and what was harmless inside its line must not become markup by that: a `>` at the start
    /// has a zero-width space before it, and a piece that was cut inside a word does not end with its `_`.
    static func pieces(_ text: String, limit: Int) -> [String] {
        var rest = Array(text.utf8)[...]
        var pieces: [String] = []
        var isContinued = false
        let shorter = limit - MarkupEscapes.zeroWidthSpace.utf8.count
        while !rest.isEmpty {
            let prefix = isContinued && beginsQuote(rest) ? MarkupEscapes.zeroWidthSpace : ""
            let (end, next) = cut(rest, limit: prefix.isEmpty ? limit : shorter)
            if end > rest.startIndex {
                pieces.append(prefix + String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
            }
            isContinued = next == end
            rest = rest[next...]
        }
        return pieces
    }

    /// Where the next piece ends, and where the one after it begins.
    private static func cut(_ rest: ArraySlice<UInt8>, limit: Int) -> (end: Int, next: Int) {
        let limitEnd = rest.startIndex + limit
        guard limitEnd < rest.endIndex else { return (rest.endIndex, rest.endIndex) }
        let window = rest[(rest.startIndex + limit / 2)...limitEnd]
        if let line = window.lastIndex(of: 0x0A) { return (line, line + 1) }
        if let blank = window.dropLast().lastIndex(of: 0x20) { return (blank + 1, blank + 1) }
        // An escape has at most six bytes, so that of what follows no more is looked at.
        let bytes = Array(rest[..<min(rest.endIndex, limitEnd + 8)])
        var end = max(whole(bytes, upTo: limit), 1)
        if end > 1, bytes[end - 1] == UInt8(ascii: "_") { end -= 1 }
        return (rest.startIndex + end, rest.startIndex + end)
    }

    /// Whether a text that begins here begins with a quote of Slack.
    private static func beginsQuote(_ text: ArraySlice<UInt8>) -> Bool {
        let shown = text.drop { $0 == 0x20 }
        return shown.first == UInt8(ascii: ">") || shown.starts(with: "&gt;".utf8)
    }

    /// How many bytes from the start cost at most `limit`.
    private static func end(of bytes: [UInt8], limit: Int, cost: (UInt8) -> Int) -> Int {
        var total = 0
        for (index, byte) in bytes.enumerated() {
            total += cost(byte)
            if total > limit { return index }
        }
        return bytes.count
    }

    /// The last place at or before `end` that is neither inside a scalar nor inside an escape.
    private static func whole(_ bytes: [UInt8], upTo end: Int) -> Int {
        guard end < bytes.count else { return bytes.count }
        var end = end
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        // An entity has at most 6 bytes here: `&quot;`, `&#124;`.
        let start = max(0, end - 6)
        if let ampersand = bytes[start..<end].lastIndex(of: UInt8(ascii: "&")),
            !bytes[ampersand..<end].contains(UInt8(ascii: ";")),
            bytes[end..<min(bytes.count, ampersand + 7)].contains(UInt8(ascii: ";"))
        {
            return ampersand
        }
        return end
    }
}
