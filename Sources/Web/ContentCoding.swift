import Domain

/// The codings that a `Content-Encoding` says were applied to a body (RFC 9110, 8.4).
///
/// - Rule: a name that is no coding says nothing. Why: senders write a charset there ("UTF-8"). Otherwise: an
///   alert is lost to a header.
package enum ContentCoding: Sendable, Equatable {
    case gzip
    case deflate
    /// A coding of IANA's registry that is not undone here.
    case foreign(String)

    private static let foreign: Set<Text> = [
        "br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "aes128gcm", "pack200-gzip",
    ]
    /// Codings that are read of one request, and bytes of a value.
    private static let most = 8
    private static let mostBytes = 255

    /// The codings that the values of the header name, in their order, at most `most`.
    package static func read(_ values: [String]) -> [ContentCoding] {
        var codings: [ContentCoding] = []
        for value in values {
            guard value.utf8.count <= mostBytes else {
                codings.append(.foreign("one of so many bytes"))
                continue
            }
            for part in value.utf8.split(separator: UInt8(ascii: ",")) where codings.count < most {
                if let coding = ContentCoding(Text(trusted: Array(part)).folded) { codings.append(coding) }
            }
        }
        return codings
    }

    private init?(_ name: Text) {
        switch name {
        case "gzip", "x-gzip": self = .gzip
        case "deflate": self = .deflate
        case let name where Self.foreign.contains(name): self = .foreign(name.string)
        default: return nil
        }
    }
}
