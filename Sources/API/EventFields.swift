import Domain
import Native
import Web

extension JSONWriter {
    /// Title, description, link, labels and annotations of an event or an alert.
    mutating func content(_ content: AlertContent) {
        field("title", content.title)
        field("description", content.description)
        field("link", content.link)
        field("external_url", content.addresses.external)
        field("generator_url", content.addresses.generator)
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
        array("flags") { list in for note in result.notes.notes { list.value(note.name) } }
        field("outcome", result.outcome.outcome.name)
        array("channel_ids") { list in
            for channel in result.outcome.channels { list.value(channel.channelID.description) }
        }
        trace(result.trace)
    }

    /// Results from the place `first` on, of `total`: they end early when they are large.
    mutating func results(_ results: some RandomAccessCollection<EventResult>, first: Int, total: Int) {
        let shown = cutArray("results", results) { $1.result($0) }
        let next = first + shown
        field("results_next", next < total && shown > 0 ? ResultPage.cursor(next) : nil)
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

/// Which results of a delivery are shown.
struct ResultPage: Sendable {
    /// Results that are shown at once, unless less are asked for.
    static let most = 1_000

    /// Their places among all.
    let range: Range<Int>

    /// From the place `first` on.
    init(first: Int = 0, limit: Int = most) {
        range = first..<first + limit
    }

    /// Those of `results`, which are all.
    func of(_ results: [EventResult]) -> ArraySlice<EventResult> {
        results[range.clamped(to: 0..<results.count)]
    }

    /// The text of a place.
    static func cursor(_ place: Int) -> String { Cursor.encode(EventID(high: 0, low: UInt64(place))) }
}

extension Query {
    /// `results_limit` and `results_cursor`.
    func results() -> ResultPage {
        let limit = read("results_limit", "must be a whole number from 1 to \(ResultPage.most)") { text in
            Int(text).flatMap { (1...ResultPage.most).contains($0) ? $0 : nil }
        }
        let wrong = "is not a cursor of results: take results_next of the answer before"
        let first = read("results_cursor", wrong) { text in
            Cursor.decode(text, EventKind.self).flatMap { id in
                id.high == 0 && id.low <= Limits.alertsPerPush ? Int(id.low) : nil
            }
        }
        return ResultPage(first: first ?? 0, limit: limit ?? ResultPage.most)
    }

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
