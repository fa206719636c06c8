/// A secret of this product, as someone may come upon it.
///
/// Every credential has a prefix of its own (`tak_`, `tok_`, `tpu_`), a fixed length of letters and digits, and ends with 6 base62 digits of
/// the CRC-32 of what is before, so that scanners of secrets find it, and nothing else, without asking.
package enum Credential: Sendable {
    /// Of the management API.
    case apiKey(APIKeySecret)
    /// Of a push URL; `text` is the whole token.
    case pushToken(PushToken, text: [UInt8])

    /// Bytes of the longest text that is searched: any address that holds a token is shorter.
    package static let longestText = 2_048

    /// The different credentials that stand in `text`, in their order: alone, in a push URL of any form, or in a header.
    package static func found(in text: [UInt8]) -> [Credential] {
        var found: [Credential] = []
        var known: Set<[UInt8]> = []
        for start in text.indices where text[start] == UInt8(ascii: "t") {
            let rest = text[start...]
            if let secret = APIKeySecret(rest.prefix(APIKeySecret.length)) {
                if known.insert(secret.bytes).inserted { found.append(.apiKey(secret)) }
            } else if let token = PushToken(rest.prefix(PushToken.length)) {
                let text = Array(rest.prefix(PushToken.length))
                if known.insert(text).inserted { found.append(.pushToken(token, text: text)) }
            }
        }
        return found
    }
}
