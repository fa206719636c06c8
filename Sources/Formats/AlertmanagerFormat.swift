import Domain

/// `prometheus`: the webhook of Prometheus Alertmanager, version 4, and of everything that speaks it.
struct AlertmanagerFormat: PushFormat {
    let type = IntegrationType("prometheus")
    let severities = SeverityVocabulary(
        defaultTable: SeverityTable(
            entries: [
                .init(level: "critical", severity: .critical), .init(level: "warning", severity: .warning),
                .init(level: "warn", severity: .warning), .init(level: "info", severity: .info),
                .init(level: "acknowledged", severity: .info), .init(level: "unknown", severity: .info),
                .init(level: "unk", severity: .info),
            ],
            fallback: .warning
        ),
        aliases: [:]
    )

    private let reader = AlertmanagerReader(severityLabels: ["severity", "priority", "level"])

    func decode(_ body: [UInt8], contentType: Text?) throws(DecodeError) -> DecodedDelivery {
        .events(try reader.events(in: PushText(body, contentType: contentType)))
    }
}
