import Domain
import Native

/// How a kind of receiver writes bold, links and lines, and what must not come to life in a value that a sender chose.
package struct Markup: Sendable {
    /// Makes a link in the template's own words.
    package typealias Link = @Sendable (_ text: String, _ address: String) -> String

    /// What is set before and after bold text; empty: there is no markup.
    let bold: String
    /// What ends a line.
    let lineEnd: String
    /// What stands for an ampersand in an address.
    let ampersand: String
    /// Makes a value literal text. Of one byte it makes at most six.
    let escape: @Sendable ([UInt8]) -> [UInt8]
    /// What those get who wrote no templates.
    let defaults: DefaultTemplates

    /// `link`: nil where an address stands by itself.
    package init(
        bold: String,
        lineEnd: String,
        link: Link?,
        ampersand: String = "&",
        escape: @escaping @Sendable ([UInt8]) -> [UInt8]
    ) {
        self.bold = bold
        self.lineEnd = lineEnd
        self.ampersand = ampersand
        self.escape = escape
        defaults = DefaultTemplates(bold: bold, lineEnd: lineEnd, link: link)
    }

    package static let plain = Markup(bold: "", lineEnd: "\n", link: nil, escape: { $0 })
}

/// Addresses as a message may hold them.
enum SafeLink {
    /// An address of http or https in which nothing can end a link early or begin a span: what is not plain in a URL is
    /// percent-encoded, and so are the marks of spans where the kind has markup. Nil for any other text.
    static func text(_ link: Text, in markup: Markup) -> Text? {
        let start = link.bytes.prefix(8).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        guard start.starts(with: "https://".utf8) || start.starts(with: "http://".utf8),
            link.bytes.count <= Limits.linkBytes
        else { return nil }
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        result.reserveCapacity(link.bytes.count + 64)
        let hasMarkup = !markup.bold.isEmpty
        for (index, byte) in link.bytes.enumerated() {
            if byte == UInt8(ascii: "&") {
                result += markup.ampersand.utf8
            } else if isPlain(byte), !hasMarkup || !isMark(link.bytes, index) {
                result.append(byte)
            } else {
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return Text(trusted: result)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~:/?#@!$&'*+,;=%".utf8.contains(byte)
        }
    }

    /// Whether a plain byte could open or close a span where the address stands by itself: `*`, `~`, and `_` but inside a word.
    private static func isMark(_ link: [UInt8], _ index: Int) -> Bool {
        switch link[index] {
        case UInt8(ascii: "*"), UInt8(ascii: "~"): return true
        case UInt8(ascii: "_"):
            guard index > 0, index + 1 < link.count else { return true }
            return !ValueScan.isWord(link[index - 1]) || !ValueScan.isWord(link[index + 1])
        default: return false
        }
    }
}
