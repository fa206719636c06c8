import Domain
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

/// Puts messages into words by templates. What runs here is a tenant's: it is called in the turn of its account.
package struct Renderer: Sendable {
    /// Bytes of a title.
    static let titleBytes = 1_024

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
        in markup: Markup,
        template: MessageTemplate
    ) -> Rendered {
        let words = Words(language: template.language)
        let context = TemplateContext(message: message, markup: markup, words: words, time: time)
        let (isDigest, page) = Self.facts(of: message.message)
        let defaultTitle = DefaultTemplates.title(template.language, isDigest: isDigest)
        let title = Self.put(
            "title",
            template.title,
            isDigest,
            or: defaultTitle,
            .plain,
            context,
            within: Self.titleBytes
        )
        let defaultText = markup.defaults.text(template.language, isDigest: isDigest)
        let text = Self.put("text", template.text, isDigest, or: defaultText, markup, context)
        let mark = Text(message.isTest ? words.testMark : "")
        let oneLine = TemplateContext.line(Text(trusted: mark.bytes + title.text.bytes)).trimmed
        let shortTitle = oneLine.prefix(bytes: Self.titleBytes)
        let note = message.isTest ? words.testNote + markup.lineEnd + "\n" : ""
        let problems = [title.problem, text.problem].compactMap { $0 }
        return Rendered(
            title: shortTitle.string,
            text: note + text.text.string,
            problem: problems.isEmpty ? nil : problems.joined(separator: " "),
            markupTitle: String(decoding: markup.escape(shortTitle.bytes), as: UTF8.self),
            cutLine: words.cutLine(page.flatMap { SafeLink.text($0, in: markup)?.string })
        )
    }

    /// Whether it is a digest, and the page for people about it.
    private static func facts(of message: Message) -> (isDigest: Bool, page: Text?) {
        switch message {
        case .alert(let news): (false, news.page)
        case .digest: (true, nil)
        }
    }

    /// The words of a part by its owner's template, else by the standard one, and why not by the owner's. Of the text `bytes` count, after white
    /// space.
    private static func put(
        _ part: String,
        _ own: Text?,
        _ isDigest: Bool,
        or standard: Template,
        _ markup: Markup,
        _ context: TemplateContext,
        within bytes: Int = .max
    ) -> (text: Text, problem: String?) {
        var problem: String?
        if let own {
            do throws(TemplateError) {
                let template = try Template(own)
                if !isDigest || template.isForDigests {
                    let (text, excess) = TemplateRun.run(template, context, markup)
                    if excess == nil, !text.trimmed.prefix(bytes: bytes).showsNothing { return (text, nil) }
                    problem = excess?.detail ?? "gave nothing"
                }
            } catch {
                problem = error.detail
            }
        }
        // The default stays far below the budget; of what is above it the beginning is taken.
        let text = TemplateRun.run(standard, context, markup).text
        return (text, problem.map { "The template of the \(part) \($0); the default was used." })
    }
}

extension Text {
    /// Whether nobody sees anything of it: white space of any script, controls, and what has no shape. Receivers refuse such a title
    /// as an empty one.
    var showsNothing: Bool {
        if let first = bytes.first, (0x21...0x7E).contains(first) { return false }
        return string.unicodeScalars.allSatisfy {
            $0.properties.isWhitespace || $0.properties.isDefaultIgnorableCodePoint
                || $0.properties.generalCategory == .control
        }
    }
}
