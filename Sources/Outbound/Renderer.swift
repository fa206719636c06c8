import Domain
import Mustache
import NIOConcurrencyHelpers
import Native

/// A message in words, not yet cut to what its receiver takes.
package struct Rendered: Sendable, Equatable {
    /// Plain text on one line, 1 to 1,024 bytes.
    package let title: String
    /// In the receiver's markup.
    package let text: String
    /// Why the owner's template was not used; nil: it was, or there is none.
    package let problem: String?
    /// The title in the receiver's markup.
    let markupTitle: String
    /// What says that a text was cut, and where the whole is.
    let cutLine: String
}

/// Puts messages into words by templates. Parsed templates are kept.
package struct Renderer: Sendable {
    /// Bytes of a title.
    static let titleBytes = 1_024

    private let cache = TemplateCache(capacity: 512)
    private let time: LocalTime

    /// - Parameter offset: seconds that local time is ahead of UTC at a moment.
    package init(
        offset: @escaping @Sendable (UnixTime) -> Int = {
            localOffsetSeconds(atSecond: $0.milliseconds / 1_000)
        }
    ) {
        time = LocalTime(offset: offset)
    }

    /// The words of a message. Never fails: where the owner's template can't be used, the default is, and `problem` says why.
    ///
    /// The same message and template give the same words at any time. A digest is put by the owner's template only if that names
    /// `is_digest`: one that was written for an alert would say nothing.
    package func render(
        _ message: OutboundMessage,
        kind: Notifier.Kind,
        template: MessageTemplate
    ) -> Rendered {
        let words = Words(language: template.language)
        let context = TemplateContext(message: message, kind: kind, words: words, time: time)
        let markup = Markup.of(kind)
        let (isDigest, url) = Self.facts(of: message.message)
        let defaultTitle = DefaultTemplates.title(template.language, isDigest: isDigest)
        let title = put("title", Self.own(template.title, isDigest), or: defaultTitle, Markup.plain, context)
        let defaultText = DefaultTemplates.text(kind, template.language, isDigest: isDigest)
        let text = put("text", Self.own(template.text, isDigest), or: defaultText, markup, context)
        let oneLine = TemplateContext.line(Text((message.isTest ? words.testMark : "") + title.text)).trimmed
        let shortTitle = Text(oneLine).prefix(bytes: Self.titleBytes).string
        let note = message.isTest ? words.testNote + markup.lineEnd + "\n" : ""
        let problems = [title.problem, text.problem].compactMap { $0 }
        return Rendered(
            title: shortTitle,
            text: note + text.text,
            problem: problems.isEmpty ? nil : problems.joined(separator: " "),
            markupTitle: markup.escape(shortTitle),
            cutLine: words.cutLine(SafeLink.text(Text(url), kind: kind) ?? "")
        )
    }

    /// Whether it is a digest, and where all of it is.
    private static func facts(of message: Message) -> (isDigest: Bool, url: String) {
        switch message {
        case .alert(let news): (false, news.url)
        case .digest(let digest): (true, digest.url)
        }
    }

    private static func own(_ template: Text?, _ isDigest: Bool) -> Text? {
        guard let template, !isDigest || TemplateSource.mentions("is_digest", in: template) else {
            return nil
        }
        return template
    }

    private func put(
        _ part: String,
        _ own: Text?,
        or standard: String,
        _ markup: Markup,
        _ context: TemplateContext
    ) -> (text: String, problem: String?) {
        var problem: String?
        if let own {
            if let found = TemplateSource.check(own) {
                problem = "The template of the \(part) \(found); the default was used."
            } else if let text = rendered(own.string, markup, context), !Text(text).isBlank {
                return (text, nil)
            } else {
                problem = "The template of the \(part) gave nothing; the default was used."
            }
        }
        return (rendered(standard, markup, context) ?? "", problem)
    }

    private func rendered(_ source: String, _ markup: Markup, _ context: TemplateContext) -> String? {
        // The pragma stands on a line of its own, so that the first line of the source keeps what a line may do.
        let whole = "{{% CONTENT_TYPE:\(markup.contentType)}}\n" + source
        return cache.template(whole)?.render(context)
    }
}

extension String {
    /// Without ASCII white space at both ends.
    fileprivate var trimmed: String { Text(self).trimmed.string }
}

/// Parsed templates by their text; all forgotten when there are too many, as they are cheap to parse again.
private final class TemplateCache: Sendable {
    private let templates = NIOLockedValueBox<[Text: MustacheTemplate]>([:])
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// Nil when it can't be parsed.
    func template(_ source: String) -> MustacheTemplate? {
        let key = Text(source)
        if let known = templates.withLockedValue({ $0[key] }) { return known }
        guard let parsed = try? MustacheTemplate(string: source) else { return nil }
        templates.withLockedValue { templates in
            if templates.count >= capacity { templates.removeAll() }
            templates[key] = parsed
        }
        return parsed
    }
}
