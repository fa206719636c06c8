/// How bad a firing alert is. The raw value is what the database holds; a worse one is greater.
package enum Severity: UInt8, Comparable, CaseIterable, Sendable {
    case info = 1
    case warning = 2
    case critical = 3

    /// The wire spelling: `Critical`, `Warning`, `Info`.
    package var name: String {
        switch self {
        case .info: "Info"
        case .warning: "Warning"
        case .critical: "Critical"
        }
    }

    /// Reads the exact wire spelling.
    package init?(name: String) {
        guard let match = Severity.allCases.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
            return nil
        }
        self = match
    }

    package static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
}

/// The wire spelling of the status of a recovered or closed alert.
package let okStatus = "Ok"

/// A text that may name a severity in an alert, and where it was found.
package struct SeverityCandidate: Sendable, Equatable {
    /// The field it was read from, for the trace: `severity`, `_aliyun_arms_alert_level` ...
    package let field: String
    /// The text as sent, not blank, at most 255 bytes.
    package let level: Text

    package init(field: String, level: Text) {
        self.field = field
        self.level = level
    }
}

/// A map from a source's levels to severities: a tenant's own, or the default of an integration type.
package struct SeverityTable: Sendable, Equatable {
    /// One row as its owner wrote it.
    package struct Entry: Sendable, Equatable {
        /// 1 to 64 scalars, without white space at the ends.
        package let level: Text
        package let severity: Severity

        package init(level: Text, severity: Severity) {
            self.level = level
            self.severity = severity
        }
    }

    /// In the order in which they were written; no two levels fold to the same key.
    package let entries: [Entry]
    /// What an alert gets when none of its candidates is known; the event is then marked `severity_guessed`.
    package let fallback: Severity
    private let byFoldedLevel: [Text: Severity]

    /// A later row with the same folded level wins.
    package init(entries: [Entry], fallback: Severity) {
        self.entries = entries
        self.fallback = fallback
        byFoldedLevel = Dictionary(entries.map { ($0.level.folded, $0.severity) }) { $1 }
    }

    /// The severity of a folded level.
    package func severity(ofFolded level: Text) -> Severity? {
        byFoldedLevel[level]
    }
}

/// What an integration type knows of severities: its default table and other words for the levels in it.
package struct SeverityVocabulary: Sendable {
    /// Used by accounts that have no table of their own for the type.
    package let defaultTable: SeverityTable
    /// Folded word -> folded level of the table that it stands for, when the table has no row for the word itself.
    package let aliases: [Text: Text]

    package init(defaultTable: SeverityTable, aliases: [Text: Text]) {
        self.defaultTable = defaultTable
        self.aliases = aliases
    }
}

/// How an event came by its severity.
package struct SeverityVerdict: Sendable, Equatable {
    package let severity: Severity
    /// The candidate that decided; nil when the fallback did.
    package let candidate: SeverityCandidate?
    /// The level of the table that the candidate is another word for.
    package let alias: Text?

    /// Whether nothing in the alert said a severity that the table knows.
    package var isGuessed: Bool { candidate == nil }

    package init(severity: Severity, candidate: SeverityCandidate?, alias: Text?) {
        self.severity = severity
        self.candidate = candidate
        self.alias = alias
    }

    /// The first candidate that resolves wins: by its own text in the table, else by its alias. None: the fallback.
    package init(_ candidates: [SeverityCandidate], table: SeverityTable, vocabulary: SeverityVocabulary) {
        for candidate in candidates {
            let level = candidate.level.folded
            if let severity = table.severity(ofFolded: level) {
                self.init(severity: severity, candidate: candidate, alias: nil)
                return
            }
            if let alias = vocabulary.aliases[level], let severity = table.severity(ofFolded: alias) {
                self.init(severity: severity, candidate: candidate, alias: alias)
                return
            }
        }
        self.init(severity: table.fallback, candidate: nil, alias: nil)
    }
}
