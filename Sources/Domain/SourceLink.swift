/// The address of a source's own page about an alert.
package enum SourceLink {
    /// The first of `links` that people can open: http or https with a whole host name or an address. Where none has that, the first with a
    /// bare name, which only works inside the network that knows it. nil: none is one.
    package static func usable(_ links: [Text?]) -> Text? {
        let usable = links.compactMap { $0 }.compactMap { safe($0) }
        return usable.first { hasWholeHost($0) } ?? usable.first
    }

    /// The link when it may be shown as one. Only web addresses with a host become links: anything else could be a script.
    package static func safe(_ link: Text) -> Text? {
        let text = link.trimmed
        guard text.bytes.count <= Limits.linkBytes, text.bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F }),
            let host = host(of: text), !host.isEmpty
        else { return nil }
        return text
    }

    /// `host` or `[address]` of `http://user@host:port/path`; nil: it is no http or https address.
    private static func host(of text: Text) -> ArraySlice<UInt8>? {
        let start = text.prefix(bytes: 8).folded.bytes
        let scheme =
            start.starts(with: Array("https://".utf8))
            ? 8 : start.starts(with: Array("http://".utf8)) ? 7 : nil
        guard let scheme else { return nil }
        let rest = text.bytes.dropFirst(scheme)
        var authority = rest.prefix { !Array("/?#\\".utf8).contains($0) }
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) { authority = authority[(at + 1)...] }
        if authority.first == UInt8(ascii: "["), let end = authority.firstIndex(of: UInt8(ascii: "]")) {
            return authority[...end]
        }
        return authority.prefix { $0 != UInt8(ascii: ":") }
    }

    /// Whether the host is more than a bare name of some cluster.
    private static func hasWholeHost(_ text: Text) -> Bool {
        guard let host = host(of: text) else { return false }
        if host.first == UInt8(ascii: "[") { return true }
        let labels = host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: true)
        return labels.count > 1 || Text(trusted: Array(host)).folded == "localhost"
    }
}
