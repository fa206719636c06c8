import Domain
import Native

/// A group robot of WeCom: markdown.
///
/// - Limits: a content of 4,096 bytes; 20 messages a minute (codes 45009, 45033).
/// - Answer: `{"errcode":0,"errmsg":"ok"}`; 93000 when the address is no robot's, 40058 when the content is
///   too long.
package struct WeCom: AddressedKind {
    package static let kind = Notifier.Kind("wecom")
    package static let markup = Markup(
        bold: "**",
        lineEnd: "\n",
        link: { "[\($0)](\($1))" },
        escape: { MarkupEscapes.forWeCom($0) }
    )
    static let contentLimit = 4_096

    package let url: EndpointURL

    package init(url: EndpointURL) {
        self.url = url
    }

    package func verdict(on answer: Answer) -> Verdict {
        VendorAnswer.verdict(
            of: "WeCom",
            on: answer,
            code: ["errcode"],
            text: ["errmsg"],
            limited: [45_009, 45_033]
        )
    }

    package static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        let text = "**\(rendered.markupTitle)**\n\(rendered.text)"
        let content = Cutting.fit(text, line: rendered.cutLine, limit: contentLimit)
        return JSONWriter.encode(capacity: 1_024) { writer in
            writer.object { json in
                json.field("msgtype", "markdown")
                json.key("markdown")
                json.object { $0.field("content", content) }
            }
        }
    }
}
