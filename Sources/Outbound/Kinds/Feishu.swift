import Domain
import Native

/// A custom bot of Feishu or Lark: an interactive card.
///
/// - Signature, when the bot has a key: `timestamp` (seconds) and `sign` in the body, base64 of HMAC-SHA-256
///   of nothing with `TIMESTAMP\nKEY` as the key; the bot takes it for an hour.
/// - Limits: a body of 20 KB; 100 messages a minute and 5 a second (codes 11232, 99991400).
/// - Answer: `{"code":0,"msg":"success"}`, of old bots `{"StatusCode":0,"StatusMessage":"success"}`; 19021
///   the signature, 19022 the address, 19024 a keyword.
package struct Feishu: KeyedKind {
    package static let kind = Notifier.Kind("feishu")
    package static let markup = Markup(
        bold: "**",
        lineEnd: "\n",
        link: { "[\($0)](\($1))" },
        escape: { MarkupEscapes.entities($0, lineEnd: "\n") }
    )
    static let bodyLimit = 20_000

    package let url: EndpointURL
    package let secret: Text?

    package init(url: EndpointURL, secret: Text?) {
        self.url = url
        self.secret = secret
    }

    package func outgoing(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> Outgoing {
        let signature = secret.map { secret in
            let timestamp = String(now.milliseconds / 1_000)
            let key = Array("\(timestamp)\n".utf8) + secret.bytes
            return Signature(
                timestamp: timestamp,
                sign: Base64.text(HMACSHA256.authenticate([UInt8](), key: key).bytes)
            )
        }
        return .post(OutboundRequest(json: Self.body(message, rendered, signature: signature), to: url))
    }

    package func verdict(on answer: Answer) -> Verdict {
        VendorAnswer.verdict(
            of: "Feishu",
            on: answer,
            code: ["code", "StatusCode"],
            text: ["msg", "StatusMessage"],
            limited: [11_232, 99_991_400]
        )
    }

    package static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        body(message, rendered, signature: nil)
    }

    private struct Signature {
        let timestamp: String
        let sign: String

        /// What it adds to a body, with the names, quotes and commas.
        static let bytes = 100
    }

    private static func body(
        _ message: OutboundMessage,
        _ rendered: Rendered,
        signature: Signature?
    ) -> [UInt8] {
        let room = bodyLimit - Signature.bytes - encode(message, rendered.title, "", nil).count
        let text = Cutting.fit(rendered.text, line: rendered.cutLine, limit: room, cost: Cutting.inJSON)
        return encode(message, rendered.title, text, signature)
    }

    private static func encode(
        _ message: OutboundMessage,
        _ title: String,
        _ text: String,
        _ signature: Signature?
    ) -> [UInt8] {
        JSONWriter.encode(capacity: 1_024) { writer in
            writer.object { json in
                if let signature {
                    json.field("timestamp", signature.timestamp)
                    json.field("sign", signature.sign)
                }
                json.field("msg_type", "interactive")
                json.key("card")
                json.object { card in
                    card.key("config")
                    card.object { $0.field("wide_screen_mode", true) }
                    card.key("header")
                    card.object { header in
                        header.field("template", color(of: message))
                        header.key("title")
                        header.object { plain in
                            plain.field("tag", "plain_text")
                            plain.field("content", title)
                        }
                    }
                    card.key("elements")
                    card.array { elements in
                        elements.object { markdown in
                            markdown.field("tag", "markdown")
                            markdown.field("content", text)
                        }
                    }
                }
            }
        }
    }

    /// The colour of the header: that of the severity, green once it is over.
    private static func color(of message: OutboundMessage) -> String {
        if message.isTest { return "grey" }
        let severity: Severity?
        switch message.message {
        case .alert(let news):
            if news.change == .recovered { return "green" }
            if news.change == .closed { return "grey" }
            severity = news.severity
        case .digest(let digest):
            let open = digest.counts.filter { $0.change == .opened || $0.change == .updated }
            severity = open.map(\.severity).max()
        }
        return switch severity {
        case .critical: "red"
        case .warning: "orange"
        case .info: "blue"
        case nil: "green"
        }
    }
}
