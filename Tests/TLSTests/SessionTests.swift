import Native
import TestSupport
import Testing

@Suite("A TLS session", .timeLimit(.minutes(2)))
struct SessionTests {
    @Test(
        "is established in both versions, whatever pieces the bytes come in",
        arguments: TLSVersion.allCases,
        [1, 7, Int.max]
    )
    func handshake(version: TLSVersion, piece: Int) throws {
        let pair = try Pair(version)
        try pair.carry(piece: piece)
        #expect(pair.client.isEstablished && pair.server.isEstablished)
        #expect(pair.server.version == (version == .tls12 ? "TLSv1.2" : "TLSv1.3"))
    }

    @Test(
        "carries bytes of every size both ways",
        arguments: TLSVersion.allCases,
        [0, 1, 16_383, 16_384, 16_385, 1_000_000]
    )
    func data(version: TLSVersion, size: Int) throws {
        let pair = try Pair(version)
        try pair.carry()
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try pair.client.send(bytes)
        try pair.server.send(bytes)
        try pair.carry(piece: 10_000)
        #expect(pair.atServer == bytes)
        #expect(pair.atClient == bytes)
    }

    @Test("the end of one direction leaves the other open", arguments: TLSVersion.allCases)
    func halfClosed(version: TLSVersion) throws {
        let pair = try Pair(version)
        try pair.carry()
        pair.client.close()
        try pair.carry()
        #expect(pair.server.isInputClosed && !pair.server.isOutputClosed && !pair.client.isInputClosed)
        try pair.server.send([1, 2, 3])
        pair.server.close()
        try pair.carry()
        #expect(pair.atClient == [1, 2, 3])
        #expect(pair.client.isInputClosed)
        #expect(throws: TLSFailure.self) { try pair.client.send([1]) }
    }

    @Test("a server's name is checked")
    func serverName() throws {
        let made = try TestCertificates.get()
        let server = try TLSContext.server(certificate: made.server.certificate, key: made.server.key)
        let client = try TLSContext.client(authorities: made.authority)
        let pair = try Pair(client: client, server: server, serverName: "elsewhere.test")
        let failure = #expect(throws: TLSFailure.self) { try pair.carry() }
        #expect(failure?.reason == .certificate)
        let stranger = try TLSContext.client(authorities: made.otherAuthority)
        let second = try Pair(client: stranger, server: server, serverName: "localhost")
        #expect(throws: TLSFailure.self) { try second.carry() }
        // The client's alert tells the server.
        let told = #expect(throws: TLSFailure.self) {
            try second.serverReceives(second.client.takeCiphertext())
        }
        #expect(told?.reason == .alert)
    }

    @Test(
        "a client without certificate, or with a foreign one, is refused where authorities are set",
        arguments: TLSVersion.allCases
    )
    func clientCertificates(version: TLSVersion) throws {
        let made = try TestCertificates.get()
        let server = try TLSContext.server(
            certificate: made.server.certificate,
            key: made.server.key,
            clientAuthorities: made.authority
        )
        for identity in [nil, made.foreignClient, made.server, made.client] as [TestCertificates.Identity?] {
            let client = try TLSContext.client(
                authorities: made.authority,
                certificate: identity?.certificate,
                key: identity?.key,
                only: version
            )
            let pair = try Pair(client: client, server: server)
            if identity?.certificate.name == "client.crt" {
                try pair.carry()
                #expect(pair.server.isEstablished)
            } else {
                let failure = #expect(throws: TLSFailure.self) { try pair.carry() }
                #expect(failure?.reason == .certificate)
                #expect(!pair.server.isEstablished)
                #expect(!pair.server.takeCiphertext().isEmpty, "an alert says why")
            }
        }
    }
}

@Suite("What is no TLS, or broken", .timeLimit(.minutes(3)))
struct BrokenBytesTests {
    private static func server() throws -> TLSContext {
        let made = try TestCertificates.get()
        return try TLSContext.server(certificate: made.server.certificate, key: made.server.key)
    }

    @Test(
        "plain HTTP is told apart",
        arguments: ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /p/x HTTP/1.1\r\n", "SSH-2.0-x\r\n"]
    )
    func notTLS(text: String) throws {
        let session = try TLSSession(try Self.server())
        var clear: [UInt8] = []
        let failure = #expect(throws: TLSFailure.self) {
            try session.receive(Array(text.utf8), plaintext: &clear)
        }
        #expect(failure?.reason == .notTLS)
        #expect(clear.isEmpty)
        // It is final.
        let again = #expect(throws: TLSFailure.self) { try session.receive([0x16], plaintext: &clear) }
        #expect(again == failure)
    }

    @Test("a million random bytes end the session and nothing else")
    func random() throws {
        let context = try Self.server()
        var random = SystemRandomNumberGenerator()
        for round in 0..<200 {
            var bytes = (0..<5_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Half of them look like the record of a handshake.
            if round % 2 == 0 { bytes.replaceSubrange(0..<6, with: [0x16, 3, 1, 0x10, 0, 1]) }
            let session = try TLSSession(context)
            var clear: [UInt8] = []
            var failure: TLSFailure?
            do {
                for part in stride(from: 0, to: bytes.count, by: 100) {
                    try session.receive(Array(bytes[part..<part + 100]), plaintext: &clear)
                }
            } catch {
                failure = error
            }
            // The beginning of a record is waited for to its end; what is none ends the session.
            #expect(failure != nil || round % 2 == 0 || (0x14...0x17).contains(bytes[0]) || bytes[0] >= 0x80)
            #expect(clear.isEmpty && !session.isEstablished)
        }
    }

    @Test("random bytes after a good beginning", arguments: TLSVersion.allCases)
    func randomAfterHello(version: TLSVersion) throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let pair = try Pair(version)
            try pair.client.start()
            try pair.serverReceives(pair.client.takeCiphertext())
            var bytes = (0..<5_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            // No type of record: one that is by chance would be waited for.
            bytes[0] &= 0x0F
            #expect(throws: TLSFailure.self) { try pair.serverReceives(bytes) }
            #expect(!pair.server.isEstablished && pair.atServer.isEmpty)
        }
    }

    @Test("a record with one bit flipped is refused whole", arguments: TLSVersion.allCases)
    func flipped(version: TLSVersion) throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<100 {
            let pair = try Pair(version)
            try pair.carry()
            try pair.client.send([UInt8](repeating: 7, count: 1_000))
            var record = pair.client.takeCiphertext()
            // Behind the header: a flip of the length would be waited for.
            record[Int.random(in: 5..<record.count, using: &random)] ^=
                1 << UInt8.random(in: 0..<8, using: &random)
            #expect(throws: TLSFailure.self) { try pair.serverReceives(record) }
            #expect(pair.atServer.isEmpty)
        }
    }

    @Test("1,000 handshakes, half of them cut at any byte")
    func cut() throws {
        let made = try TestCertificates.get()
        let server = try Self.server()
        var random = SystemRandomNumberGenerator()
        var established = 0
        for round in 0..<1_000 {
            let version = round % 4 < 2 ? TLSVersion.tls12 : .tls13
            let client = try TLSContext.client(authorities: made.authority, only: version)
            let pair = try Pair(client: client, server: server)
            try pair.carry(cut: round % 2 == 0 ? Int.random(in: 0..<300, using: &random) : .max)
            established += pair.server.isEstablished ? 1 : 0
            if round % 2 == 1 { #expect(pair.server.isEstablished) }
        }
        #expect(established < 1_000)
    }
}
