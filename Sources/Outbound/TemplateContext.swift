import Domain
import Mustache

/// What a template may name. The names are those of the API's fields; some are added for people.
///
/// Values are one line each but for `description`; controls are blanks. `url` and `link` are inserted as they are: they were made harmless
/// before, and an escape would break them.
struct TemplateContext: MustacheParent, MustacheCustomRenderable {
    /// Bytes of a value inside a list.
    static let listValueBytes = 512
    /// Labels that the default texts show, and bytes of a value there.
    static let mainLabels = 12
    static let mainValueBytes = 128

    let message: OutboundMessage
    let kind: Notifier.Kind
    let words: Words
    let time: LocalTime
    private let url: MustacheTemplate?
    private let link: MustacheTemplate?

    init(message: OutboundMessage, kind: Notifier.Kind, words: Words, time: LocalTime) {
        self.message = message
        self.kind = kind
        self.words = words
        self.time = time
        switch message.message {
        case .alert(let news):
            url = Self.address(Text(news.url), kind)
            link = news.link.flatMap { Self.address($0, kind) }
        case .digest(let digest):
            url = Self.address(Text(digest.url), kind)
            link = nil
        }
    }

    /// It is no text itself.
    var renderText: String { "" }
    var isNull: Bool { false }

    func child(named name: String) -> Any? {
        switch name {
        case "is_test": return message.isTest
        case "supersedes": return message.supersedes.map(\.description)
        case "url": return url
        case "link": return link
        default: break
        }
        return switch message.message {
        case .alert(let news): alert(news, name)
        case .digest(let digest): self.digest(digest, name)
        }
    }

    /// Text on one line.
    static func line(_ text: Text, bytes limit: Int = .max) -> String {
        String(
            decoding: text.prefix(bytes: limit).bytes.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 },
            as: UTF8.self
        )
    }

    /// Text that may have line feeds; nil when blank, so that a section over it is left out.
    private static func lines(_ text: Text) -> String? {
        guard !text.isBlank else { return nil }
        return String(decoding: text.trimmed.bytes.filter { $0 == 0x0A || $0 >= 0x20 }, as: UTF8.self)
    }

    private static func list(_ labels: Labels) -> [TemplatePair] {
        labels.all.map { TemplatePair(name: line($0.name), value: line($0.value, bytes: listValueBytes)) }
    }

    /// An address; nil when the text is none. A template, as Mustache inserts those without escapes.
    private static func address(_ text: Text, _ kind: Notifier.Kind) -> MustacheTemplate? {
        SafeLink.text(text, kind: kind).flatMap { try? MustacheTemplate(string: $0) }
    }

    // MARK: One alert

    private func alert(_ news: AlertNews, _ name: String) -> Any? {
        alertText(news, name) ?? alertState(news, name) ?? alertPart(news, name)
    }

    private func alertText(_ news: AlertNews, _ name: String) -> String? {
        switch name {
        case "change": news.change.name
        case "account_id": news.account.id.description
        case "account_name": Self.line(news.account.name)
        case "channel_id": news.channel.id.description
        case "channel_name": Self.line(news.channel.name)
        case "integration_id": news.integration.id.description
        case "integration_name": Self.line(news.integration.name)
        case "alert_id": news.alertID.description
        case "event_id": news.eventID?.description
        case "alert_key": Self.line(news.alertKey)
        case "title": Self.line(news.title)
        case "description": Self.lines(news.description)
        case "severity": news.severity.name
        case "max_severity": news.maxSeverity.name
        case "status": news.status
        case "event_count": String(news.eventCount)
        default: nil
        }
    }

    private func alertState(_ news: AlertNews, _ name: String) -> Any? {
        switch name {
        case "severity_text": words.severity(news.severity)
        case "change_text": words.change(news.change)
        case "state_text": stateText(news)
        case "is_opened": news.change == .opened
        case "is_updated": news.change == .updated
        case "is_recovered": news.change == .recovered
        case "is_closed": news.change == .closed
        case "is_critical": news.severity == .critical
        case "is_warning": news.severity == .warning
        case "is_info": news.severity == .info
        case "is_digest": false
        case "time": time.text(news.at)
        case "first_seen_at": time.text(news.firstSeenAt)
        case "last_seen_at": time.text(news.lastSeenAt)
        case "ended_at": news.endedAt.map { time.text($0) }
        case "duration":
            words.duration(
                milliseconds: (news.endedAt ?? news.at).milliseconds - news.firstSeenAt.milliseconds
            )
        default: nil
        }
    }

    private func alertPart(_ news: AlertNews, _ name: String) -> Any? {
        switch name {
        case "labels": TemplateLabels(labels: news.labels)
        case "annotations": TemplateLabels(labels: news.annotations)
        case "labels_list": Self.list(news.labels)
        case "annotations_list": Self.list(news.annotations)
        case "main_labels": mainLabels(news.labels)
        case "labels_text": labelsText(news.labels)
        default: nil
        }
    }

    private func stateText(_ news: AlertNews) -> String {
        switch news.change {
        case .opened: words.severity(news.severity)
        case .updated: words.severity(news.severity) + " · " + words.change(.updated)
        case .recovered, .closed: words.change(news.change)
        }
    }

    /// The labels that tell people something: not those that the title, the severity or the sender's machinery hold already.
    private func mainLabels(_ labels: Labels) -> [TemplatePair] {
        labels.all.lazy.filter {
            $0.name.bytes.first != UInt8(ascii: "_") && !Self.otherLabels.contains($0.name)
                && !$0.value.isBlank
        }
        .prefix(Self.mainLabels)
        .map {
            TemplatePair(name: Self.line($0.name), value: Self.line($0.value, bytes: Self.mainValueBytes))
        }
    }

    private static let otherLabels: Set<Text> = [
        "alertname", "severity", "priority", "level", "fingerprint", "alertgroup",
    ]

    /// `host=web-1, region=eu`; nil when there are none.
    private func labelsText(_ labels: Labels) -> String? {
        let pairs = mainLabels(labels)
        return pairs.isEmpty ? nil : pairs.map(\.description).joined(separator: ", ")
    }

    // MARK: A digest

    private func digest(_ digest: Digest, _ name: String) -> Any? {
        switch name {
        case "account_id": digest.account.id.description
        case "account_name": Self.line(digest.account.name)
        case "channel_id": digest.channel.id.description
        case "channel_name": Self.line(digest.channel.name)
        case "is_digest": true
        case "time", "until": time.text(digest.until)
        case "since": time.text(digest.since)
        case "changes": String(digest.changes)
        case "alerts": String(digest.alerts)
        case "has_titles": !digest.titles.isEmpty
        case "alert_ids": digest.alertIDs.map(\.description)
        case "counts":
            digest.counts.map { count in
                TemplateRow(values: [
                    "change": count.change.name, "change_text": words.change(count.change),
                    "severity": count.severity.name, "severity_text": words.severity(count.severity),
                    "alerts": String(count.alerts),
                ])
            }
        case "titles":
            digest.titles.map { title in
                TemplateRow(values: [
                    "title": Self.line(title.title, bytes: Self.listValueBytes),
                    "severity": title.severity.name,
                    "severity_text": words.severity(title.severity), "alerts": String(title.alerts),
                ])
            }
        default: nil
        }
    }
}

/// A label in a list: `name` and `value`.
struct TemplatePair: MustacheParent, CustomStringConvertible {
    let name: String
    let value: String

    var description: String { "\(name)=\(value)" }

    func child(named child: String) -> Any? {
        switch child {
        case "name": name
        case "value": value
        default: nil
        }
    }
}

/// A row of a list by the names of its values.
struct TemplateRow: MustacheParent, MustacheCustomRenderable {
    let values: [String: String]

    var renderText: String { "" }
    var isNull: Bool { false }

    func child(named child: String) -> Any? { values[child] }
}

/// Labels by name: `labels.host`, and `labels.k8s.pod` for the label `k8s.pod` (Mustache splits names at dots).
struct TemplateLabels: MustacheParent, MustacheCustomRenderable {
    let labels: Labels
    /// What was named so far, with a dot at its end.
    var prefix = ""

    var renderText: String { "" }
    var isNull: Bool { labels.isEmpty }

    func child(named child: String) -> Any? {
        let name = prefix + child
        if let value = labels.value(of: Text(name)) { return TemplateContext.line(value) }
        let start = Array((name + ".").utf8)
        guard labels.all.contains(where: { $0.name.bytes.starts(with: start) }) else { return nil }
        return TemplateLabels(labels: labels, prefix: name + ".")
    }
}
