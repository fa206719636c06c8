import Domain
import Native

/// `standard`: a plain alert event, `{title_rule, event_status, alert_key?, description?, labels?}`, or an array of them.
///
/// `event_status` is `Critical`, `Warning`, `Info` or, for a recovery, `Ok`; other words can be given a severity in the account's
/// table. Without `alert_key` the key is a hash of title and labels.
struct StandardFormat: PushFormat {
    let type = IntegrationType("standard")
    let severities = SeverityVocabulary(
        defaultTable: SeverityTable(
            entries: [
                .init(level: "Critical", severity: .critical), .init(level: "Warning", severity: .warning),
                .init(level: "Info", severity: .info),
            ],
            fallback: .warning
        ),
        aliases: [:]
    )

    func decode(_ body: [UInt8]) throws(DecodeError) -> DecodedDelivery {
        let events = try PushJSON.read(body) { root throws(DecodeError) in
            guard root.elementCount <= Limits.alertsPerPush || root.isObject else { throw .tooManyAlerts }
            var events: [DecodedEvent] = []
            if root.isArray {
                root.forEachElement { item in
                    if let event = event(of: item) { events.append(event) }
                }
            } else if let event = event(of: root) {
                events.append(event)
            }
            guard !events.isEmpty else {
                throw .noAlerts("there is neither \"title_rule\" nor \"event_status\"")
            }
            return events
        }
        return .events(events)
    }

    private func event(of item: JSONValue) -> DecodedEvent? {
        let title = PushJSON.text(item.member("title_rule"))
        let status = PushJSON.text(item.member("event_status"))?.trimmed
        guard item.isObject, title != nil || status != nil else { return nil }
        let labels = PushJSON.labels(item.member("labels"))
        let isRecovery = status == "Ok"
        let candidates =
            isRecovery
            ? [] : status.map { [SeverityCandidate(field: "event_status", level: $0.prefix(bytes: 255))] }
        return DecodedEvent(
            alertKey: PushJSON.text(item.member("alert_key")) ?? Self.key(title: title, labels: labels),
            title: title ?? "(no name)",
            description: PushJSON.text(item.member("description")) ?? "",
            link: nil,
            labels: labels,
            annotations: Labels(),
            isRecovery: isRecovery,
            startsAt: nil,
            endsAt: nil,
            severityCandidates: candidates ?? []
        )
    }

    private static func key(title: Text?, labels: Labels) -> Text {
        var builder = Labels.Builder()
        for (name, value) in labels.all { builder.append(name, value) }
        // A label's name is never empty in practice, so the title can't be mistaken for one.
        builder.append("", title ?? "")
        return AlertKey.hash(of: builder.build())
    }
}
