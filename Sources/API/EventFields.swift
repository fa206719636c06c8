import Domain
import Native
import Web

extension JSONWriter {
    /// Title, description, link, labels and annotations of an event or an alert.
    mutating func content(_ content: AlertContent) {
        field("title", content.title)
        field("description", content.description)
        field("link", content.link)
        content.labels.write(to: &self, as: "labels")
        content.annotations.write(to: &self, as: "annotations")
    }

    /// What became of one event of a delivery.
    mutating func result(_ result: EventResult) {
        field("alert_key", result.alertKey)
        field("title", result.title)
        field("severity", result.decision.severity.severity.name)
        field("status", result.status)
        field("severity_guessed", result.decision.severity.isGuessed)
        field("outcome", result.outcome.outcome.name)
        array("channel_ids") { list in
            for channel in result.outcome.channels { list.value(channel.channelID.description) }
        }
        trace(result.trace)
    }

    /// The steps of a decision.
    mutating func trace(_ steps: [TraceStep]) {
        array("trace") { list in
            for step in steps {
                list.object { item in
                    item.field("step", step.stage.rawValue)
                    item.field("detail", step.detail)
                    if !step.routeIDs.isEmpty {
                        item.array("route_ids") { ids in for id in step.routeIDs { ids.value(id) } }
                    }
                    if let id = step.channelID { item.field("channel_id", id) }
                    if let id = step.alertID { item.field("alert_id", id) }
                    if let outcome = step.outcome { item.field("outcome", outcome.name) }
                }
            }
        }
    }
}

extension Query {
    /// `severity`: Critical, Warning or Info.
    func severity() -> Severity? {
        read("severity", "must be Critical, Warning or Info") { Severity(name: $0) }
    }

    /// `status`: Critical, Warning, Info or Ok.
    func status() -> String? {
        read("status", "must be Critical, Warning, Info or Ok") {
            $0 == okStatus || Severity(name: $0) != nil ? $0 : nil
        }
    }
}
