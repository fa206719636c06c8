import Native
import TestSupport
import Testing

@Suite("Certificates of a server")
struct ContextTests {
    private static func error(
        _ certificate: PEMText,
        _ key: PEMText,
        _ authorities: PEMText? = nil
    ) -> TLSCredentialsError? {
        do {
            _ = try TLSContext.server(certificate: certificate, key: key, clientAuthorities: authorities)
            return nil
        } catch {
            return error
        }
    }

    @Test("what is wrong is said of the file it is in")
    func mistakes() throws {
        let made = try TestCertificates.get()
        let (good, key) = (made.server.certificate, made.server.key)
        let empty = PEMText(name: "empty", bytes: [])
        let half = PEMText(name: "half", bytes: Array(good.bytes.prefix(good.bytes.count / 2)))
        let second = PEMText(name: "second", bytes: good.bytes + Array(good.bytes.prefix(200)))
        var bytes = good.bytes
        // Within the first line of its text.
        for place in 40..<60 { bytes[place] = UInt8(ascii: "B") }
        let damaged = PEMText(name: "damaged", bytes: bytes)
        let halfKey = PEMText(name: "half key", bytes: Array(key.bytes.prefix(100)))
        #expect(Self.error(good, key) == nil)
        #expect(Self.error(empty, key) == .noCertificate("empty"))
        #expect(Self.error(key, key) == .noCertificate(key.name))
        #expect(Self.error(half, key) == .malformedCertificate("half"))
        #expect(Self.error(second, key) == .malformedCertificate("second"))
        #expect(Self.error(damaged, key) == .malformedCertificate("damaged"))
        #expect(Self.error(good, good) == .noKey(good.name))
        #expect(Self.error(good, halfKey) == .noKey("half key"))
        #expect(Self.error(good, made.client.key) == .foreignKey(certificate: good.name, key: "client.key"))
        #expect(Self.error(good, key, empty) == .noCertificate("empty"))
        #expect(Self.error(good, key, half) == .malformedCertificate("half"))
        #expect(throws: TLSCredentialsError.missing("/nowhere.pem")) { try PEMText(file: "/nowhere.pem") }
    }

    @Test(
        "chain and key may be one file, text between the blocks is passed over, and the end of the chain is known"
    )
    func oneFile() throws {
        let made = try TestCertificates.get()
        let text = Array("issued for tests\n".utf8)
        let all = PEMText(
            name: "all",
            bytes: text + made.server.key.bytes + text + made.server.certificate.bytes + text
                + made.authority.bytes
        )
        let context = try TLSContext.server(certificate: all, key: all)
        let day: Int64 = 86_400
        let now = systemMilliseconds() / 1_000
        let left = try #require(context.notAfter) - now
        #expect((364 * day...366 * day).contains(left))
        #expect(try #require(context.notBefore) <= now)
        let old = try TLSContext.server(certificate: made.expired.certificate, key: made.expired.key)
        #expect(try #require(old.notAfter) < now)
    }

    @Test("silent sessions take little memory")
    func memory() throws {
        // The memory is that of the whole process, in which other tests run meanwhile: the least of three
        // counts.
        var least = Int.max
        for _ in 0..<3 { least = min(least, try bytesOfPair()) }
        print("memory of one silent pair of sessions, with 16 KiB kept by the test: \(least) bytes")
        #expect(least < 120_000)
    }

    private func bytesOfPair() throws -> Int {
        let made = try TestCertificates.get()
        let server = try TLSContext.server(certificate: made.server.certificate, key: made.server.key)
        let client = try TLSContext.client(authorities: nil)
        var kept: [Pair] = []
        let before = residentBytes()
        for _ in 0..<500 {
            let pair = try Pair(client: client, server: server)
            try pair.carry()
            try pair.client.send([UInt8](repeating: 1, count: 16_384))
            try pair.carry()
            kept.append(pair)
        }
        return withExtendedLifetime(kept) { (residentBytes() - before) / 500 }
    }

    private func residentBytes() -> Int {
        guard let text = try? PEMText(file: "/proc/self/statm").bytes else { return 0 }
        let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4_096 : 0
    }
}
