import Domain

/// The templates of those who wrote none, in one markup: short, and the same order for every receiver: what,
/// where, since when, how often, what it is about, where to look.
///
/// Mustache drops a line on which nothing but the tag of a section stands; the empty comments `{{!}}` keep
/// the line feeds that are meant.
struct DefaultTemplates: Sendable {
    /// The title of a message about one alert, or of a digest.
    static func title(_ language: MessageTemplate.Language, isDigest: Bool) -> Template {
        isDigest ? digestTitles[language] ?? alertTitle : alertTitle
    }

    private static let alertTitle = read("[{{state_text}}] {{title}}")

    private static let digestTitles: [MessageTemplate.Language: Template] = [
        .english: read("[Digest] {{channel_name}}: {{changes}} changes of {{alerts}} alerts"),
        .chinese: read("[汇总] {{channel_name}}：{{alerts}} 个告警的 {{changes}} 次变化"),
    ]

    /// The text of a message about one alert, or of a digest.
    func text(_ language: MessageTemplate.Language, isDigest: Bool) -> Template {
        (isDigest ? digests : alerts)[language] ?? Self.alertTitle
    }

    private var alerts: [MessageTemplate.Language: Template] = [:]
    private var digests: [MessageTemplate.Language: Template] = [:]

    init(bold: String, lineEnd: String, link: Markup.Link?) {
        for language in MessageTemplate.Language.allCases {
            let lines = Lines(bold: bold, lineEnd: lineEnd, link: link, isChinese: language == .chinese)
            alerts[language] = Self.read(lines.alert)
            digests[language] = Self.read(lines.digest)
        }
    }

    private static func read(_ text: String) -> Template {
        do throws(TemplateError) {
            return try Template(Text(text))
        } catch {
            preconditionFailure("a default template \(error.detail)")
        }
    }

    private struct Lines {
        let bold: String
        let lineEnd: String
        let link: Markup.Link?
        let isChinese: Bool

        var alert: String {
            line("Severity", "级别", "{{severity_text}}{{#is_recovered}} → Ok{{/is_recovered}}")
                + line("Channel", "协作空间", "{{channel_name}}")
                + line("Source", "集成", "{{integration_name}}", onlyIf: "integration_name")
                + line("Since", "开始时间", "{{starts_at}}")
                + line("Until", "结束时间", "{{ends_at}}", onlyIf: "ends_at")
                + line("Lasts", "持续", "{{duration}}")
                + line("Events", "事件数", "{{event_count}}")
                + line("Labels", "标签", "{{labels_text}}", onlyIf: "labels_text")
                + "{{#description}}{{!}}\(lineEnd){{description}}\(lineEnd){{/description}}{{!}}"
                + "{{#link}}{{!}}\(lineEnd)\(linked("Source", "来源", "{{link}}")){{/link}}"
        }

        var digest: String {
            let counts =
                "{{#counts}}{{!}}- {{change_text}} · {{severity_text}}: {{alerts}}\n{{/counts}}{{!}}\n"
            let titles = "{{#titles}}{{!}}- {{alerts}} × [{{severity_text}}] {{title}}\n{{/titles}}{{!}}\n"
            return line("Channel", "协作空间", "{{channel_name}}")
                + line("From", "开始", "{{since}}")
                + line("To", "结束", "{{until}}")
                + heading("Latest states", "最新状态") + counts
                + "{{#has_titles}}{{!}}\(heading("Most frequent", "最多的告警"))\(titles){{/has_titles}}"
        }

        /// Above a list; where a single line feed is no line, an empty line lies between.
        private func heading(_ english: String, _ chinese: String) -> String {
            strong(english, chinese) + (lineEnd == "\n" ? "\n" : "\n\n")
        }

        private func line(
            _ english: String,
            _ chinese: String,
            _ value: String,
            onlyIf name: String? = nil
        ) -> String {
            let line = strong(english, chinese) + (isChinese ? "：" : ": ") + value + lineEnd
            return name.map { "{{#\($0)}}\(line){{/\($0)}}" } ?? line
        }

        private func strong(_ english: String, _ chinese: String) -> String {
            bold + (isChinese ? chinese : english) + bold
        }

        private func linked(_ english: String, _ chinese: String, _ address: String) -> String {
            let text = isChinese ? chinese : english
            return link?(text, address) ?? text + (isChinese ? "：" : ": ") + address
        }
    }
}
