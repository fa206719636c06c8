/// The address of a source's own page about an alert.
package enum SourceLink {
    /// The first of `links` that people can open: http or https with a whole host name or an address. Where
    /// none has that, the first with a bare name, which only works inside the network that knows it. nil:
    /// none is one.
    package static func usable(_ links: [Text?]) -> Text? {
        var bare: Text?
        for case let link? in links {
            let text = link.trimmed
            guard let host = safeHost(of: text) else { continue }
            if isWhole(host) { return text }
            bare = bare ?? text
        }
        return bare
    }

    /// `host` or `[address]` of a link that may be shown as one; nil: it may not. Only web addresses with a
    /// host become links: anything else could be a script.
    private static func safeHost(of text: Text) -> ArraySlice<UInt8>? {
        guard text.bytes.count <= Limits.linkBytes, text.bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F }),
            let scheme = schemes.first(where: { text.bytes.starts(with: $0, by: { $0 | 0x20 == $1 | 0x20 }) })
        else { return nil }
        let rest = text.bytes.dropFirst(scheme.count)
        var authority = rest.prefix { !ends.contains($0) }
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(at + 1)...] }
        if authority.first == UInt8(ascii: "["), let end = authority.firstIndex(of: UInt8(ascii: "]")) {
            return authority[...end]
        }
        let host = authority.prefix { $0 != UInt8(ascii: ":") }
        return host.isEmpty ? nil : host
    }

    /// `:` and `/` have no letter case, and nothing else becomes them by that bit that a link may hold.
    private static let schemes = ["https://", "http://"].map { Array($0.utf8) }
    private static let ends = Array("/?#\\".utf8)
    private static let local = Array("localhost".utf8)

    /// Whether a host is more than the bare name of some cluster.
    private static func isWhole(_ host: ArraySlice<UInt8>) -> Bool {
        if host.first == UInt8(ascii: "[") { return true }
        let labels = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: true)
        return labels.count > 1 || host.elementsEqual(local, by: { $0 | 0x20 == $1 })
    }
}
