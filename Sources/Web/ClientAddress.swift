import Domain
import HTTPTypes
import Hummingbird
import NIOCore

/// Whose requests these are: the peer's address or, behind a proxy that is trusted, what the proxy says.
package struct ClientAddress: Sendable {
    private let trusted: [Network]

    /// `trusted`: the addresses of the proxies in front of this server.
    package init(trusted: [Network]) {
        self.trusted = trusted
    }

    /// The client's address: the last one in `forwardedFor`, the values of `X-Forwarded-For`, that is not a trusted proxy, when the peer
    /// is one.
    package func of(peer address: SocketAddress?, forwardedFor: [String]) -> Text? {
        guard let peer = address?.ipAddress else { return nil }
        guard !trusted.isEmpty, isTrusted(Array(peer.utf8)) else { return Text(peer) }
        let hops = forwardedFor.flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
        for hop in hops.reversed() {
            let text = Text(repairing: Array(hop.prefix(64))).trimmed
            guard IPAddress(text.bytes) != nil else { return Text(peer) }
            if !isTrusted(text.bytes) { return text }
        }
        return Text(peer)
    }

    /// The client's address of a request of the management API.
    package func of(_ request: Request, _ context: AppContext) -> Text? {
        let values = HTTPField.Name("X-Forwarded-For").map { request.headers[values: $0] } ?? []
        return of(peer: context.peer, forwardedFor: values)
    }

    private func isTrusted(_ address: [UInt8]) -> Bool {
        guard let address = IPAddress(address) else { return false }
        return trusted.contains { $0.contains(address) }
    }
}
