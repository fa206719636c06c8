import Domain

/// What the names of a template stand for in one message. The names are those of the API's fields; some are added for people.
///
/// Values are one line each but for `description`; controls are blanks. `url`, `api_url` and `link` are inserted as they are: they were made harmless
/// before, and an escape would break them.
struct TemplateContext {
    /// Bytes of a value inside a list.
    static let listValueBytes = 512
    /// Labels that the default texts show, and bytes of a value there.
    static let mainLabels = 12
    static let mainValueBytes = 128

    /// A text, to be escaped for its receiver or not.
    struct Value {
        let text: Text
        var isHarmless = false
    }

    let message: OutboundMessage
    private let words: Words
    private let time: LocalTime
    /// A page for people.
    private let url: Text?
    private let apiURL: Text?
    private let link: Text?
    /// Places of the main labels among the labels.
    private let main: [Int]

    init(message: OutboundMessage, markup: Markup, words: Words, time: LocalTime) {
        self.message = message
        self.words = words
        self.time = time
        switch message.message {
        case .alert(let news):
            url = news.page.flatMap { SafeLink.text($0, in: markup) }
            apiURL = SafeLink.text(Text(news.url), in: markup)
            link = news.link.flatMap { SafeLink.text($0, in: markup) }
            main = Self.mainLabels(news.labels)
        case .digest(let digest):
            url = nil
            apiURL = SafeLink.text(Text(digest.url), in: markup)
            link = nil
            main = []
        }
    }

    /// The text of a name; nil: there is none.
    func value(_ name: TemplateName) -> Value? {
        switch name {
        case .url: return url.map { Value(text: $0, isHarmless: true) }
        case .apiURL: return apiURL.map { Value(text: $0, isHarmless: true) }
        case .link: return link.map { Value(text: $0, isHarmless: true) }
        default: break
        }
        if name.isFlag { return flag(name).map { Value(text: $0 ? "true" : "false") } }
        let text =
            switch message.message {
            case .alert(let news): alertText(news, name) ?? alertState(news, name)
            case .digest(let digest): digestText(digest, name)
            }
        return text.map { Value(text: $0) }
    }

    /// Yes or no; nil: the message does not say.
    func flag(_ name: TemplateName) -> Bool? {
        if name == .isTest { return message.isTest }
        if name == .isFirstWord { return message.isFirstWord }
        return switch message.message {
        case .alert(let news): flag(name, of: news)
        case .digest(let digest): flag(name, of: digest)
        }
    }

    /// The value of a label.
    func label(_ name: Text) -> Value? {
        guard case .alert(let news) = message.message else { return nil }
        return news.labels.value(of: name).map { Value(text: Self.line($0)) }
    }

    /// The value of an annotation.
    func annotation(_ name: Text) -> Value? {
        guard case .alert(let news) = message.message else { return nil }
        return news.annotations.value(of: name).map { Value(text: Self.line($0)) }
    }

    /// Text on one line.
    static func line(_ text: Text, bytes limit: Int = .max) -> Text {
        Text(trusted: text.prefix(bytes: limit).bytes.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 })
    }

    /// Text that may have line feeds; nil when blank, so that a section over it is left out.
    private static func lines(_ text: Text) -> Text? {
        guard !text.isBlank else { return nil }
        return Text(trusted: text.trimmed.bytes.filter { $0 == 0x0A || $0 >= 0x20 })
    }

    // MARK: Texts

    private func alertText(_ news: AlertNews, _ name: TemplateName) -> Text? {
        switch name {
        case .change: Text(news.change.name)
        case .accountID: Text(news.account.id.description)
        case .accountName: Self.line(news.account.name)
        case .channelID: Text(news.channel.id.description)
        case .channelName: Self.line(news.channel.name)
        case .integrationID: Text(news.integration.id.description)
        case .integrationName: Self.line(news.integration.name)
        case .alertID: Text(news.alertID.description)
        case .eventID: news.eventID.map { Text($0.description) }
        case .alertKey: Self.line(news.alertKey)
        case .title: Self.line(news.title)
        case .description: Self.lines(news.description)
        case .severity: Text(news.severity.name)
        case .maxSeverity: Text(news.maxSeverity.name)
        case .status: Text(news.status)
        case .eventCount: Text(String(news.eventCount))
        case .externalURL: news.addresses.external.map { Self.line($0) }
        case .generatorURL: news.addresses.generator.map { Self.line($0) }
        default: nil
        }
    }

    private func alertState(_ news: AlertNews, _ name: TemplateName) -> Text? {
        switch name {
        case .severityText: Text(words.severity(news.severity))
        case .changeText: Text(words.change(news.change))
        case .stateText: Text(stateText(news))
        case .labelsText: labelsText(news.labels)
        case .time: Text(time.text(news.at))
        case .firstSeenAt: Text(time.text(news.firstSeenAt))
        case .lastSeenAt: Text(time.text(news.lastSeenAt))
        case .endedAt: news.endedAt.map { Text(time.text($0)) }
        case .startsAt: Text(time.text(news.beganAt))
        case .endsAt: news.overAt.map { Text(time.text($0)) }
        case .duration: Text(words.duration(milliseconds: news.milliseconds))
        default: nil
        }
    }

    private func stateText(_ news: AlertNews) -> String {
        switch news.change {
        case .opened: words.severity(news.severity)
        case .updated: words.severity(news.severity) + " · " + words.change(.updated)
        case .recovered, .closed:
            message.isFirstWord ? words.firstWord(news.change) : words.change(news.change)
        }
    }

    private func digestText(_ digest: Digest, _ name: TemplateName) -> Text? {
        switch name {
        case .accountID: Text(digest.account.id.description)
        case .accountName: Self.line(digest.account.name)
        case .channelID: Text(digest.channel.id.description)
        case .channelName: Self.line(digest.channel.name)
        case .time, .until: Text(time.text(digest.until))
        case .since: Text(time.text(digest.since))
        case .changes: Text(String(digest.changes))
        case .alerts: Text(String(digest.alerts))
        default: nil
        }
    }

    private func flag(_ name: TemplateName, of news: AlertNews) -> Bool? {
        switch name {
        case .isOpened: news.change == .opened
        case .isUpdated: news.change == .updated
        case .isRecovered: news.change == .recovered
        case .isClosed: news.change == .closed
        case .isCritical: news.severity == .critical
        case .isWarning: news.severity == .warning
        case .isInfo: news.severity == .info
        case .isDigest: false
        default: nil
        }
    }

    private func flag(_ name: TemplateName, of digest: Digest) -> Bool? {
        switch name {
        case .isDigest: true
        case .hasTitles: !digest.titles.isEmpty
        default: nil
        }
    }

    // MARK: Lists

    /// Entries of a list.
    func count(of list: TemplateName) -> Int {
        if list == .supersedes { return message.supersedes.count }
        switch message.message {
        case .alert(let news):
            return switch list {
            case .labelsList: news.labels.count
            case .annotationsList: news.annotations.count
            case .mainLabels: main.count
            default: 0
            }
        case .digest(let digest):
            return switch list {
            case .counts: digest.counts.count
            case .titles: digest.titles.count
            case .alertIDs: digest.alertIDs.count
            default: 0
            }
        }
    }

    /// A field of the entry at `index`, which is below `count(of:)`; of a nil field the entry as a whole.
    func entry(_ index: Int, of list: TemplateName, _ field: TemplateField?) -> Value? {
        if list == .supersedes { return Value(text: Text(message.supersedes[index].description)) }
        let text: Text? =
            switch message.message {
            case .alert(let news): pair(index, of: list, news, field)
            case .digest(let digest):
                switch list {
                case .counts: field.map { count(digest.counts[index], $0) }
                case .titles: field.map { title(digest.titles[index], $0) }
                default: Text(digest.alertIDs[index].description)
                }
            }
        return text.map { Value(text: $0) }
    }

    private func pair(_ index: Int, of list: TemplateName, _ news: AlertNews, _ field: TemplateField?) -> Text
    {
        let labels = list == .annotationsList ? news.annotations : news.labels
        let (place, bytes) =
            list == .mainLabels ? (main[index], Self.mainValueBytes) : (index, Self.listValueBytes)
        return switch field {
        case .name: Self.line(labels.name(at: place))
        case .value: Self.line(labels.value(at: place), bytes: bytes)
        default: Self.pair(labels, place, bytes)
        }
    }

    private static func pair(_ labels: Labels, _ index: Int, _ bytes: Int) -> Text {
        let value = line(labels.value(at: index), bytes: bytes)
        return Text(trusted: line(labels.name(at: index)).bytes + [UInt8(ascii: "=")] + value.bytes)
    }

    private func count(_ count: Digest.Count, _ field: TemplateField) -> Text {
        switch field {
        case .change: Text(count.change.name)
        case .changeText: Text(words.change(count.change))
        case .severity: Text(count.severity.name)
        case .severityText: Text(words.severity(count.severity))
        default: Text(String(count.alerts))
        }
    }

    private func title(_ title: Digest.TitleCount, _ field: TemplateField) -> Text {
        switch field {
        case .title: Self.line(title.title, bytes: Self.listValueBytes)
        case .severity: Text(title.severity.name)
        case .severityText: Text(words.severity(title.severity))
        default: Text(String(title.alerts))
        }
    }

    /// The labels that tell people something: not those that the title, the severity or the sender's machinery hold already.
    private static func mainLabels(_ labels: Labels) -> [Int] {
        Array(
            (0..<labels.count).lazy.filter { index in
                let name = labels.name(at: index)
                return name.bytes.first != UInt8(ascii: "_") && !otherLabels.contains(name)
                    && !labels.value(at: index).isBlank
            }
            .prefix(mainLabels)
        )
    }

    private static let otherLabels: Set<Text> = [
        "alertname", "severity", "priority", "level", "fingerprint", "alertgroup",
    ]

    /// `host=web-1, region=eu`; nil when there are none.
    private func labelsText(_ labels: Labels) -> Text? {
        guard !main.isEmpty else { return nil }
        let pairs = main.map { Self.pair(labels, $0, Self.mainValueBytes).bytes }
        return Text(trusted: Array(pairs.joined(separator: Array(", ".utf8))))
    }
}
