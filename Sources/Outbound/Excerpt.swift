import Domain
import Native

/// The beginning of an answer, for people.
enum Excerpt {
    /// At most 512 bytes: invalid UTF-8, controls and invisible characters replaced, runs of white space made one blank, and every
    /// occurrence of a secret of 8 or more bytes replaced by `***`.
    static func text(of body: [UInt8], hiding secrets: [String] = []) -> String {
        var text = UTF8Scan.repairedText(Array(body.prefix(4 * SendLimits.excerptBytes)))
        // The longest first: one may be a part of another.
        for secret in secrets.sorted(by: { $0.utf8.count > $1.utf8.count }) where secret.utf8.count >= 8 {
            text = replacing(secret, in: text)
        }
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isPrintable(scalar) {
                clean.append(scalar)
            } else if clean.last != " ", !clean.isEmpty {
                clean.append(" ")
            }
        }
        return Text(String(clean)).prefix(bytes: SendLimits.excerptBytes).trimmed.string
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            false
        default: true
        }
    }

    /// By bytes: a `String` would compare normalised.
    private static func replacing(_ secret: String, in text: String) -> String {
        let (secret, bytes) = (Array(secret.utf8), Array(text.utf8))
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == secret[0], bytes[index...].starts(with: secret) {
                result += [UInt8]("***" as StaticString)
                index += secret.count
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// The header `Retry-After` (RFC 9110, 10.2.3): a number of seconds or a date.
enum RetryAfter {
    /// Seconds from `now`, 0 or more; nil when it is neither.
    static func seconds(_ text: String, at now: UnixTime) -> Int64? {
        let text = text.utf8.filter { $0 != 0x20 && $0 != 0x09 }
        if (1...9).contains(text.count), text.allSatisfy({ (0x30...0x39).contains($0) }) {
            return Int64(String(decoding: text, as: UTF8.self))
        }
        return date(text).map { max(0, ($0.milliseconds - now.milliseconds + 999) / 1_000) }
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`, here without its blanks: `Sun,06Nov199408:49:37GMT`.
    private static func date(_ text: [UInt8]) -> UnixTime? {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard text.count == 24, text[3] == 0x2C, text.suffix(3).elementsEqual("GMT".utf8) else { return nil }
        let part = { (range: Range<Int>) in String(decoding: text[range], as: UTF8.self) }
        guard let month = months.firstIndex(of: part(6..<9)) else { return nil }
        let number = (month < 9 ? "0" : "") + String(month + 1)
        return UnixTime(rfc3339: "\(part(9..<13))-\(number)-\(part(4..<6))T\(part(13..<21))Z".utf8)
    }
}
