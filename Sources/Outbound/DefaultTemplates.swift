import Domain

/// The templates of those who wrote none: short, and the same order for every receiver: what, where, since when, how often, what it is
/// about, where to look.
///
/// Mustache drops a line on which nothing but the tag of a section stands; the empty comments `{{!}}` keep the line feeds that are meant.
enum DefaultTemplates {
    /// The title of a message about one alert, or of a digest.
    static func title(_ language: MessageTemplate.Language, isDigest: Bool) -> Template {
        isDigest ? digestTitles[language] ?? alertTitle : alertTitle
    }

    private static let alertTitle = read("[{{state_text}}] {{title}}")

    private static let digestTitles: [MessageTemplate.Language: Template] = [
        .english: read("[Digest] {{channel_name}}: {{changes}} changes of {{alerts}} alerts"),
        .chinese: read("[汇总] {{channel_name}}：{{alerts}} 个告警的 {{changes}} 次变化"),
    ]

    /// The text of a message about one alert, or of a digest, in a kind's markup.
    static func text(_ kind: Notifier.Kind, _ language: MessageTemplate.Language, isDigest: Bool) -> Template
    {
        texts[Key(kind: kind, language: language, isDigest: isDigest)] ?? alertTitle
    }

    private static func read(_ text: String) -> Template {
        do throws(TemplateError) {
            return try Template(Text(text))
        } catch {
            preconditionFailure("a default template \(error.detail)")
        }
    }

    private struct Key: Hashable {
        let kind: Notifier.Kind
        let language: MessageTemplate.Language
        let isDigest: Bool
    }

    private static let texts: [Key: Template] = {
        var texts: [Key: Template] = [:]
        for kind in Notifier.Kind.allCases {
            for language in MessageTemplate.Language.allCases {
                let lines = Lines(markup: Markup.of(kind), isChinese: language == .chinese)
                texts[Key(kind: kind, language: language, isDigest: false)] = read(lines.alert)
                texts[Key(kind: kind, language: language, isDigest: true)] = read(lines.digest)
            }
        }
        return texts
    }()

    private struct Lines {
        let markup: Markup
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
                + "{{#description}}{{!}}\(markup.lineEnd){{description}}\(markup.lineEnd){{/description}}{{!}}"
                + "{{#link}}{{!}}\(markup.lineEnd)\(link("Source", "来源", "{{link}}")){{/link}}"
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
            bold(english, chinese) + (markup.lineEnd == "\n" ? "\n" : "\n\n")
        }

        private func line(
            _ english: String,
            _ chinese: String,
            _ value: String,
            onlyIf name: String? = nil
        ) -> String {
            let line = bold(english, chinese) + (isChinese ? "：" : ": ") + value + markup.lineEnd
            return name.map { "{{#\($0)}}\(line){{/\($0)}}" } ?? line
        }

        private func bold(_ english: String, _ chinese: String) -> String {
            markup.bold + (isChinese ? chinese : english) + markup.bold
        }

        private func link(_ english: String, _ chinese: String, _ address: String) -> String {
            let text = isChinese ? chinese : english
            return markup.link?(text, address) ?? text + (isChinese ? "：" : ": ") + address
        }
    }
}
