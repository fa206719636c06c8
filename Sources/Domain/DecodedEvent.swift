import Native

/// One alert notification as its sender meant it: what a push format makes of a delivery, before any tenant's rule.
package struct DecodedEvent: Sendable {
    /// Identity within the integration; a later event with the same key is about the same alert.
    package let alertKey: Text
    /// At most 512 bytes, never empty.
    package let title: Text
    /// At most 2,048 bytes.
    package let description: Text
    /// An http or https address, at most 2,048 bytes; nil when the sender gave none that is fit to show.
    package let link: Text?
    /// Sorted, within `Labels.Limits`.
    package let labels: Labels
    /// Sorted, within `Labels.Limits`.
    package let annotations: Labels
    /// Whether it says that the alert is over.
    package let isRecovery: Bool
    /// When the alert began to fire, by the sender.
    package let startsAt: UnixTime?
    /// When it ended, by the sender.
    package let endsAt: UnixTime?
    /// Texts that may name its severity, the most trusted first.
    package let severityCandidates: [SeverityCandidate]
    /// Whether something was cut or dropped to keep it within the limits.
    package let wasCut: Bool
    /// SHA-256 over the labels as sent, before any cutting.
    package let labelsDigest: Digest256
    /// SHA-256 over description, link, labels and annotations.
    package let contentDigest: Digest256
    /// The labels of which something is missing in `labels`; nil when nothing is.
    private let uncut: UncutLabels?

    /// `common`: labels of its group of which `labels` has not all, because they are over the limits.
    package init(
        alertKey: Text,
        title: Text,
        description: Text,
        link: Text?,
        labels: Labels,
        annotations: Labels,
        isRecovery: Bool,
        startsAt: UnixTime?,
        endsAt: UnixTime?,
        severityCandidates: [SeverityCandidate],
        wasCut: Bool = false,
        common: Labels? = nil
    ) {
        let (title, titleCut) = title.capped(Limits.titleBytes)
        let (description, descriptionCut) = description.capped(Limits.alertDescriptionBytes)
        let (cappedLabels, labelsCut) = labels.capped()
        let (cappedAnnotations, annotationsCut) = annotations.capped()
        self.alertKey = AlertKey.fitting(alertKey)
        self.title = title
        self.description = description
        self.link = link.flatMap(DecodedEvent.safeLink)
        self.labels = cappedLabels
        self.annotations = cappedAnnotations
        self.isRecovery = isRecovery
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.severityCandidates = severityCandidates
        self.wasCut = wasCut || titleCut || descriptionCut || labelsCut || annotationsCut
        uncut = labelsCut || common != nil ? UncutLabels(own: labels, common: common ?? Labels()) : nil
        labelsDigest = labels.digest
        contentDigest = DecodedEvent.digest(
            description: description,
            link: self.link,
            labels: labelsDigest,
            annotations: annotations
        )
    }

    /// The value of a label as its sender sent it: neither dropped nor cut; nil when it sent none.
    package func sentLabel(_ name: Text) -> Text? {
        guard let uncut else { return labels.value(of: name) }
        return uncut.own.value(of: name) ?? uncut.common.value(of: name)
    }

    /// When it happened: the start of a firing, the end of a recovery; when the sender does not say, `received`.
    package func occurredAt(received: UnixTime) -> UnixTime {
        (isRecovery ? endsAt : startsAt) ?? received
    }

    private static func digest(
        description: Text,
        link: Text?,
        labels: Digest256,
        annotations: Labels
    ) -> Digest256 {
        var hash = SHA256Hasher()
        hash.update(length: description.bytes.count)
        hash.update(description.bytes.span)
        hash.update(length: link?.bytes.count ?? 0)
        if let link { hash.update(link.bytes.span) }
        hash.update(labels.bytes.span)
        hash.update(annotations.digest.bytes.span)
        return hash.finish()
    }

    /// Only web addresses become links: anything else could be a script when shown.
    private static func safeLink(_ link: Text) -> Text? {
        let text = link.trimmed
        let start = text.prefix(bytes: 8).folded.bytes
        guard text.bytes.count <= Limits.linkBytes, text.bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F }),
            start.starts(with: Array("https://".utf8)) || start.starts(with: Array("http://".utf8))
        else { return nil }
        return text
    }
}

/// What labels were before they were cut. A class, so that the events that have none, nearly all, take 8 bytes for it.
private final class UncutLabels: Sendable {
    let own: Labels
    /// Those of the group, which the alert's own go before.
    let common: Labels

    init(own: Labels, common: Labels) {
        self.own = own
        self.common = common
    }
}

/// The identity of an alert within its integration, when the sender gives none or one that is too long.
package enum AlertKey {
    /// `key`, or `h-` and the first 32 hex digits of its SHA-256 when it is longer than 255 bytes.
    package static func fitting(_ key: Text) -> Text {
        guard key.bytes.count > Limits.alertKeyBytes else { return key }
        return Text("h-" + Digest256.hash(of: key.bytes).hexadecimal.prefix(32))
    }

    /// `1-` and 32 hex digits: the first 128 bits of SHA-256 over the length-prefixed, byte-sorted `labels` without `excluded`.
    /// The `1` versions the rule, so that it can change without merging alerts that are open.
    package static func hash(of labels: Labels, excluding excluded: [StaticString] = []) -> Text {
        let names = excluded.map { [UInt8]($0) }
        var hash = SHA256Hasher()
        labels.visit { name, value in
            if names.contains(where: { compareBytes($0.span, name) == 0 }) { return }
            hash.update(length: name.count)
            hash.update(name)
            hash.update(length: value.count)
            hash.update(value)
        }
        return Text("1-" + hash.finish().hexadecimal.prefix(32))
    }
}

/// What a push format makes of a body.
package enum DecodedDelivery: Sendable {
    /// At least one event.
    case events([DecodedEvent])
    /// The sender's console pressed its test button: nothing is raised.
    case test
}

/// Why a body that came with a valid token could not become events. It is kept for inspection.
package enum DecodeError: Error, Equatable, Sendable {
    /// Not JSON, or not UTF-8, or nested deeper than `Limits.jsonDepth`; the text says which.
    case notJSON(String)
    /// JSON in which the format finds no alert; the text says what was looked for.
    case noAlerts(String)
    /// More alerts than `Limits.alertsPerPush`.
    case tooManyAlerts
    /// The same body crashed the server twice: it is kept and not looked at again.
    case crashedBefore

    /// Stable word for the `reason` of a quarantined delivery and for metrics.
    package var reason: String {
        switch self {
        case .notJSON: "not_json"
        case .noAlerts: "no_alerts"
        case .tooManyAlerts: "too_many_alerts"
        case .crashedBefore: "crashed_before"
        }
    }

    /// For the person who looks after the sender.
    package var detail: String {
        switch self {
        case .notJSON(let detail): "The body is not JSON: \(detail)."
        case .noAlerts(let detail): "The body is JSON but holds no alerts: \(detail)."
        case .tooManyAlerts: "The body holds more than \(Limits.alertsPerPush) alerts: send fewer at a time."
        case .crashedBefore:
            "A body like this made the server fail before: it was kept and not looked at. Tell its operator."
        }
    }
}

/// One kind of sender: how its bodies become events and what it knows of severities. One file each; adding one touches only
/// `PushFormats.all`.
package protocol PushFormat: Sendable {
    /// The type on the wire: `aliyun-arms`.
    var type: IntegrationType { get }
    var severities: SeverityVocabulary { get }
    /// Decodes a whole body. Pure: the same bytes give the same events.
    func decode(_ body: [UInt8]) throws(DecodeError) -> DecodedDelivery
}

/// The wire name of an integration type: lower-case letters, digits and hyphens.
package struct IntegrationType: Hashable, Sendable, CustomStringConvertible {
    /// Its bytes: a type may come from outside.
    package let text: Text

    package init(_ name: String) {
        text = Text(name)
    }

    package init(_ text: Text) {
        self.text = text
    }

    /// For showing.
    package var name: String { text.string }
    package var description: String { name }
}

extension Text {
    fileprivate func capped(_ limit: Int) -> (Text, Bool) {
        bytes.count > limit ? (prefix(bytes: limit), true) : (self, false)
    }
}

extension SHA256Hasher {
    /// Adds a length as 4 bytes, big-endian, so that no two lists of texts hash alike.
    mutating func update(length: Int) {
        let value = UInt32(truncatingIfNeeded: length)
        let bytes = [
            UInt8(truncatingIfNeeded: value >> 24), UInt8(truncatingIfNeeded: value >> 16),
            UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value),
        ]
        update(bytes.span)
    }
}
