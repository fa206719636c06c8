import Domain

/// 2026-01-01T00:00:00Z, from which tests count their seconds.
let newYear = UnixTime(milliseconds: 1_767_225_600_000)

/// `seconds` after `newYear`.
func at(_ seconds: Int64) -> UnixTime { newYear.adding(seconds: seconds) }

func channel(_ number: UInt64) -> ChannelID { ChannelID(high: 7 << 16, low: number) }

func integration(_ number: UInt64) -> IntegrationID { IntegrationID(high: 8 << 16, low: number) }

func route(_ number: UInt64) -> RouteID { RouteID(high: 9 << 16, low: number) }

func alert(_ number: UInt64) -> AlertID { AlertID(high: 10 << 16, low: number) }

/// A severity without a story.
func verdict(_ severity: Severity) -> SeverityVerdict {
    SeverityVerdict(severity: severity, candidate: nil, alias: nil)
}

/// Labels that a conditional binding or a table can name shortly.
func labels(_ pairs: (Text, Text)...) -> Labels { Labels(pairs) }

/// An event with what a test cares about; starts and ends in seconds after `newYear`.
func event(
    _ key: Text = "cpu",
    title: Text = "CPU high",
    description: Text = "",
    link: Text? = nil,
    labels: Labels = Labels(),
    annotations: Labels = Labels(),
    isRecovery: Bool = false,
    startsAt: Int64? = nil,
    endsAt: Int64? = nil,
    levels: [SeverityCandidate] = [],
    notes: ReadingNotes = []
) -> DecodedEvent {
    DecodedEvent(
        alertKey: key,
        title: title,
        description: description,
        addresses: SourceAddresses(external: link),
        labels: labels,
        annotations: annotations,
        isRecovery: isRecovery,
        startsAt: startsAt.map(at),
        endsAt: endsAt.map(at),
        severityCandidates: levels,
        notes: notes
    )
}

/// The vocabulary of Alibaba Cloud ARMS as the design gives it.
let armsVocabulary = SeverityVocabulary(
    defaultTable: SeverityTable(
        entries: [
            .init(level: "P1", severity: .critical), .init(level: "P2", severity: .warning),
            .init(level: "P3", severity: .warning), .init(level: "P4", severity: .info),
            .init(level: "P5", severity: .info), .init(level: "P6", severity: .info),
        ],
        fallback: .warning
    ),
    aliases: [
        "critical": "p1", "error": "p2", "warning": "p3", "warn": "p3", "page": "p4", "info": "p4",
        "default": "p6",
    ]
)
