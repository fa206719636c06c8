/// Tells people what becomes of the alerts of a channel: a receiver, which changes it hears of, and how they
/// are put.
package struct Notifier: Sendable {
    /// What the receiver is: the name of a kind on the wire, in lower-case letters. Which there are,
    /// `NotifierKinds.all` in Outbound says.
    package struct Kind: Hashable, Sendable, CustomStringConvertible {
        package let name: String

        package init(_ name: String) {
            self.name = name
        }

        package var description: String { name }
    }

    /// Why one is disabled that nobody disabled; the raw value is the wire form.
    package enum DisabledReason: String, Sendable, CaseIterable {
        /// The receiver said that it is gone (410).
        case gone
    }

    /// Changes a minute beyond which they become one digest.
    package static let stormLimits: ClosedRange<Int64> = 1...1_000_000
    package static let standardStormLimit = 20

    package let id: NotifierID
    package let channelID: ChannelID
    package let name: Name
    package let status: Enablement
    package let disabledReason: DisabledReason?
    /// OR groups of AND conditions, as those of routes; empty: every alert of the channel.
    package let conditions: [[ConditionSource]]
    /// The changes that it hears of; not empty.
    package let changes: Set<AlertChange>
    package let template: MessageTemplate
    /// Changes a minute that are told one by one.
    package let stormLimit: Int
    package let settings: any NotifierSettings
    package let metadata: Metadata

    package init(
        id: NotifierID,
        channelID: ChannelID,
        name: Name,
        status: Enablement,
        disabledReason: DisabledReason?,
        conditions: [[ConditionSource]],
        changes: Set<AlertChange>,
        template: MessageTemplate,
        stormLimit: Int,
        settings: any NotifierSettings,
        metadata: Metadata
    ) {
        self.id = id
        self.channelID = channelID
        self.name = name
        self.status = status
        self.disabledReason = disabledReason
        self.conditions = conditions
        self.changes = changes
        self.template = template
        self.stormLimit = stormLimit
        self.settings = settings
        self.metadata = metadata
    }

    package var kind: Kind { settings.kind }
}

/// What became of an alert, as its channel is told: the raw value is what the database holds.
package enum AlertChange: UInt8, Sendable, CaseIterable, Comparable {
    case opened = 1
    /// Severity, title or labels changed.
    case updated = 2
    case recovered = 3
    /// Closed by a caller of the API.
    case closed = 4

    /// The wire spelling.
    package var name: String {
        switch self {
        case .opened: "opened"
        case .updated: "updated"
        case .recovered: "recovered"
        case .closed: "closed"
        }
    }

    /// Reads the wire spelling.
    package init?(name: String) {
        guard let change = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = change
    }

    /// What an event's outcome in a channel is to its people; nil: nothing new.
    package init?(_ outcome: Outcome) {
        switch outcome {
        case .opened: self = .opened
        case .updated: self = .updated
        case .recovered: self = .recovered
        case .unrouted, .ignored, .duplicate: return nil
        }
    }

    package static func < (left: AlertChange, right: AlertChange) -> Bool { left.rawValue < right.rawValue }
}

/// How a message is put: the language of the defaults, and templates (Mustache) in their place.
package struct MessageTemplate: Sendable, Equatable {
    /// The raw value is the wire form.
    package enum Language: String, Sendable, CaseIterable {
        case english = "en"
        case chinese = "zh-CN"
    }

    /// Bytes of a template.
    package static let maximumBytes = 8_192

    package let language: Language
    /// nil: the default of the kind and language.
    package let title: Text?
    /// nil: the default of the kind and language.
    package let text: Text?

    package init(language: Language, title: Text?, text: Text?) {
        self.language = language
        self.title = title
        self.text = text
    }
}
