import Domain

/// The credential of an `Authorization` header of the scheme `Bearer` (RFC 6750).
///
/// - A scheme has no letter case, and blanks after it and around the credential do not matter (RFC 9110, 11.1
///   and 11.4).
package enum Bearer {
    private static let scheme = Array("bearer".utf8)

    /// The text behind the scheme; nil: it is another scheme, or none.
    package static func credential(_ header: some Collection<UInt8>) -> [UInt8]? {
        let text = Text(trusted: Array(header)).trimmed.bytes
        guard text.count > scheme.count, text[scheme.count].isASCIIWhitespace,
            text.prefix(scheme.count).elementsEqual(scheme, by: { $0 | 0x20 == $1 })
        else { return nil }
        return Text(trusted: Array(text.dropFirst(scheme.count))).trimmed.bytes
    }
}
