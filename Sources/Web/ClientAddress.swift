import Domain
import HTTPTypes
import Hummingbird
import NIOCore

/// Whose requests these are: the peer's address or, behind a proxy that is trusted, what the proxy says.
package struct ClientAddress: Sendable {
    private let trusted: [Network]
    private static let forwardedFor = HTTPField.Name("X-Forwarded-For")

    /// `trusted`: the addresses of the proxies in front of this server.
    package init(trusted: [Network]) {
        self.trusted = trusted
    }

    /// The client's address: the last one in `X-Forwarded-For` that is not a trusted proxy, when the peer is one.
    package func of(_ request: Request, _ connection: any NIOCore.Channel) -> Text? {
        guard let peer = connection.remoteAddress?.ipAddress else { return nil }
        guard !trusted.isEmpty, isTrusted(Array(peer.utf8)), let name = Self.forwardedFor else {
            return Text(peer)
        }
        let hops = request.headers[values: name].flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
        for hop in hops.reversed() {
            let text = Text(repairing: Array(hop.prefix(64))).trimmed
            guard IPAddress(text.bytes) != nil else { return Text(peer) }
            if !isTrusted(text.bytes) { return text }
        }
        return Text(peer)
    }

    private func isTrusted(_ address: [UInt8]) -> Bool {
        guard let address = IPAddress(address) else { return false }
        return trusted.contains { $0.contains(address) }
    }
}
