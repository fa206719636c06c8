import Domain
import Native

/// Reads a body in Alertmanager's webhook form: `status`, `externalURL`, `commonLabels`, `commonAnnotations` and `alerts[]`, each
/// with `status`, `labels`, `annotations`, `startsAt`, `endsAt`, `fingerprint`, `generatorURL`. All of it is optional but `alerts`.
///
/// - Status is read per alert: a firing group may hold resolved ones. Only `status` says what an alert is; `endsAt` does not.
/// - `0001-01-01T00:00:00Z` means "none".
struct AlertmanagerReader: Sendable {
    /// Labels that say how bad an alert is and not which one it is, so a hash of labels leaves them out.
    private static let levelLabels: [StaticString] = [
        "severity", "priority", "level", "_aliyun_arms_alert_level",
    ]

    /// Labels that may name the severity, the most trusted first.
    let severityLabels: [StaticString]

    /// What the alerts of a group share.
    private struct Group {
        let labels: JSONValue?
        let annotations: JSONValue?
        let isResolved: Bool
        let link: Text?
    }

    /// The events of `body`, at least one.
    func events(in body: [UInt8]) throws(DecodeError) -> [DecodedEvent] {
        try PushJSON.read(body) { root throws(DecodeError) in
            guard let alerts = root.member("alerts"), alerts.isArray else {
                throw .noAlerts("there is no array \"alerts\"")
            }
            guard alerts.elementCount <= Limits.alertsPerPush else { throw .tooManyAlerts }
            let group = Group(
                labels: root.member("commonLabels"),
                annotations: root.member("commonAnnotations"),
                isResolved: root.member("status")?.string?.equals("resolved") ?? false,
                link: PushJSON.text(root.member("externalURL"))
            )
            var events: [DecodedEvent] = []
            events.reserveCapacity(alerts.elementCount)
            alerts.forEachElement { alert in
                if alert.isObject { events.append(event(of: alert, in: group)) }
            }
            guard !events.isEmpty else { throw .noAlerts("the array \"alerts\" holds no objects") }
            return events
        }
    }

    private func event(of alert: JSONValue, in group: Group) -> DecodedEvent {
        let own = alert.member("labels")
        let labels = PushJSON.labels(group.labels, own)
        let annotations = PushJSON.labels(group.annotations, alert.member("annotations"))
        let status = alert.member("status")?.string
        return DecodedEvent(
            alertKey: PushJSON.text(alert.member("fingerprint"))?.trimmed
                ?? AlertKey.hash(of: PushJSON.labels(own), excluding: Self.levelLabels),
            title: labels.text("alertname") ?? annotations.text("summary") ?? "(no name)",
            description: description(annotations, common: group.annotations),
            link: group.link ?? PushJSON.text(alert.member("generatorURL")),
            labels: labels,
            annotations: annotations,
            isRecovery: status?.equals("resolved") ?? group.isResolved,
            startsAt: PushJSON.time(alert.member("startsAt")),
            endsAt: PushJSON.time(alert.member("endsAt")),
            severityCandidates: candidates(labels, common: group.labels)
        )
    }

    private func description(_ annotations: Labels, common: JSONValue?) -> Text {
        for name in ["message", "description", "summary"] as [StaticString] {
            if let text = annotations.text(name) ?? PushJSON.text(common?.member(name)) { return text }
        }
        return ""
    }

    /// The alert's own label before the common one of the same name.
    private func candidates(_ labels: Labels, common: JSONValue?) -> [SeverityCandidate] {
        var result: [SeverityCandidate] = []
        for name in severityLabels {
            guard let level = labels.text(name) ?? PushJSON.text(common?.member(name)) else { continue }
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
