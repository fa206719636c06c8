/// The repairs that it took to read an alert that was not written as its format says. A flag of the event,
/// and a sentence of its trace.
///
/// - Source: openapi.yaml, schema `ReadingFlags`.
package struct ReadingNotes: OptionSet, Hashable, Sendable {
    /// The form that the database holds; no bit ever changes its meaning.
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static let cut = ReadingNotes(rawValue: 1 << 0)
    package static let controlCharacters = ReadingNotes(rawValue: 1 << 1)
    package static let trailingComma = ReadingNotes(rawValue: 1 << 2)
    package static let notANumber = ReadingNotes(rawValue: 1 << 3)
    package static let largeNumber = ReadingNotes(rawValue: 1 << 4)
    package static let loneSurrogate = ReadingNotes(rawValue: 1 << 5)
    package static let byteOrderMark = ReadingNotes(rawValue: 1 << 6)
    package static let trailingNUL = ReadingNotes(rawValue: 1 << 7)
    package static let bodyInString = ReadingNotes(rawValue: 1 << 8)
    package static let charset = ReadingNotes(rawValue: 1 << 9)
    package static let invalidText = ReadingNotes(rawValue: 1 << 10)
    package static let recoveryWord = ReadingNotes(rawValue: 1 << 11)
    package static let recoveryByTable = ReadingNotes(rawValue: 1 << 12)
    package static let unreadableTime = ReadingNotes(rawValue: 1 << 13)
    /// The table maps the level of what says so itself to `Ok`: for the trace alone, no flag.
    package static let recoveryLevel = ReadingNotes(rawValue: 1 << 14)

    /// The word on the wire and the sentence of the trace.
    package struct Note: Sendable {
        fileprivate let bit: ReadingNotes
        package let name: String
        package let detail: String
    }

    /// In the order in which they are told.
    package static let all = [
        Note(
            bit: .charset,
            name: "charset",
            detail: "the body was in another encoding than UTF-8, by its Content-Type or its byte-order mark"
        ),
        Note(
            bit: .invalidText,
            name: "invalid_text",
            detail:
                "the body holds bytes that are no UTF-8, and no charset of its Content-Type explains them: they are shown as U+FFFD; "
                + "the alert's identity was made from the bytes as they came"
        ),
        Note(
            bit: .byteOrderMark,
            name: "byte_order_mark",
            detail: "byte-order marks before the body were skipped"
        ),
        Note(bit: .trailingNUL, name: "trailing_nul", detail: "NUL bytes after the body were dropped"),
        Note(
            bit: .bodyInString,
            name: "body_in_string",
            detail: "the body was a JSON string that held the real body: it was read from there"
        ),
        Note(
            bit: .controlCharacters,
            name: "control_characters",
            detail: "line feeds, tabs or other control characters stood unescaped in JSON strings"
        ),
        Note(
            bit: .trailingComma,
            name: "trailing_comma",
            detail: "a comma before a closing bracket was dropped"
        ),
        Note(
            bit: .notANumber,
            name: "not_a_number",
            detail: "NaN or Infinity, which JSON does not have, was read as a text"
        ),
        Note(
            bit: .largeNumber,
            name: "large_number",
            detail: "a number of more than 64 bits was read as a text"
        ),
        Note(
            bit: .loneSurrogate,
            name: "lone_surrogate",
            detail: "half of an escaped character (a lone surrogate) became U+FFFD"
        ),
        Note(
            bit: .cut,
            name: "cut",
            detail: "some of the alert's text was over the limits and was cut or dropped"
        ),
        Note(
            bit: .unreadableTime,
            name: "unreadable_time",
            detail:
                "a start or end could not be read as a moment (RFC 3339 with an offset, or Unix seconds or milliseconds): "
                + "the time of receipt stands in for it"
        ),
        Note(
            bit: .recoveryWord,
            name: "recovery_word",
            detail: "its status says that it is over in another word than the documented one: a recovery"
        ),
        Note(
            bit: .recoveryByTable,
            name: "recovery_by_table",
            detail: "the severity table maps its level to Ok: a recovery"
        ),
    ]

    /// The notes that are set.
    package var notes: [Note] { isEmpty ? [] : Self.all.filter { contains($0.bit) } }
}
