/// The meaning of an alert's status, in the words that senders use: whether it is over.
///
/// - Rule: letter case and blanks around a word do not matter, and senders' other words for the end are
///   understood. Why: "OK" or "Resolved" that is read as a firing opens an alert that nobody ends. Otherwise:
///   a recovery raises an alarm.
package enum StatusWord {
    /// Words for the end, in lower case.
    private static let ends: [Text] = ["ok", "resolved", "recovered", "recovery", "closed", "normal"]

    /// Whether `word` says that it is over; nil: it does not. `documented` is the format's own word: any
    /// other, and any other spelling, is noted.
    package static func end(_ word: Text, documented: Text) -> ReadingNotes? {
        if word == documented { return [] }
        return ends.contains(word.trimmed.folded) ? .recoveryWord : nil
    }
}
