import Domain
import Native

/// How a kind of receiver writes bold, links and lines, and what must not come to life in a value that a sender chose.
struct Markup: Sendable {
    /// What is set before and after bold text.
    let bold: String
    /// What ends a line.
    let lineEnd: String
    /// A link in the template's own words; nil: the address alone.
    let link: (@Sendable (_ text: String, _ address: String) -> String)?
    /// Makes a value harmless. Of one byte it makes at most six.
    let escape: @Sendable ([UInt8]) -> [UInt8]

    static func of(_ kind: Notifier.Kind) -> Markup {
        switch kind {
        case .webhook, .email: plain
        case .dingtalk: dingtalk
        case .feishu: feishu
        case .wecom: wecom
        case .slack: slack
        }
    }

    static let plain = Markup(bold: "", lineEnd: "\n", link: nil, escape: { $0 })

    private static let dingtalk = Markup(
        bold: "**",
        lineEnd: "  \n",
        link: { "[\($0)](\($1))" },
        escape: { withoutMarkdown($0, lineEnd: "  \n") }
    )

    private static let wecom = Markup(
        bold: "**",
        lineEnd: "\n",
        link: { "[\($0)](\($1))" },
        escape: { withoutMarkdown($0, lineEnd: "\n") }
    )

    private static let feishu = Markup(
        bold: "**",
        lineEnd: "\n",
        link: { "[\($0)](\($1))" },
        escape: { replacing($0, feishuEntity) }
    )

    private static let slack = Markup(
        bold: "*",
        lineEnd: "\n",
        link: { "<\($1)|\($0)>" },
        escape: { replacing($0, slackEntity) }
    )

    /// Slack's three (https://api.slack.com/reference/surfaces/formatting#escaping): without `<` there is neither mention nor link.
    private static func slackEntity(_ byte: UInt8) -> StaticString? {
        switch byte {
        case UInt8(ascii: "&"): "&amp;"
        case UInt8(ascii: "<"): "&lt;"
        case UInt8(ascii: ">"): "&gt;"
        default: nil
        }
    }

    /// Feishu's cards show these for what its markdown would take for tags, links and emphasis.
    private static func feishuEntity(_ byte: UInt8) -> StaticString? {
        switch byte {
        case UInt8(ascii: "&"): "&#38;"
        case UInt8(ascii: "<"): "&#60;"
        case UInt8(ascii: ">"): "&#62;"
        case UInt8(ascii: "["): "&#91;"
        case UInt8(ascii: "]"): "&#93;"
        case UInt8(ascii: "*"): "&#42;"
        case UInt8(ascii: "~"): "&#126;"
        case UInt8(ascii: "`"): "&#96;"
        case UInt8(ascii: "\\"): "&#92;"
        default: nil
        }
    }

    private static func replacing(_ text: [UInt8], _ entity: (UInt8) -> StaticString?) -> [UInt8] {
        guard text.contains(where: { entity($0) != nil }) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 64)
        for byte in text {
            if let entity = entity(byte) { result += [UInt8](entity) } else { result.append(byte) }
        }
        return result
    }

    /// For the dialects of DingTalk and WeCom, which know no escapes: a blank after `]` where `(` follows or nothing (a link, an image)
    /// and after `<` where a tag, an address or a mention could begin.
    private static func withoutMarkdown(_ text: [UInt8], lineEnd: String) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count + 8)
        for (index, byte) in text.enumerated() {
            if byte == 0x0A {
                result += lineEnd.utf8
                continue
            }
            result.append(byte)
            let next = index + 1 < text.count ? text[index + 1] : nil
            if byte == UInt8(ascii: "]"), next == nil || next == UInt8(ascii: "(") { result.append(0x20) }
            if byte == UInt8(ascii: "<"), !isHarmlessAfterLess(next) { result.append(0x20) }
        }
        return result
    }

    private static func isHarmlessAfterLess(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return byte == 0x20 || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "<")
            || (0x30...0x39).contains(byte)
    }
}

/// Addresses as a message may hold them.
enum SafeLink {
    /// An address of http or https in which nothing can end a link early: what is not plain in a URL is percent-encoded. Nil for any
    /// other text.
    static func text(_ link: Text, kind: Notifier.Kind) -> Text? {
        let start = link.bytes.prefix(8).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        guard start.starts(with: "https://".utf8) || start.starts(with: "http://".utf8),
            link.bytes.count <= Limits.linkBytes
        else { return nil }
        let digits = Array("0123456789ABCDEF".utf8)
        var result: [UInt8] = []
        result.reserveCapacity(link.bytes.count + 64)
        for byte in link.bytes {
            if byte == UInt8(ascii: "&"), kind == .slack {
                result += [UInt8]("&amp;" as StaticString)
            } else if isPlain(byte) {
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
}
