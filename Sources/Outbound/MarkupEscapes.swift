/// What makes a value literal text in each receiver's markup. The text of the template itself is its owner's
/// and stays as it is.
///
/// Each is linear in time, and of one byte makes at most six. What a value needs at its edges, it gets
/// whatever stands there: no two values together are more than each alone, and none ends or begins what the
/// template left open.
enum MarkupEscapes {
    // MARK: Entities: DingTalk and Feishu

    /// Numeric entities, with `lineEnd` for line feeds.
    ///
    /// - Why: in Markdown an entity is always text and never a mark of structure (CommonMark 0.31, 6.2), and
    ///   what turns Markdown into HTML first leaves it alone. Feishu documents them (rich text component,
    ///   "special characters"); the robots of DingTalk have been fed with them for years (`markdown | html`
    ///   in the default template of prometheus-webhook-dingtalk).
    /// - Everywhere: `& < > [ ] * _ ~ | \` and backticks. At a line's start also what begins a block, and the
    ///   first blank, since four begin a block of code. `(` at the value's start and `!` at its end would
    ///   make a link or an image of the template's brackets, and `#` at a line's end is no part of a heading.
    /// - Not covered: in a span of code of the template's own an entity is shown as it is written.
    static func entities(_ text: [UInt8], lineEnd: String) -> [UInt8] {
        ValueScan.replacing(text) { scan in
            if scan.byte == 0x0A { return lineEnd }
            guard isMark(scan) else { return nil }
            return scan.byte == 0x20 ? "&#160;" : numeric[Int(scan.byte)]
        }
    }

    /// `&#0;` to `&#127;`.
    private static let numeric = (0..<128).map { "&#\($0);" }

    private static func isMark(_ scan: ValueScan) -> Bool {
        switch scan.byte {
        case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "["), UInt8(ascii: "]"),
            UInt8(ascii: "*"), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "`"), UInt8(ascii: "\\"),
            UInt8(ascii: "|"):
            true
        case UInt8(ascii: "#"):
            scan.position == .start || scan.isBeforeBlank || scan.next == scan.byte
        case 0x20: scan.position == .start && scan.previous != 0x20
        case UInt8(ascii: "("): scan.index == 0
        case UInt8(ascii: "!"): scan.next == nil
        default: scan.beginsBlock
        }
    }

    // MARK: Look-alikes: WeCom and Slack

    /// For WeCom, which knows no escapes and shows a backslash as one.
    ///
    /// - Marks of spans become their look-alikes, as for Slack.
    /// - Before what would begin a block stands a zero-width space: the line begins with something else then,
    ///   whoever reads it.
    /// - A blank stands after `]` where `(` follows or nothing (a link, an image) and after `<` where a tag,
    ///   an address or a mention could begin. A blank, since a zero-width space may be dropped on the way,
    ///   and a mention rings people up.
    static func forWeCom(_ text: [UInt8]) -> [UInt8] {
        ValueScan.replacing(text) { scan in
            switch scan.byte {
            case UInt8(ascii: "]"): scan.next == nil || scan.next == UInt8(ascii: "(") ? "] " : nil
            case UInt8(ascii: "<"): isHarmlessAfterLess(scan.next) ? nil : "< "
            case UInt8(ascii: "("): scan.index == 0 ? zeroWidthSpace + "(" : nil
            case UInt8(ascii: "!"): scan.next == nil ? "!" + zeroWidthSpace : nil
            default: scan.beginsBlock ? zeroWidthSpace + ascii(scan.byte) : lookAlike(scan)
            }
        }
    }

    /// For Slack: its three entities (https://docs.slack.dev/messaging/formatting-message-text#escaping),
    /// without which there is neither mention nor link, and look-alikes for the marks of spans and quotes.
    ///
    /// - Why look-alikes: Slack knows no escape for `*`, `_`, `~`, backticks and `>`, and shows a backslash.
    ///   Zero-width characters are no way out: beside a mark they count as the edge of a word, and so can
    ///   make a span of what was none, and they are no blank that keeps one from opening; two backticks are
    ///   code whatever stands between. A real blank on both sides works, but tears words apart. A character
    ///   that only looks the same is text to every version of every reader.
    /// - `>` at a line's start is a quote even as `&gt;`, therefore it has a look-alike there. Lists and
    ///   headings Slack has none of.
    static func forSlack(_ text: [UInt8]) -> [UInt8] {
        ValueScan.replacing(text) { scan in
            switch scan.byte {
            case UInt8(ascii: "&"): "&amp;"
            case UInt8(ascii: "<"): "&lt;"
            case UInt8(ascii: ">"): scan.position == .start ? "\u{2C3}" : "&gt;"
            default: lookAlike(scan)
            }
        }
    }

    /// U+200B: no blank, and not seen.
    static let zeroWidthSpace = "\u{200B}"

    /// What is set for a mark that could open or close a span.
    ///
    /// Few are touched, for what is copied out of a message has the look-alike in it: `_` inside a word
    /// (`up_time`) and all but backticks between blanks (`5 * 3`) are text in every dialect.
    private static func lookAlike(_ scan: ValueScan) -> String? {
        switch scan.byte {
        case UInt8(ascii: "`"): "\u{2CB}"
        case UInt8(ascii: "*"): scan.isBetweenBlanks ? nil : "\u{2217}"
        case UInt8(ascii: "~"): scan.isBetweenBlanks ? nil : "\u{223C}"
        case UInt8(ascii: "_"): scan.isInWord || scan.isBetweenBlanks ? nil : "\u{2CD}"
        default: nil
        }
    }

    private static func isHarmlessAfterLess(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return byte == 0x20 || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "<")
            || (0x30...0x39).contains(byte)
    }

    private static func ascii(_ byte: UInt8) -> String { String(UnicodeScalar(byte)) }
}
