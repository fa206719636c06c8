import Domain
import NIOHTTP1
import Web

/// Where a push goes, by its path and query: `/p/{token}`, `/p` and `/event/push/alert/{type}?integration_key={token}`.
struct PushTarget: Sendable {
    /// The tokens that the path or the query carry.
    let carried: [[UInt8]]
    /// The type in the path; nil for a path without one.
    let type: IntegrationType?

    /// Reads the target of a request; nil when it is no push. Slashes that are doubled or at the end don't matter.
    init?(_ uri: String) {
        guard let target = Self.read(Self.withoutAuthority(Array(uri.utf8))) else { return nil }
        self = target
    }

    private init(carried: [[UInt8]], type: IntegrationType?) {
        self.carried = carried
        self.type = type
    }

    /// The path and query of `http://host/path?query`, which a server must take as well (RFC 9112, 3.2.2).
    private static func withoutAuthority(_ uri: [UInt8]) -> [UInt8] {
        guard uri.first != UInt8(ascii: "/"), let colon = uri.firstIndex(of: UInt8(ascii: ":")),
            uri[colon...].starts(with: Array("://".utf8)),
            let path = uri[(colon + 3)...].firstIndex(of: UInt8(ascii: "/"))
        else { return uri }
        return Array(uri[path...])
    }

    private static func read(_ uri: [UInt8]) -> PushTarget? {
        let end = uri.firstIndex(of: UInt8(ascii: "?")) ?? uri.count
        var parts: [Range<Int>] = []
        var start = 0
        for index in 0...end where index == end || uri[index] == UInt8(ascii: "/") {
            if index > start { parts.append(start..<index) }
            if parts.count > 4 { return nil }
            start = index + 1
        }
        guard let first = parts.first else { return nil }
        if equals(uri, first, "p"), parts.count <= 2 {
            return PushTarget(carried: parts.dropFirst().map { Array(uri[$0]) }, type: nil)
        }
        guard parts.count == 4, equals(uri, first, "event"), equals(uri, parts[1], "push"),
            equals(uri, parts[2], "alert")
        else { return nil }
        let query = end < uri.count ? Array(uri[(end + 1)...]) : []
        return PushTarget(
            carried: keys(in: query),
            type: IntegrationType(Text(repairing: Array(uri[parts[3]])))
        )
    }

    private static func equals(_ uri: [UInt8], _ range: Range<Int>, _ word: String) -> Bool {
        uri[range].elementsEqual(word.utf8)
    }

    /// The values of `integration_key`, percent-decoded.
    private static func keys(in query: [UInt8]) -> [[UInt8]] {
        query.split(separator: UInt8(ascii: "&")).compactMap { pair in
            let halves = pair.split(
                separator: UInt8(ascii: "="),
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard halves.count == 2, halves[0].elementsEqual("integration_key".utf8) else { return nil }
            return percentDecoded(halves[1])
        }
    }

    private static func percentDecoded(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2).compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
            if byte == UInt8(ascii: "%"), digits.count == 2 {
                result.append(UInt8(digits[0] << 4 | digits[1]))
                rest = rest.dropFirst(2)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}

/// The head of a push, as far as it matters.
struct PushHead: Sendable {
    /// The caller's id for the request, when it gave one that is fit to be logged.
    private(set) var requestID: String?
    /// Where headers carry the token.
    private(set) var tokens: [[UInt8]] = []
    private(set) var contentType: Text?
    /// How the body is packed.
    let coding: BodyCoding
    /// Bytes that the body is said to have.
    private(set) var contentLength: Int?
    private(set) var expectsContinue = false
    /// Values of `X-Forwarded-For`, in their order.
    private(set) var forwardedFor: [String] = []
    /// Whether the connection stays after the answer.
    let isKeptAlive: Bool

    /// Looks at each header once.
    init(_ head: HTTPRequestHead) {
        isKeptAlive = head.isKeepAlive
        var codings: [String] = []
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 6 where Self.same(name, "expect"): expectsContinue = Self.same(value, "100-continue")
            case 12 where Self.same(name, "content-type"):
                contentType = Text(value).prefix(bytes: ContentType.mostBytes)
            case 12 where Self.same(name, "x-request-id"): requestID = requestID ?? RequestID.accepted(value)
            case 13 where Self.same(name, "authorization"):
                if let token = Self.credential(value) { tokens.append(token) }
            case 14 where Self.same(name, "content-length"): contentLength = Int(value) ?? .max
            case 15 where Self.same(name, "x-forwarded-for"): forwardedFor.append(value)
            case 16 where Self.same(name, "content-encoding"): codings.append(value)
            case 17 where Self.same(name, "x-integration-key"):
                let token = Text(value).trimmed
                if !token.isEmpty { tokens.append(token.bytes) }
            default: break
            }
        }
        coding = codings.isEmpty ? .none : BodyCoding(codings)
    }

    /// The token of an `Authorization` header: what stands behind `Bearer`, or a push token by itself. Whatever else is there, `Basic` for a
    /// proxy in between for instance, is nothing for us.
    private static func credential(_ value: String) -> [UInt8]? {
        if let credential = Bearer.credential(value.utf8) { return credential }
        let bytes = Text(value).trimmed.bytes
        return bytes.starts(with: PushToken.prefix) ? bytes : nil
    }

    /// ASCII letters without their case.
    private static func same(_ text: String, _ lower: StaticString) -> Bool {
        text.utf8.elementsEqual(lower.description.utf8) { byte, other in
            byte == other || (byte >= 0x41 && byte <= 0x5A && byte | 0x20 == other)
        }
    }
}
