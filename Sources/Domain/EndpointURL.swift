/// The address of a receiver, read strictly: what one parser takes for a public host and another for a
/// private one is refused.
///
/// - Shape: `http://` or `https://`, a host, an optional port, a path and a query; at most 2,048 bytes of
///   visible ASCII. No user information, fragment, backslash, control or blank.
/// - Host: a name of letters, digits and inner hyphens whose last part has a letter that is no hexadecimal
///   number (so `2130706433`, `0x7f.1` and `127.1` are none), an IPv4 address of four decimal parts, or an
///   IPv6 address in brackets. In lower case here.
package struct EndpointURL: Sendable, Equatable {
    package static let maximumBytes = 2_048

    package let isTLS: Bool
    /// Without brackets.
    package let host: String
    package let port: Int
    /// Path and query, beginning with `/`.
    package let target: String
    /// The host, when it is an address.
    package let address: IPAddress?

    /// Reads one. Throws what is wrong with it.
    package init(_ text: Text) throws(FieldError) {
        let bytes = text.bytes
        guard bytes.count <= Self.maximumBytes, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x5C })
        else {
            throw FieldError(
                "",
                "must be a URL of at most 2,048 visible ASCII characters, without backslashes"
            )
        }
        let (isTLS, rest) = try Self.scheme(bytes)
        let end = rest.firstIndex { $0 == 0x2F || $0 == 0x3F || $0 == 0x23 } ?? rest.endIndex
        let target = rest[end...]
        guard !target.contains(0x23) else { throw FieldError("", "must not have a fragment (#)") }
        let authority = Array(rest[..<end])
        guard !authority.contains(0x40) else { throw FieldError("", "must not have a user or password") }
        let (host, port) = try Self.authority(authority)
        self.isTLS = isTLS
        self.port = port ?? (isTLS ? 443 : 80)
        self.target = (target.first == 0x2F ? "" : "/") + String(decoding: target, as: UTF8.self)
        (self.host, address) = try Self.host(host)
    }

    /// Scheme, host and port: what may be shown of an address that carries a secret.
    package var origin: String {
        let name = host.contains(":") ? "[\(host)]" : host
        let isUsual = port == (isTLS ? 443 : 80)
        return (isTLS ? "https://" : "http://") + name + (isUsual ? "" : ":\(port)")
    }

    /// The whole address: a secret.
    package var secretText: String { origin + target }

    private static func scheme(_ bytes: [UInt8]) throws(FieldError) -> (Bool, ArraySlice<UInt8>) {
        for (prefix, isTLS) in [("https://", true), ("http://", false)] {
            let prefix = Array(prefix.utf8)
            if bytes.count > prefix.count, Text(trusted: Array(bytes[..<prefix.count])).folded.bytes == prefix
            {
                return (isTLS, bytes[prefix.count...])
            }
        }
        throw FieldError("", "must begin with https://")
    }

    private static func authority(_ bytes: [UInt8]) throws(FieldError) -> (host: [UInt8], port: Int?) {
        let isBracketed = bytes.first == 0x5B
        let colon = isBracketed ? bytes.lastIndex(of: 0x5D).map { $0 + 1 } : bytes.firstIndex(of: 0x3A)
        guard let colon, colon < bytes.count else { return (bytes, nil) }
        let digits = bytes[(colon + 1)...]
        guard bytes[colon] == 0x3A, (1...5).contains(digits.count),
            digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0
        else { throw FieldError("", "has a port that is no number from 1 to 65535") }
        return (Array(bytes[..<colon]), Int(port))
    }

    /// Reads a host by the rules above, in lower case. Blanks and line ends are no part of one, at its ends
    /// neither.
    package static func host(_ bytes: [UInt8]) throws(FieldError) -> (String, IPAddress?) {
        if bytes.first == 0x5B, bytes.last == 0x5D, bytes.count > 2 {
            let inner = Array(bytes[1..<bytes.count - 1])
            if inner.contains(0x3A), let address = IPAddress(inner) {
                return (String(decoding: inner, as: UTF8.self).lowercased(), address)
            }
            throw FieldError("", "has a host that is no IPv6 address")
        }
        if let address = IPAddress(bytes), address.isIPv4, !bytes.contains(0x3A) {
            return (String(decoding: bytes, as: UTF8.self), address)
        }
        let lower = bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        let parts = lower.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard (1...253).contains(lower.count), parts.allSatisfy(isHostPart), let last = parts.last,
            isName(last)
        else {
            throw FieldError(
                "",
                "has a host that is neither a name such as alerts.example.com nor an IP address"
            )
        }
        return (String(decoding: lower, as: UTF8.self), nil)
    }

    private static func isHostPart(_ part: ArraySlice<UInt8>) -> Bool {
        let isPlain = part.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D
        }
        return (1...63).contains(part.count) && isPlain && part.first != 0x2D && part.last != 0x2D
    }

    /// Whether the last part of a name can't be read as a number, decimal, octal or hexadecimal.
    private static func isName(_ part: ArraySlice<UInt8>) -> Bool {
        guard part.contains(where: { !(0x30...0x39).contains($0) }) else { return false }
        return !part.starts(with: Array("0x".utf8))
    }
}
