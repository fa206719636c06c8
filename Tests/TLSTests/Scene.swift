import Native
import TestSupport

/// A client and a server session whose bytes the test carries itself.
final class Pair {
    let client: TLSSession
    let server: TLSSession
    /// What each of them got in the clear.
    private(set) var atClient: [UInt8] = []
    private(set) var atServer: [UInt8] = []

    init(client: TLSContext, server: TLSContext, serverName: String? = nil) throws {
        self.client = try TLSSession(client, serverName: serverName)
        self.server = try TLSSession(server)
    }

    convenience init(_ version: TLSVersion? = nil) throws {
        let made = try TestCertificates.get()
        try self.init(
            client: .client(authorities: made.authority, only: version),
            server: .server(certificate: made.server.certificate, key: made.server.key),
            serverName: "localhost"
        )
    }

    /// Carries until both are silent. `cut`: so many bytes of the client's reach the server; `piece`: bytes
    /// carried at a time.
    func carry(cut: Int = .max, piece: Int = .max) throws {
        if !client.isEstablished { try client.start() }
        var left = cut
        while true {
            let toServer = client.takeCiphertext().prefix(left)
            left -= toServer.count
            for part in Self.pieces(Array(toServer), piece) { try serverReceives(part) }
            let toClient = server.takeCiphertext()
            for part in Self.pieces(toClient, piece) { try clientReceives(part) }
            if toServer.isEmpty, toClient.isEmpty { return }
        }
    }

    func serverReceives(_ bytes: [UInt8]) throws {
        try server.receive(bytes, plaintext: &atServer)
    }

    func clientReceives(_ bytes: [UInt8]) throws {
        try client.receive(bytes, plaintext: &atClient)
    }

    private static func pieces(_ bytes: [UInt8], _ size: Int) -> [[UInt8]] {
        stride(from: 0, to: bytes.count, by: max(min(size, bytes.count), 1)).map { start in
            Array(bytes[start..<min(bytes.count - start, size, bytes.count) + start])
        }
    }
}
