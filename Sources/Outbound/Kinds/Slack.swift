import Domain
import Native

/// An incoming webhook of Slack, or of what speaks its language: blocks.
///
/// - Limits: a header of 150 characters, a section of 3,000, 50 blocks, one message a second (429 with
///   `Retry-After`). A long text goes into several sections; sections are measured in bytes here, of which
///   there are never fewer than characters.
/// - Nothing in values can come to life: `&`, `<` and `>` are escaped, marks of spans have look-alikes
///   (`MarkupEscapes.forSlack`), the header is plain text, and sections are `verbatim`.
/// - Answer: `ok` as plain text; errors have a status (400 `invalid_payload`, 404 `channel_not_found`, 410
///   `channel_is_archived`).
package struct Slack: AddressedKind {
    package static let kind = Notifier.Kind("slack")
    package static let markup = Markup(
        bold: "*",
        lineEnd: "\n",
        link: { "<\($1)|\($0)>" },
        ampersand: "&amp;",
        escape: { MarkupEscapes.forSlack($0) }
    )
    static let headerLimit = 150
    static let sectionLimit = 3_000
    static let textLimit = 24_000

    package let url: EndpointURL

    package init(url: EndpointURL) {
        self.url = url
    }

    package func verdict(on answer: Answer) -> Verdict {
        let status = Verdict.status(answer.status)
        let excerpt = answer.excerpt(hiding: secrets)
        if let failure = status.failure {
            let isWord = (1...64).contains(excerpt.utf8.count)
            return Verdict(failure: failure, detail: status.detail + (isWord ? " It said: \(excerpt)" : ""))
        }
        if excerpt.isEmpty || excerpt == "ok" || Self.isYes(answer.body) { return .taken }
        return Verdict(
            failure: .refused,
            detail: "It answered \(answer.status), but not that it took the message."
        )
    }

    package static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        let header = header(of: rendered.title)
        let text = header == rendered.title ? rendered.text : "*\(rendered.markupTitle)*\n\(rendered.text)"
        let whole = Cutting.fit(text, line: rendered.cutLine, limit: textLimit)
        return JSONWriter.encode(capacity: 1_024) { writer in
            writer.object { json in
                json.field("text", rendered.markupTitle)
                json.field("unfurl_links", false)
                json.key("blocks")
                json.array { blocks in
                    blocks.object { write("header", "plain_text", header, to: &$0) }
                    for piece in Cutting.pieces(whole, limit: sectionLimit) where !Text(piece).showsNothing {
                        blocks.object { write("section", "mrkdwn", piece, to: &$0) }
                    }
                }
            }
        }
    }

    private static func write(_ block: String, _ kind: String, _ text: String, to json: inout JSONWriter) {
        json.field("type", block)
        json.key("text")
        json.object { object in
            object.field("type", kind)
            object.field("text", text)
            if kind == "mrkdwn" { object.field("verbatim", true) } else { object.field("emoji", false) }
        }
    }

    /// The title, cut to what a header takes.
    private static func header(of title: String) -> String {
        if title.utf16.count <= headerLimit { return title }
        var header = ""
        var length = 0
        for scalar in title.unicodeScalars {
            length += UTF16.width(scalar)
            if length > headerLimit - 1 { break }
            header.unicodeScalars.append(scalar)
        }
        return header + "…"
    }

    /// Whether it is an object that says yes, as relatives of Slack answer: `{"ok":true}`,
    /// `{"success":true}`, `{"result":"success"}`.
    private static func isYes(_ body: [UInt8]) -> Bool {
        let answer = JSONParserPool(maximumBytes: SendLimits.answerBytes, maximumIdle: 1).parse(
            body,
            maximumDepth: 8
        ) {
            root in
            if root.member("ok")?.boolValue == true || root.member("success")?.boolValue == true {
                return true
            }
            guard case .string(let result)? = root.member("result")?.kind else { return false }
            return result.equals("success")
        }
        if case .success(true) = answer { return true }
        return false
    }
}
