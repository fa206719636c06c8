/// A walk over the bytes of a value, with what an escape must know of where each stands.
///
/// What stands beside the value in the template is not known: before its first byte there may be anything, a
/// line's start too, and so there may be after its last.
struct ValueScan {
    /// Where in its line a byte stands.
    enum Position {
        /// Nothing but blanks stands before it.
        case start
        /// Nothing but blanks and then digits stand before it.
        case number
        /// Elsewhere.
        case inside
    }

    private let text: [UInt8]
    /// Place of the byte in the value.
    private(set) var index = 0
    private(set) var position = Position.start

    private init(_ text: [UInt8]) {
        self.text = text
    }

    /// The text with the bytes replaced for which `escape` gives something. Takes time in proportion to the
    /// text if `escape` takes constant time.
    static func replacing(_ text: [UInt8], _ escape: (ValueScan) -> String?) -> [UInt8] {
        var scan = ValueScan(text)
        var result: [UInt8] = []
        result.reserveCapacity(text.count + text.count / 8 + 16)
        while scan.index < text.count {
            if let escape = escape(scan) { result += escape.utf8 } else { result.append(scan.byte) }
            scan.advance()
        }
        return result
    }

    var byte: UInt8 { text[index] }

    /// The byte before it in the value; nil: it is the first.
    var previous: UInt8? { index > 0 ? text[index - 1] : nil }

    /// The byte after it in the value; nil: it is the last.
    var next: UInt8? { index + 1 < text.count ? text[index + 1] : nil }

    /// Whether it stands between two ASCII letters or digits, as in `up_time`.
    var isInWord: Bool {
        guard let previous, let next else { return false }
        return Self.isWord(previous) && Self.isWord(next)
    }

    /// Whether blanks stand on both sides, as in `5 * 3`, and it does not begin its line.
    var isBetweenBlanks: Bool { position == .inside && previous == 0x20 && next == 0x20 }

    /// Whether the value or its line ends after it, or a blank follows.
    var isBeforeBlank: Bool { next == nil || next == 0x20 || next == 0x0A }

    /// Whether it would make its line a heading, a quote, an entry of a list, a rule, or a row of a table.
    /// `*`, `_` and backticks are looked at on their own.
    var beginsBlock: Bool {
        switch (position, byte) {
        case (.start, UInt8(ascii: "#")), (.start, UInt8(ascii: ">")), (.start, UInt8(ascii: "|")): true
        case (.start, UInt8(ascii: "-")), (.start, UInt8(ascii: "+")), (.start, UInt8(ascii: "=")):
            isBeforeBlank || next == byte || next == UInt8(ascii: "|") || next == UInt8(ascii: ":")
        case (.start, UInt8(ascii: ":")): next == UInt8(ascii: "-")
        case (.number, UInt8(ascii: ".")), (.number, UInt8(ascii: ")")): isBeforeBlank
        default: false
        }
    }

    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }

    private mutating func advance() {
        switch byte {
        case 0x0A: position = .start
        case 0x20 where position == .start: break
        case 0x30...0x39 where position != .inside: position = .number
        default: position = endsLine ? .start : .inside
        }
        index += 1
    }

    /// Whether it is the last byte of U+2028 or U+2029, which end a line for receivers that are written in
    /// JavaScript.
    private var endsLine: Bool {
        (byte == 0xA8 || byte == 0xA9) && index >= 2 && text[index - 1] == 0x80 && text[index - 2] == 0xE2
    }
}
