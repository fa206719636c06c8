import Domain
import Native

/// A receiver of the owner's own: JSON, signed by Standard Webhooks
/// (https://github.com/standard-webhooks/standard-webhooks).
///
/// - Headers: `webhook-id` (of the notification, the same over retries), `webhook-timestamp` (seconds, of the
///   attempt), `webhook-signature` (`v1,` and base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`; one for each
///   secret in force, a blank between), and the owner's.
/// - Answer: any 2xx is a yes.
package struct Webhook: NotifierKind {
    package static let kind = Notifier.Kind("webhook")
    package static let markup = Markup.plain

    /// A header of the owner's own.
    package struct Header: Sendable, Equatable {
        package let name: Text
        package let value: Text

        package init(name: Text, value: Text) {
            self.name = name
            self.value = value
        }
    }

    package let url: EndpointURL
    package let headers: [Header]
    package let signingSecrets: [SigningSecret]

    package init(url: EndpointURL, headers: [Header], secrets: [SigningSecret]) {
        self.url = url
        self.headers = headers
        signingSecrets = secrets
    }

    package func signed(by secrets: [SigningSecret]) -> Webhook {
        Webhook(url: url, headers: headers, secrets: secrets)
    }

    // MARK: Forms

    package init?(_ fields: Fields) {
        let url = fields.endpointURL()
        let headers = fields.optional("headers", or: []) { $0.headers() }
        guard let url, let headers else { return nil }
        self.init(url: url, headers: headers, secrets: [])
    }

    package init?(stored object: JSONValue) {
        guard let url = EndpointURL(stored: object), let headers = object.member("headers"),
            let secrets = object.member("secrets")
        else { return nil }
        self.init(
            url: url,
            headers: headers.elements.compactMap { header in
                guard let name = header.text("name"), let value = header.text("value") else { return nil }
                return Header(name: name, value: value)
            },
            secrets: secrets.elements.compactMap { secret in
                guard let key = secret.text("key").flatMap({ Hexadecimal.decode($0.bytes) }) else {
                    return nil
                }
                let end = secret.member("ends_at")?.int64Value
                return SigningSecret(bytes: key, endsAt: end.map { UnixTime(milliseconds: $0) })
            }
        )
    }

    package func store(to object: inout JSONWriter) {
        object.field("url", url.secretText)
        object.array("headers") { list in
            for header in headers {
                list.object {
                    $0.field("name", header.name)
                    $0.field("value", header.value)
                }
            }
        }
        object.array("secrets") { list in
            for secret in signingSecrets {
                list.object {
                    $0.field("key", utf8: Hexadecimal.encode(secret.bytes))
                    if let end = secret.endsAt { $0.field("ends_at", end.milliseconds) }
                }
            }
        }
    }

    package func show(to object: inout JSONWriter, at now: UnixTime) {
        object.field("origin", url.origin)
        object.array("headers") { list in for header in headers { list.value(utf8: header.name.bytes) } }
        object.array("signing_secrets") { list in
            for secret in signingSecrets where secret.isInForce(at: now) {
                list.object { $0.field("ends_at", secret.endsAt) }
            }
        }
    }

    package var secrets: [String] { url.secrets + headers.map(\.value.string) }

    // MARK: Sending

    package func outgoing(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> Outgoing {
        let body = Self.body(message, rendered)
        let id = message.id.description
        let timestamp = now.milliseconds / 1_000
        var all = headers.map { (name: $0.name.string, value: $0.value.string) }
        all.append(("content-type", "application/json"))
        all.append(("webhook-id", id))
        all.append(("webhook-timestamp", String(timestamp)))
        let signatures = signingSecrets.filter { $0.isInForce(at: now) }
            .map { StandardWebhook.signature(id: id, timestamp: timestamp, body: body, key: $0.bytes) }
        if !signatures.isEmpty { all.append(("webhook-signature", signatures.joined(separator: " "))) }
        return .post(OutboundRequest(url: url, target: url.target, headers: all, body: body))
    }

    package static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        MessageJSON.body(
            message,
            title: rendered.title,
            text: Cutting.fit(rendered.text, line: rendered.cutLine, limit: textBytes)
        )
    }

    /// Bytes of the text for people in a body; the fields hold everything anyway.
    private static let textBytes = 16_384
}

// MARK: - Headers

extension Webhook {
    /// Headers of an owner, and bytes of a value.
    fileprivate static let maximumHeaders = 20
    fileprivate static let maximumValueBytes = 2_048

    package func problems(under policy: AddressPolicy) -> [FieldError] {
        var errors = url.problems(under: policy)
        if headers.count > Self.maximumHeaders {
            errors.append(FieldError("/headers", "must have at most \(Self.maximumHeaders) entries"))
        }
        var seen: Set<Text> = []
        for header in headers {
            let pointer = "/headers/" + Fields.escaped(header.name.string)
            if let problem = Self.problem(inName: header.name) {
                errors.append(FieldError(pointer, problem))
            } else if !seen.insert(header.name.folded).inserted {
                errors.append(FieldError(pointer, "is there twice"))
            }
            let isVisible = header.value.bytes.allSatisfy { (0x20..<0x7F).contains($0) }
            if !isVisible || header.value.bytes.count > Self.maximumValueBytes
                || header.value.trimmed != header.value
            {
                let detail = "must be at most 2,048 visible ASCII characters, without blanks at the ends"
                errors.append(FieldError(pointer, detail))
            }
        }
        return errors
    }

    private static func problem(inName name: Text) -> String? {
        let isToken = name.bytes.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
        guard (1...128).contains(name.bytes.count), isToken else {
            return "must be 1 to 128 letters, digits and !#$%&'*+-.^_`|~"
        }
        let folded = name.folded.string
        let isOurs =
            ownNames.contains(folded)
            || ["content-", "transfer-", "webhook-", "proxy-"].contains { folded.hasPrefix($0) }
        return isOurs ? "is a header that this service sets itself or never sends" : nil
    }

    private static let ownNames: Set = [
        "host", "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "cookie", "user-agent",
        "accept", "accept-encoding", "forwarded", "via", "http2-settings", "date",
    ]
}

extension Field {
    /// Headers of the owner's own. Which names and values may be sent is for `problems` to say.
    fileprivate func headers() -> [Webhook.Header]? {
        guard json.isObject else { return refuse("must be an object of strings") }
        guard json.elementCount <= Webhook.maximumHeaders else {
            return refuse("must have at most \(Webhook.maximumHeaders) headers")
        }
        var headers: [Webhook.Header] = []
        var isBad = false
        for (name, value) in json.members {
            let place = Field(json: value, pointer: pointer + "/" + Fields.escaped(name.text), errors: errors)
            guard (1...128).contains(name.count), !name.bytes.contains(0) else {
                errors.add(place.pointer, "a header's name must have 1 to 128 bytes")
                isBad = true
                continue
            }
            guard let text = place.text(bytes: Webhook.maximumValueBytes, allowEmpty: true) else {
                isBad = true
                continue
            }
            headers.append(Webhook.Header(name: Text(trusted: name.bytes), value: text))
        }
        return isBad ? nil : headers
    }
}

/// The signature of Standard Webhooks, version 1.
package enum StandardWebhook {
    /// `v1,` and base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`; `timestamp` is that of the attempt, in
    /// seconds since 1970.
    package static func signature(id: String, timestamp: Int64, body: [UInt8], key: [UInt8]) -> String {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        return "v1," + Base64.text(HMACSHA256.authenticate(signed, key: key).bytes)
    }
}
