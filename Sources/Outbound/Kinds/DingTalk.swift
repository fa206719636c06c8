import Domain
import Native

/// A custom robot of DingTalk: markdown.
///
/// - Signature, when the robot has a key: `timestamp` (milliseconds) and `sign` in the query, base64 of
///   HMAC-SHA-256 with the key over `TIMESTAMP\nKEY`; the robot takes it for an hour.
/// - Limits: a body of 20,000 bytes; 20 messages a minute, then nothing for ten minutes (codes 130101,
///   410100, 90030).
/// - Answer: `{"errcode":0,"errmsg":"ok"}`; 310000 when signature, keyword or address does not fit.
package struct DingTalk: KeyedKind {
    package static let kind = Notifier.Kind("dingtalk")
    package static let markup = Markup(
        bold: "**",
        lineEnd: "  \n",
        link: { "[\($0)](\($1))" },
        escape: { MarkupEscapes.entities($0, lineEnd: "  \n") }
    )
    static let bodyLimit = 20_000

    package let url: EndpointURL
    package let secret: Text?

    package init(url: EndpointURL, secret: Text?) {
        self.url = url
        self.secret = secret
    }

    package func outgoing(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> Outgoing {
        var target = url.target
        if let secret {
            let timestamp = String(now.milliseconds)
            let signed = Array("\(timestamp)\n".utf8) + secret.bytes
            let sign = Base64.text(HMACSHA256.authenticate(signed, key: secret.bytes).bytes)
            target += (target.contains("?") ? "&" : "?") + "timestamp=\(timestamp)&sign=\(Self.inQuery(sign))"
        }
        return .post(OutboundRequest(json: Self.body(message, rendered), to: url, target: target))
    }

    package func verdict(on answer: Answer) -> Verdict {
        VendorAnswer.verdict(
            of: "DingTalk",
            on: answer,
            code: ["errcode"],
            text: ["errmsg"],
            limited: [130_101, 410_100, 90_030]
        )
    }

    package static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        let text = "#### \(rendered.markupTitle)\n\n\(rendered.text)"
        let room = bodyLimit - encode(rendered.title, "").count
        return encode(
            rendered.title,
            Cutting.fit(text, line: "\n" + rendered.cutLine, limit: room, cost: Cutting.inJSON)
        )
    }

    private static func encode(_ title: String, _ text: String) -> [UInt8] {
        JSONWriter.encode(capacity: 1_024) { writer in
            writer.object { json in
                json.field("msgtype", "markdown")
                json.key("markdown")
                json.object { markdown in
                    markdown.field("title", title)
                    markdown.field("text", text)
                }
                json.key("at")
                json.object { $0.field("isAtAll", false) }
            }
        }
    }

    /// Base64 in a query.
    private static func inQuery(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "+"): "%2B"
            case UInt8(ascii: "/"): "%2F"
            case UInt8(ascii: "="): "%3D"
            default: String(UnicodeScalar(byte))
            }
        }.joined()
    }
}
