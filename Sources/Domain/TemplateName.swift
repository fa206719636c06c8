/// What a template may name: a closed list, as openapi.yaml has it. The raw value is the name.
package enum TemplateName: String, Sendable, CaseIterable {
    // Texts of an alert.
    case title, description, link
    case alertKey = "alert_key"
    case alertID = "alert_id"
    case eventID = "event_id"
    case eventCount = "event_count"
    case change, severity, status
    case maxSeverity = "max_severity"
    case changeText = "change_text"
    case severityText = "severity_text"
    case stateText = "state_text"
    case labelsText = "labels_text"
    case integrationID = "integration_id"
    case integrationName = "integration_name"
    case firstSeenAt = "first_seen_at"
    case lastSeenAt = "last_seen_at"
    case endedAt = "ended_at"
    case startsAt = "starts_at"
    case endsAt = "ends_at"
    case externalURL = "external_url"
    case generatorURL = "generator_url"
    case duration
    // Texts of every message.
    case url, time
    case apiURL = "api_url"
    case accountID = "account_id"
    case accountName = "account_name"
    case channelID = "channel_id"
    case channelName = "channel_name"
    // Texts of a digest.
    case changes, alerts, since, until
    // Yes or no.
    case isOpened = "is_opened"
    case isUpdated = "is_updated"
    case isRecovered = "is_recovered"
    case isClosed = "is_closed"
    case isCritical = "is_critical"
    case isWarning = "is_warning"
    case isInfo = "is_info"
    case isTest = "is_test"
    case isFirstWord = "is_first_word"
    case isDigest = "is_digest"
    case hasTitles = "has_titles"
    // Lists.
    case labelsList = "labels_list"
    case annotationsList = "annotations_list"
    case mainLabels = "main_labels"
    case counts, titles, supersedes
    case alertIDs = "alert_ids"

    /// The name by its bytes; nil: there is none.
    package init?(bytes: [UInt8]) {
        guard let name = Self.byBytes[Text(trusted: bytes)] else { return nil }
        self = name
    }

    /// What the entries of it are made of; nil: it is no list.
    package var entry: TemplateEntry? {
        switch self {
        case .labelsList, .annotationsList, .mainLabels: .pair
        case .counts: .count
        case .titles: .title
        case .alertIDs, .supersedes: .id
        default: nil
        }
    }

    /// Whether it is yes or no.
    package var isFlag: Bool {
        switch self {
        case .isOpened, .isUpdated, .isRecovered, .isClosed, .isCritical, .isWarning, .isInfo, .isTest,
            .isFirstWord, .isDigest, .hasTitles:
            true
        default: false
        }
    }

    private static let byBytes: [Text: TemplateName] = Dictionary(
        uniqueKeysWithValues: allCases.map { (Text($0.rawValue), $0) }
    )
}

/// What an entry of a list has.
package enum TemplateEntry: Sendable {
    /// A label: `name` and `value`; as a whole `name=value`.
    case pair
    /// Alerts whose latest change is of one kind.
    case count
    /// Alerts of one title.
    case title
    /// A text as a whole.
    case id

    /// Whether it can be shown as a whole.
    package var isText: Bool {
        switch self {
        case .pair, .id: true
        case .count, .title: false
        }
    }

    /// Its field of that name; nil: there is none.
    package func field(bytes: [UInt8]) -> TemplateField? {
        fields.first { Array($0.rawValue.utf8) == bytes }
    }

    private var fields: [TemplateField] {
        switch self {
        case .pair: [.name, .value]
        case .count: [.change, .changeText, .severity, .severityText, .alerts]
        case .title: [.title, .severity, .severityText, .alerts]
        case .id: []
        }
    }
}

/// A field of an entry of a list. The raw value is its name.
package enum TemplateField: String, Sendable {
    case name, value, title, change, severity, alerts
    case changeText = "change_text"
    case severityText = "severity_text"
}
