import Native

/// One alert notification as its sender meant it: what a push format makes of a delivery, before any tenant's rule.
package struct DecodedEvent: Sendable {
    /// Identity within the integration; a later event with the same key is about the same alert.
    package let alertKey: Text
    /// At most 512 bytes, never empty.
    package let title: Text
    /// At most 2,048 bytes.
    package let description: Text
    /// The page of the source about it: an http or https address, at most 2,048 bytes; nil when the sender gave none that is fit to show.
    package let link: Text?
    /// Every address that the sender gave, whether or not it is fit to be shown as a link.
    package let addresses: SourceAddresses
    /// Sorted, within `Labels.Limits`.
    package let labels: Labels
    /// Sorted, within `Labels.Limits`.
    package let annotations: Labels
    /// Whether its sender says that the alert is over.
    package let saysRecovery: Bool
    /// What the account's severity table says of that; nil: nothing.
    private var isRecoveryByTable: Bool?
    /// When the alert began to fire, by the sender.
    package let startsAt: UnixTime?
    /// When it ended, by the sender.
    package let endsAt: UnixTime?
    /// Texts that may name its severity, the most trusted first.
    package let severityCandidates: [SeverityCandidate]
    /// What had to be done to read it.
    private let readingNotes: ReadingNotes
    /// SHA-256 over the labels as sent, before any cutting.
    package let labelsDigest: Digest256
    /// SHA-256 over description, link and addresses, labels and annotations.
    package let contentDigest: Digest256
    /// The labels of which something is missing in `labels`; nil when nothing is.
    private let uncut: UncutLabels?

    /// `common`: labels of its group of which `labels` has not all, because they are over the limits.
    package init(
        alertKey: Text,
        title: Text,
        description: Text,
        addresses: SourceAddresses = SourceAddresses(),
        labels: Labels,
        annotations: Labels,
        isRecovery: Bool,
        startsAt: UnixTime?,
        endsAt: UnixTime?,
        severityCandidates: [SeverityCandidate],
        notes: ReadingNotes = [],
        common: Labels? = nil
    ) {
        // Identity and digests are made from the texts as they came; what is kept and shown has no bytes of other encodings.
        let show = notes.contains(.invalidText)
        let (title, titleCut) = (show ? ForeignBytes.shown(title) : title).capped(Limits.titleBytes)
        let (shownDescription, descriptionCut) = (show ? ForeignBytes.shown(description) : description)
            .capped(Limits.alertDescriptionBytes)
        let shownLabels = show ? ForeignBytes.shown(labels) : labels
        let (cappedLabels, labelsCut) = shownLabels.capped()
        let (cappedAnnotations, annotationsCut) =
            (show ? ForeignBytes.shown(annotations) : annotations).capped()
        self.alertKey = AlertKey.fitting(alertKey, isForeign: show)
        self.title = title
        self.description = shownDescription
        self.addresses = show ? addresses.shown : addresses
        link = self.addresses.link
        self.labels = cappedLabels
        self.annotations = cappedAnnotations
        saysRecovery = isRecovery
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.severityCandidates = severityCandidates
        let wasCut = titleCut || descriptionCut || labelsCut || annotationsCut
        readingNotes = wasCut ? notes.union(.cut) : notes
        uncut = labelsCut || common != nil ? UncutLabels(own: shownLabels, common: common ?? Labels()) : nil
        labelsDigest = labels.digest
        contentDigest = DecodedEvent.digest(
            description: description,
            addresses: addresses,
            labels: labelsDigest,
            annotations: annotations
        )
    }

    /// Whether it says that the alert is over.
    package var isRecovery: Bool { isRecoveryByTable ?? saysRecovery }

    /// What had to be done to read it.
    package var notes: ReadingNotes {
        switch isRecoveryByTable {
        case nil: readingNotes
        case true: readingNotes.union(saysRecovery ? .recoveryLevel : .recoveryByTable)
        case false: readingNotes.subtracting(.recoveryWord)
        }
    }

    /// Whether it says that the alert is over, by what a severity table makes of its level: a level may mean `Ok`, and a word that usually
    /// means the end may be a level of the table.
    package func isRecovery(by verdict: SeverityVerdict) -> Bool {
        byTable(verdict) ?? saysRecovery
    }

    /// The same event as a severity table reads it.
    package func read(by verdict: SeverityVerdict) -> DecodedEvent {
        let isRecovery = byTable(verdict)
        guard isRecovery != isRecoveryByTable else { return self }
        var event = self
        event.isRecoveryByTable = isRecovery
        return event
    }

    private func byTable(_ verdict: SeverityVerdict) -> Bool? {
        if verdict.meansRecovery { return true }
        guard readingNotes.contains(.recoveryWord), verdict.candidate?.isStatus == true else { return nil }
        return false
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
        addresses: SourceAddresses,
        labels: Digest256,
        annotations: Labels
    ) -> Digest256 {
        var hash = SHA256Hasher()
        for text in [description, addresses.external, addresses.generator] {
            hash.update(length: text?.bytes.count ?? 0)
            if let text { hash.update(text.bytes.span) }
        }
        hash.update(labels.bytes.span)
        hash.update(annotations.digest.bytes.span)
        return hash.finish()
    }
}

/// The addresses that a sender gives with an alert, as it gave them, each at most 2,048 bytes.
package struct SourceAddresses: Sendable, Equatable {
    /// Of the sender itself: Alertmanager's `externalURL`.
    package let external: Text?
    /// Of what made the alert: `generatorURL`.
    package let generator: Text?
    /// The one that people can open.
    let link: Text?

    package init(external: Text? = nil, generator: Text? = nil) {
        self.external = external?.prefix(bytes: Limits.linkBytes)
        self.generator = generator?.prefix(bytes: Limits.linkBytes)
        // One that was cut leads nowhere.
        link = SourceLink.usable([external, generator])
    }

    var shown: SourceAddresses {
        SourceAddresses(
            external: external.map { ForeignBytes.shown($0) },
            generator: generator.map { ForeignBytes.shown($0) }
        )
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
    /// `key`, or `h-` and the first 32 hex digits of its SHA-256 when it is longer than 255 bytes, or holds bytes of another encoding, which
    /// could not be told apart when shown.
    package static func fitting(_ key: Text, isForeign: Bool = false) -> Text {
        let isOpaque = isForeign && ForeignBytes.shown(key) != key
        guard isOpaque || key.bytes.count > Limits.alertKeyBytes else { return key }
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

    /// The key of an alert that has nothing else: `1-` and 32 hex digits over its title and description.
    package static func hash(title: Text, description: Text) -> Text {
        hash(of: Labels([("title", title), ("description", description)]))
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
    /// Its `Content-Encoding` can't be undone; the text says why. It is kept as it came.
    case contentEncoding(String)

    /// Stable word for the `reason` of a quarantined delivery and for metrics.
    package var reason: String {
        switch self {
        case .notJSON: "not_json"
        case .noAlerts: "no_alerts"
        case .tooManyAlerts: "too_many_alerts"
        case .crashedBefore: "crashed_before"
        case .contentEncoding: "content_encoding"
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
        case .contentEncoding(let detail): "The body could not be unpacked: \(detail)."
        }
    }
}

/// One kind of sender: how its bodies become events and what it knows of severities. One file each; adding one touches only
/// `PushFormats.all`.
package protocol PushFormat: Sendable {
    /// The type on the wire: `aliyun-arms`.
    var type: IntegrationType { get }
    var severities: SeverityVocabulary { get }
    /// Decodes a whole body that came with this `Content-Type`. Pure: the same bytes give the same events.
    func decode(_ body: [UInt8], contentType: Text?) throws(DecodeError) -> DecodedDelivery
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
