import Domain
import Testing

@Suite("Severity")
struct SeverityTests {
    @Test(
        "reads its exact wire spelling alone",
        arguments: [
            ("Critical", .critical), ("Warning", .warning), ("Info", .info), ("critical", nil),
            ("CRITICAL", nil),
            ("Ok", nil), ("", nil), (" Info", nil), ("P1", nil),
        ] as [(String, Severity?)]
    )
    func name(text: String, severity: Severity?) {
        #expect(Severity(name: text) == severity)
    }

    @Test("prints what it reads", arguments: Severity.allCases)
    func roundTrip(severity: Severity) {
        #expect(Severity(name: severity.name) == severity)
    }

    @Test("a worse one is greater")
    func order() {
        #expect(Severity.allCases.sorted() == [.info, .warning, .critical])
    }
}

@Suite("SeverityTable")
struct SeverityTableTests {
    @Test(
        "the default table of ARMS knows display names and the words on the wire",
        arguments: [
            ("P1", .critical, nil), ("P2", .warning, nil), ("P3", .warning, nil), ("P4", .info, nil),
            ("P5", .info, nil), ("P6", .info, nil), ("p1", .critical, nil), (" P1 ", .critical, nil),
            ("critical", .critical, "p1"), ("CRITICAL", .critical, "p1"), ("error", .warning, "p2"),
            ("warning", .warning, "p3"), ("warn", .warning, "p3"), ("page", .info, "p4"),
            ("info", .info, "p4"),
            ("default", .info, "p6"),
        ] as [(Text, Severity, Text?)]
    )
    func arms(level: Text, severity: Severity, alias: Text?) {
        let candidate = SeverityCandidate(field: "severity", level: level)
        let result = SeverityVerdict(
            [candidate],
            table: armsVocabulary.defaultTable,
            vocabulary: armsVocabulary
        )
        #expect(result == SeverityVerdict(severity: severity, candidate: candidate, alias: alias))
    }

    @Test(
        "what the table does not know gets the fallback and counts as guessed",
        arguments: [[], ["sev1"], ["P0", "P7"], ["é"], ["P 1"]] as [[Text]]
    )
    func fallback(levels: [Text]) {
        let candidates = levels.map { SeverityCandidate(field: "severity", level: $0) }
        let result = SeverityVerdict(
            candidates,
            table: armsVocabulary.defaultTable,
            vocabulary: armsVocabulary
        )
        #expect(result == SeverityVerdict(severity: .warning, candidate: nil, alias: nil))
        #expect(result.isGuessed)
    }

    @Test(
        "the first candidate that resolves wins",
        arguments: [
            (["P4", "P1"], 0), (["whatever", "P1"], 1), (["page", "critical"], 0), (["x", "y", "error"], 2),
        ] as [([Text], Int)]
    )
    func firstWins(levels: [Text], winner: Int) {
        let fields = ["severity", "_aliyun_arms_alert_level", "priority"]
        let candidates = zip(fields, levels).map { SeverityCandidate(field: $0, level: $1) }
        let result = SeverityVerdict(
            candidates,
            table: armsVocabulary.defaultTable,
            vocabulary: armsVocabulary
        )
        #expect(result.candidate == candidates[winner])
    }

    @Test("a candidate that resolves is no guess")
    func notGuessed() {
        let candidate = SeverityCandidate(field: "severity", level: "critical")
        let result = SeverityVerdict(
            [candidate],
            table: armsVocabulary.defaultTable,
            vocabulary: armsVocabulary
        )
        #expect(!result.isGuessed)
    }

    @Test(
        "a tenant's own table decides",
        arguments: [
            ("sev1", .critical), ("SEV1", .critical), ("critical", .info), ("Störung", .critical),
            ("STÖRUNG", .critical),
            ("page", .warning), ("error", .critical), ("P2", .critical), ("P1", .info),
        ] as [(Text, Severity)]
    )
    func ownTable(level: Text, severity: Severity) {
        // It has a row for the word `critical` itself, moves P2, and lacks P1 and P4.
        let table = SeverityTable(
            entries: [
                .init(level: "sev1", severity: .critical), .init(level: "Critical", severity: .info),
                .init(level: "Störung", severity: .critical), .init(level: "page", severity: .warning),
                .init(level: "P2", severity: .critical),
            ],
            fallback: .info
        )
        let candidate = SeverityCandidate(field: "severity", level: level)
        #expect(SeverityVerdict([candidate], table: table, vocabulary: armsVocabulary).severity == severity)
    }

    @Test("an alias of a level that the table lacks does not resolve")
    func aliasWithoutRow() {
        let table = SeverityTable(entries: [.init(level: "P2", severity: .critical)], fallback: .info)
        let candidates = [
            SeverityCandidate(field: "severity", level: "critical"),
            SeverityCandidate(field: "level", level: "error"),
        ]
        let result = SeverityVerdict(candidates, table: table, vocabulary: armsVocabulary)
        #expect(result == SeverityVerdict(severity: .critical, candidate: candidates[1], alias: "p2"))
    }

    @Test("of two rows that fold alike the later one counts")
    func laterRow() {
        let table = SeverityTable(
            entries: [.init(level: "P1", severity: .info), .init(level: "p1", severity: .critical)],
            fallback: .info
        )
        #expect(table.meaning(ofFolded: "p1") == .severity(.critical))
    }
}
