import Domain
import Native

/// A kind whose settings are an address alone: its form of the API and its stored form are `{"url"}`.
package protocol AddressedKind: NotifierKind {
    var url: EndpointURL { get }

    init(url: EndpointURL)
}

extension AddressedKind {
    package init?(_ fields: Fields) {
        guard let url = fields.endpointURL() else { return nil }
        self.init(url: url)
    }

    package init?(stored object: JSONValue) {
        guard let url = EndpointURL(stored: object) else { return nil }
        self.init(url: url)
    }

    package func store(to object: inout JSONWriter) { object.field("url", url.secretText) }

    package func show(to object: inout JSONWriter, at now: UnixTime) { object.field("origin", url.origin) }

    package func problems(under policy: AddressPolicy) -> [FieldError] { url.problems(under: policy) }

    package var secrets: [String] { url.secrets }

    package func outgoing(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> Outgoing {
        .post(OutboundRequest(json: Self.body(message, rendered), to: url))
    }
}

/// A kind whose settings are an address and the key that requests are signed with, where the receiver has
/// one: `{"url", "secret"}`.
package protocol KeyedKind: NotifierKind {
    var url: EndpointURL { get }
    /// nil: requests are not signed.
    var secret: Text? { get }

    init(url: EndpointURL, secret: Text?)
}

extension KeyedKind {
    package init?(_ fields: Fields) {
        let url = fields.endpointURL()
        let secret = fields.nullable("secret") { $0.text() }
        guard let url else { return nil }
        self.init(url: url, secret: secret)
    }

    package init?(stored object: JSONValue) {
        guard let url = EndpointURL(stored: object) else { return nil }
        self.init(url: url, secret: object.text("secret"))
    }

    package func store(to object: inout JSONWriter) {
        object.field("url", url.secretText)
        object.field("secret", secret)
    }

    package func show(to object: inout JSONWriter, at now: UnixTime) {
        object.field("origin", url.origin)
        object.field("has_secret", secret != nil)
    }

    package func problems(under policy: AddressPolicy) -> [FieldError] {
        let isBad = secret.map { $0.isBlank || $0.bytes.count > 256 } ?? false
        return url.problems(under: policy)
            + (isBad ? [FieldError("/secret", "must have 1 to 256 bytes")] : [])
    }

    package var secrets: [String] { url.secrets + (secret.map { [$0.string] } ?? []) }
}

extension Fields {
    /// The address that messages are posted to. nil: an error was noted.
    package func endpointURL() -> EndpointURL? {
        required("url") { field -> EndpointURL? in
            guard let text = field.text(bytes: EndpointURL.maximumBytes) else { return nil }
            do throws(FieldError) { return try EndpointURL(text) } catch { return field.refuse(error.detail) }
        }
    }
}

extension EndpointURL {
    /// Reads the field `url` of stored settings. nil: it is none.
    package init?(stored object: JSONValue) {
        guard let text = object.text("url"), let url = try? EndpointURL(text) else { return nil }
        self = url
    }

    /// What is wrong with it for posting, before its name is looked up.
    package func problems(under policy: AddressPolicy) -> [FieldError] {
        policy.verdict(named: address, port: port, isTLS: isTLS, isMail: false).map {
            [FieldError("/url", $0)]
        } ?? []
    }

    /// What must not be shown of it: path and query, and the values in the query.
    package var secrets: [String] {
        let values = target.split(separator: "?", maxSplits: 1).dropFirst().flatMap {
            $0.split(separator: "&")
        }
        .compactMap { $0.split(separator: "=", maxSplits: 1).last.map(String.init) }
        let lastPart = target.split(separator: "?", maxSplits: 1).first?.split(separator: "/").last.map(
            String.init
        )
        return [target] + values + (lastPart.map { [$0] } ?? [])
    }
}

extension AddressPolicy {
    /// Why a connection to a host may not be made, as far as it can be told before its name is looked up;
    /// nil: it may, perhaps.
    ///
    /// `literal` is the host, where it is an address. Of a name scheme and port alone are looked at, and
    /// where more than public addresses are allowed they say nothing.
    func verdict(named literal: IPAddress?, port: Int, isTLS: Bool, isMail: Bool) -> String? {
        if let literal { return verdict(address: literal, port: port, isTLS: isTLS, isMail: isMail) }
        guard !allowsMore, let somewhere = IPAddress(octets: [1, 1, 1, 1]) else { return nil }
        return verdict(address: somewhere, port: port, isTLS: isTLS, isMail: isMail)
    }
}
