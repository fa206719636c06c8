import Domain
import Native

/// `standard`: a plain alert event, `{title_rule, event_status, alert_key?, description?, labels?}`, or an array of them.
///
/// `event_status` is `Critical`, `Warning`, `Info` or, for a recovery, `Ok`; other words can be given a severity in the account's
/// table. Without `alert_key` the key is a hash of title and labels; where it has neither, of its description.
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

    func decode(_ body: [UInt8], contentType: Text?) throws(DecodeError) -> DecodedDelivery {
        let text = PushText(body, contentType: contentType)
        let events = try PushJSON.read(text) { (root, notes) throws(DecodeError) -> [DecodedEvent] in
            guard root.elementCount <= Limits.alertsPerPush || root.isObject else { throw .tooManyAlerts }
            var events: [DecodedEvent] = []
            if root.isArray {
                root.forEachElement { item in
                    if let event = event(of: item, notes) { events.append(event) }
                }
            } else if let event = event(of: root, notes) {
                events.append(event)
            }
            guard !events.isEmpty else {
                throw .noAlerts("there is neither \"title_rule\" nor \"event_status\"")
            }
            return events
        }
        return .events(events)
    }

    private func event(of item: JSONValue, _ notes: ReadingNotes) -> DecodedEvent? {
        let title = PushJSON.text(item.member("title_rule"))
        let status = PushJSON.text(item.member("event_status"))?.trimmed
        guard item.isObject, title != nil || status != nil else { return nil }
        let labels = PushJSON.labels(item.member("labels"))
        let description = PushJSON.text(item.member("description")) ?? ""
        let end = status.flatMap { StatusWord.end($0, documented: Text(okStatus)) }
        // A table may know another word for the end as a level.
        let level = end == [] ? nil : status
        let candidates = level.map {
            [SeverityCandidate(field: "event_status", level: $0.prefix(bytes: 255), isStatus: true)]
        }
        return DecodedEvent(
            alertKey: PushJSON.text(item.member("alert_key"))
                ?? Self.key(title: title, labels: labels, description: description),
            title: title ?? "(no name)",
            description: description,
            labels: labels,
            annotations: Labels(),
            isRecovery: end != nil,
            startsAt: nil,
            endsAt: nil,
            severityCandidates: candidates ?? [],
            notes: notes.union(end ?? [])
        )
    }

    private static func key(title: Text?, labels: Labels, description: Text) -> Text {
        guard title != nil || !labels.isEmpty else {
            return AlertKey.hash(title: "", description: description)
        }
        var builder = Labels.Builder()
        for (name, value) in labels.all { builder.append(name, value) }
        // A label's name is never empty in practice, so the title can't be mistaken for one.
        builder.append("", title ?? "")
        return AlertKey.hash(of: builder.build())
    }
}
