import Domain
import Native

/// A receiver of the owner's own: JSON, signed by Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks).
///
/// - Headers: `webhook-id` (of the notification, the same over retries), `webhook-timestamp` (seconds, of the attempt), `webhook-signature`
///   (`v1,` and base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`; one for each secret in force, a blank between), and the owner's.
/// - Answer: any 2xx is a yes.
struct WebhookFormat: MessageFormat {
    let url: EndpointURL
    let headers: [NotifierSettings.Header]
    let signers: [NotifierSettings.SigningSecret]

    func request(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> OutboundRequest {
        let body = Self.body(message, rendered)
        let id = message.id.description
        let timestamp = now.milliseconds / 1_000
        var all = headers.map { (name: $0.name.string, value: $0.value.string) }
        all.append(("content-type", "application/json"))
        all.append(("webhook-id", id))
        all.append(("webhook-timestamp", String(timestamp)))
        let signatures = signers.filter { $0.endsAt.map { $0 > now } ?? true }
            .map { StandardWebhook.signature(id: id, timestamp: timestamp, body: body, key: $0.bytes) }
        if !signatures.isEmpty { all.append(("webhook-signature", signatures.joined(separator: " "))) }
        return OutboundRequest(url: url, target: url.target, headers: all, body: body)
    }

    func verdict(on answer: Answer) -> Verdict { .status(answer.status) }

    var secrets: [String] { url.secrets + headers.map(\.value.string) }

    static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        MessageJSON.body(
            message,
            title: rendered.title,
            text: Cutting.fit(rendered.text, line: rendered.cutLine, limit: textBytes)
        )
    }

    /// Bytes of the text for people in a body; the fields hold everything anyway.
    private static let textBytes = 16_384
}

/// The signature of Standard Webhooks, version 1.
package enum StandardWebhook {
    /// `v1,` and base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`; `timestamp` is that of the attempt, in seconds since 1970.
    package static func signature(id: String, timestamp: Int64, body: [UInt8], key: [UInt8]) -> String {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        return "v1," + Base64.text(HMACSHA256.authenticate(signed, key: key).bytes)
    }
}
