/// Text that grows into an HTML document.
///
/// Names of elements and attributes are literals of this program; everything else is escaped. So nothing of a document that is shown can
/// become markup.
struct HTML {
    private(set) var text = ""

    init() {}

    /// A whole element; `content` fills it.
    mutating func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String> = [:],
        _ content: (inout HTML) -> Void
    ) {
        open(name, attributes)
        content(&self)
        text += "</\(name)>"
    }

    /// An element that holds text alone.
    mutating func element(
        _ name: StaticString,
        _ attributes: KeyValuePairs<StaticString, String> = [:],
        text content: String
    ) {
        element(name, attributes) { $0.write(content) }
    }

    /// An element that holds nothing and has no end, such as `meta`; or the beginning of one.
    mutating func open(_ name: StaticString, _ attributes: KeyValuePairs<StaticString, String> = [:]) {
        text += "<\(name)"
        for (name, value) in attributes {
            text += " \(name)=\""
            write(value)
            text += "\""
        }
        text += ">"
    }

    /// Text, escaped.
    mutating func write(_ content: String) {
        guard content.utf8.contains(where: Self.isSpecial) else {
            text += content
            return
        }
        for scalar in content.unicodeScalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&#39;"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// Markup of this program.
    mutating func markup(_ literal: StaticString) {
        text += "\(literal)"
    }

    /// The style of the page, as it is: a style element knows no escapes.
    mutating func style(_ sheet: String) {
        precondition(!sheet.contains("</"), "a style sheet can't end its own element")
        text += "<style>\(sheet)</style>"
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""), UInt8(ascii: "'"):
            true
        default: false
        }
    }
}
