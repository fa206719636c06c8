import Domain
import Native

/// Reads a body in Alertmanager's webhook form: `status`, `externalURL`, `commonLabels`, `commonAnnotations` and `alerts[]`, each
/// with `status`, `labels`, `annotations`, `startsAt`, `endsAt`, `fingerprint`, `generatorURL`. All of it is optional but `alerts`.
///
/// - Status is read per alert: a firing group may hold resolved ones. Only `status` says what an alert is; `endsAt` does not.
/// - The link is the first of `externalURL` and `generatorURL` that people can open.
/// - `0001-01-01T00:00:00Z` means "none".
struct AlertmanagerReader: Sendable {
    /// Labels that say how bad an alert is and not which one it is, so a hash of labels leaves them out.
    private static let levelLabels: [StaticString] = [
        "severity", "priority", "level", "_aliyun_arms_alert_level",
    ]

    /// Labels that may name the severity, the most trusted first.
    let severityLabels: [StaticString]

    /// Bytes of common labels and annotations that the alerts of one body may take over in all. Beyond it an alert keeps its own and is
    /// flagged: a body of 40 kB could otherwise grow to gigabytes.
    private static let commonBytes = 8 << 20

    /// What the alerts of a group share.
    private struct Group {
        let labels: Labels
        let annotations: Labels
        /// The labels as they were sent, when some of them were dropped or cut.
        let sentLabels: Labels?
        /// Whether some labels or annotations were dropped or cut.
        let wasCut: Bool
        /// Whether the group's status says that it is over, and how; nil: it does not.
        let end: ReadingNotes?
        let address: Text?
        /// What had to be done to read the body.
        let notes: ReadingNotes
        /// Bytes that may still be taken over.
        var budget = AlertmanagerReader.commonBytes

        /// The labels and annotations for one more alert, whether something of them is missing, and the labels as sent when some of those are.
        mutating func take() -> (labels: Labels, annotations: Labels, wasCut: Bool, sentLabels: Labels?) {
            budget -= labels.byteCount + annotations.byteCount
            guard budget < 0 else { return (labels, annotations, wasCut, sentLabels) }
            return (Labels(), Labels(), true, sentLabels ?? labels)
        }
    }

    /// The events of `body`, at least one.
    func events(in text: PushText) throws(DecodeError) -> [DecodedEvent] {
        try PushJSON.read(text) { (root, notes) throws(DecodeError) -> [DecodedEvent] in
            guard let alerts = root.member("alerts"), alerts.isArray else {
                throw .noAlerts("there is no array \"alerts\"")
            }
            guard alerts.elementCount <= Limits.alertsPerPush else { throw .tooManyAlerts }
            let sentLabels = PushJSON.labels(root.member("commonLabels"))
            let (labels, labelsCut) = sentLabels.capped()
            let (annotations, annotationsCut) = PushJSON.labels(root.member("commonAnnotations")).capped()
            var group = Group(
                labels: labels,
                annotations: annotations,
                sentLabels: labelsCut ? sentLabels : nil,
                wasCut: labelsCut || annotationsCut,
                end: Self.end(root.member("status")) ?? nil,
                address: PushJSON.text(root.member("externalURL")),
                notes: notes
            )
            var events: [DecodedEvent] = []
            events.reserveCapacity(alerts.elementCount)
            alerts.forEachElement { alert in
                if alert.isObject { events.append(event(of: alert, in: &group)) }
            }
            guard !events.isEmpty else { throw .noAlerts("the array \"alerts\" holds no objects") }
            return events
        }
    }

    private func event(of alert: JSONValue, in group: inout Group) -> DecodedEvent {
        let own = alert.member("labels")
        let common = group.take()
        let labels = PushJSON.labels(over: common.labels, own)
        let annotations = PushJSON.labels(over: common.annotations, alert.member("annotations"))
        let end = Self.end(alert.member("status")) ?? group.end
        let (starts, ends) = (PushJSON.time(alert.member("startsAt")), PushJSON.time(alert.member("endsAt")))
        var notes = group.notes.union(end ?? [])
        if common.wasCut { notes.insert(.cut) }
        if starts == .unreadable || ends == .unreadable { notes.insert(.unreadableTime) }
        let title = labels.text("alertname") ?? annotations.text("summary") ?? "(no name)"
        let description = description(annotations, common: common.annotations)
        return DecodedEvent(
            alertKey: PushJSON.text(alert.member("fingerprint"))?.trimmed
                ?? Self.key(PushJSON.labels(own), title: title, description: description),
            title: title,
            description: description,
            addresses: SourceAddresses(
                external: group.address,
                generator: PushJSON.text(alert.member("generatorURL"))
            ),
            labels: labels,
            annotations: annotations,
            isRecovery: end != nil,
            startsAt: starts.time,
            endsAt: ends.time,
            severityCandidates: candidates(labels, common: common.labels),
            notes: notes,
            common: common.sentLabels
        )
    }

    /// Whether a status says that it is over; nil: it says nothing.
    private static func end(_ status: JSONValue?) -> ReadingNotes?? {
        guard let word = status?.string, !word.isBlank else { return nil }
        if word.equals("firing") { return .some(nil) }
        return .some(StatusWord.end(Text(repairing: word.bytes), documented: "resolved"))
    }

    /// Labels say which alert it is, but for how bad it is; where there are none, its texts do.
    private static func key(_ labels: Labels, title: Text, description: Text) -> Text {
        let isNothing = labels.all.allSatisfy { name, _ in
            levelLabels.contains { [UInt8]($0) == name.bytes }
        }
        return isNothing
            ? AlertKey.hash(title: title, description: description)
            : AlertKey.hash(of: labels, excluding: levelLabels)
    }

    private func description(_ annotations: Labels, common: Labels) -> Text {
        for name in ["message", "description", "summary"] as [StaticString] {
            if let text = annotations.text(name) ?? common.text(name) { return text }
        }
        return ""
    }

    /// The alert's own label before the common one of the same name.
    private func candidates(_ labels: Labels, common: Labels) -> [SeverityCandidate] {
        var result: [SeverityCandidate] = []
        for name in severityLabels {
            guard let level = labels.text(name) ?? common.text(name) else { continue }
            result.append(SeverityCandidate(field: name.description, level: level.trimmed.prefix(bytes: 255)))
        }
        return result
    }
}

extension Labels {
    /// The value of `name`, when it is there and not blank.
    fileprivate func text(_ name: StaticString) -> Text? {
        value(of: name).flatMap { $0.isBlank ? nil : $0 }
    }
}
