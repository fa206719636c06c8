import Foundation
import Synchronization

/// The formats and patterns that openapi.yaml uses, as JSON Schema means them.
enum SpecFormat {
    private static let compiled = Mutex<[String: NSRegularExpression]>([:])

    /// What is wrong with `text` as `format`; nil when nothing is.
    ///
    /// `isAnswer` demands our own form of times: UTC, three fractional digits.
    static func problem(in text: String, format: String, isAnswer: Bool) -> String? {
        switch format {
        case "date-time":
            if !isDateTime(Array(text.utf8)) { return "is not an RFC 3339 time" }
            let form = #"^....-..-..T..:..:..\.[0-9]{3}Z$"#
            return isAnswer && !matches(text, pattern: form)
                ? "is not in UTC with three fractional digits" : nil
        case "date": return isDateTime(Array((text + "T00:00:00Z").utf8)) ? nil : "is not a day"
        case "uri":
            return matches(text, pattern: "^[a-z][a-z0-9+.-]*://[!-~]+$") ? nil : "is not an absolute URI"
        case "binary": return nil
        default: return "has the format \(format), which the checker does not know"
        }
    }

    /// Whether `pattern` is found in `text`; false for a pattern that does not compile.
    static func matches(_ text: String, pattern: String) -> Bool {
        guard let expression = expression(pattern) else { return false }
        let range = NSRange(text.startIndex..<text.endIndex, in: text)
        return expression.firstMatch(in: text, range: range) != nil
    }

    private static func expression(_ pattern: String) -> NSRegularExpression? {
        compiled.withLock { cache in
            if let known = cache[pattern] { return known }
            let made = try? NSRegularExpression(pattern: endAnchored(pattern))
            cache[pattern] = made
            return made
        }
    }

    /// ECMAScript's `$` is the end of the text; ICU's also stands before a last line feed. `\z` is the
    /// former.
    private static func endAnchored(_ pattern: String) -> String {
        var result = ""
        var isEscaped = false
        var isInClass = false
        for scalar in pattern.unicodeScalars {
            if scalar == "$", !isEscaped, !isInClass {
                result += "\\z"
            } else {
                result.unicodeScalars.append(scalar)
            }
            if !isEscaped {
                if scalar == "[" { isInClass = true }
                if scalar == "]" { isInClass = false }
            }
            isEscaped = scalar == "\\" && !isEscaped
        }
        return result
    }

    /// `2026-11-20T07:18:15.578Z`, any number of fractional digits or none, `Z` or `+08:00`; only days that
    /// exist.
    private static func isDateTime(_ text: [UInt8]) -> Bool {
        guard text.count >= 20, let year = number(text, 0, 4), let month = number(text, 5, 2),
            let day = number(text, 8, 2), let hour = number(text, 11, 2), let minute = number(text, 14, 2),
            let second = number(text, 17, 2)
        else { return false }
        let marks: [(Int, UInt8)] = [(4, 0x2D), (7, 0x2D), (10, 0x54), (13, 0x3A), (16, 0x3A)]
        guard marks.allSatisfy({ text[$0.0] == $0.1 }) else { return false }
        guard (1...12).contains(month), (1...days(of: month, year)).contains(day) else { return false }
        return hour < 24 && minute < 60 && second < 60 && isZone(fractionless(text[19...]))
    }

    private static func days(of month: Int, _ year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// What follows the fraction; empty, and so no zone, when a dot has no digits.
    private static func fractionless(_ rest: ArraySlice<UInt8>) -> [UInt8] {
        guard rest.first == UInt8(ascii: ".") else { return Array(rest) }
        let digits = rest.dropFirst().prefix { $0 >= 0x30 && $0 <= 0x39 }
        return digits.isEmpty ? [] : Array(rest.dropFirst(1 + digits.count))
    }

    private static func isZone(_ text: [UInt8]) -> Bool {
        if text == [UInt8(ascii: "Z")] { return true }
        guard text.count == 6, text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-"), text[3] == 0x3A,
            let hours = number(text, 1, 2), let minutes = number(text, 4, 2)
        else { return false }
        return hours < 24 && minutes < 60
    }

    private static func number(_ text: [UInt8], _ start: Int, _ count: Int) -> Int? {
        let digits = text[start..<start + count]
        guard digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
