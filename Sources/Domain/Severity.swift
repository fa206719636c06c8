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

/// What a row of a severity table makes of its level.
package enum LevelMeaning: Sendable, Equatable {
    case severity(Severity)
    /// An alert of that level is over.
    case recovery

    /// Every wire spelling: the severities, the worst first, and `Ok`.
    package static let names = Severity.allCases.reversed().map(\.name) + [okStatus]

    /// The wire spelling.
    package var name: String {
        switch self {
        case .severity(let severity): severity.name
        case .recovery: okStatus
        }
    }

    /// Reads the exact wire spelling.
    package init?(name: String) {
        if let severity = Severity(name: name) {
            self = .severity(severity)
        } else if name.utf8.elementsEqual(okStatus.utf8) {
            self = .recovery
        } else {
            return nil
        }
    }

    /// nil: a recovery.
    package var severity: Severity? {
        if case .severity(let severity) = self { severity } else { nil }
    }
}

/// A text that may name a severity in an alert, and where it was found.
package struct SeverityCandidate: Sendable, Equatable {
    /// The field it was read from, for the trace: `severity`, `_aliyun_arms_alert_level` ...
    package let field: String
    /// The text as sent, not blank, at most 255 bytes.
    package let level: Text
    /// Whether the same field says whether the alert is over.
    package let isStatus: Bool

    package init(field: String, level: Text, isStatus: Bool = false) {
        self.field = field
        self.level = level
        self.isStatus = isStatus
    }
}

/// A map from a source's levels to severities: a tenant's own, or the default of an integration type.
package struct SeverityTable: Sendable, Equatable {
    /// One row as its owner wrote it.
    package struct Entry: Sendable, Equatable {
        /// 1 to 64 scalars, without white space at the ends.
        package let level: Text
        package let meaning: LevelMeaning

        package init(level: Text, severity: Severity) {
            self.init(level: level, meaning: .severity(severity))
        }

        package init(level: Text, meaning: LevelMeaning) {
            self.level = level
            self.meaning = meaning
        }
    }

    /// In the order in which they were written; no two levels fold to the same key.
    package let entries: [Entry]
    /// What an alert gets when none of its candidates is known; the event is then marked `severity_guessed`.
    package let fallback: Severity
    private let byFoldedLevel: [Text: LevelMeaning]

    /// A later row with the same folded level wins.
    package init(entries: [Entry], fallback: Severity) {
        self.entries = entries
        self.fallback = fallback
        byFoldedLevel = Dictionary(entries.map { ($0.level.folded, $0.meaning) }) { $1 }
    }

    /// What a folded level means.
    package func meaning(ofFolded level: Text) -> LevelMeaning? {
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
    /// The table's fallback, where the level means a recovery.
    package let severity: Severity
    /// Whether the level means that the alert is over.
    package let meansRecovery: Bool
    /// The candidate that decided; nil when the fallback did.
    package let candidate: SeverityCandidate?
    /// The level of the table that the candidate is another word for.
    package let alias: Text?

    /// Whether nothing in the alert said a severity that the table knows.
    package var isGuessed: Bool { candidate == nil }

    package init(
        severity: Severity,
        candidate: SeverityCandidate?,
        alias: Text?,
        meansRecovery: Bool = false
    ) {
        self.severity = severity
        self.meansRecovery = meansRecovery
        self.candidate = candidate
        self.alias = alias
    }

    /// The first candidate that resolves wins: by its own text in the table, else by its alias. None: the fallback.
    package init(_ candidates: [SeverityCandidate], table: SeverityTable, vocabulary: SeverityVocabulary) {
        for candidate in candidates {
            let level = candidate.level.folded
            if let meaning = table.meaning(ofFolded: level) {
                self.init(meaning, candidate, alias: nil, table.fallback)
                return
            }
            if let alias = vocabulary.aliases[level], let meaning = table.meaning(ofFolded: alias) {
                self.init(meaning, candidate, alias: alias, table.fallback)
                return
            }
        }
        self.init(severity: table.fallback, candidate: nil, alias: nil)
    }

    private init(
        _ meaning: LevelMeaning,
        _ candidate: SeverityCandidate,
        alias: Text?,
        _ fallback: Severity
    ) {
        self.init(
            severity: meaning.severity ?? fallback,
            candidate: candidate,
            alias: alias,
            meansRecovery: meaning == .recovery
        )
    }
}
