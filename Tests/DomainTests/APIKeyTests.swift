import Domain
import Testing

@Suite("APIKeySecret")
struct APIKeyTests {
    private static func made(_ kind: APIKeySecret.Kind, seed: UInt64 = 1) -> APIKeySecret {
        var random = SeededRandom(seed)
        return APIKeySecret(kind: kind, random: &random)
    }

    @Test("has 52 characters and begins with its kind", arguments: [APIKeySecret.Kind.account, .operator])
    func shape(kind: APIKeySecret.Kind) {
        let text = Self.made(kind).revealed
        #expect(text.utf8.count == 52)
        #expect(text.hasPrefix(kind.rawValue))
    }

    @Test("is read as it was made", arguments: [APIKeySecret.Kind.account, .operator])
    func roundTrip(kind: APIKeySecret.Kind) throws {
        let made = Self.made(kind)
        let read = try #require(APIKeySecret(made.bytes))
        #expect(read.kind == made.kind)
        #expect(read.publicID == made.publicID)
        #expect(read.bytes == made.bytes)
        #expect(read.digest == made.digest)
    }

    @Test("is found by the 10 digits after the prefix")
    func publicID() {
        let made = Self.made(.account)
        #expect(made.publicID.bytes == Array(made.bytes[4..<14]))
    }

    @Test("ends with the checksum of what is before")
    func checksum() {
        let text = Self.made(.account).revealed
        #expect(text == TokenForge.sealed(String(text.prefix(46))))
    }

    @Test("1,000 keys are 1,000 texts, ids and digests")
    func distinct() {
        var random = SeededRandom(2)
        let keys = (0..<1_000).map { _ in APIKeySecret(kind: .account, random: &random) }
        #expect(Set(keys.map(\.revealed)).count == 1_000)
        #expect(Set(keys.map(\.publicID)).count == 1_000)
        #expect(Set(keys.map(\.digest)).count == 1_000)
    }

    @Test("uses every digit")
    func digits() {
        var random = SeededRandom(3)
        let used = Set((0..<100).flatMap { _ in APIKeySecret(kind: .account, random: &random).bytes[4..<46] })
        #expect(used.count == 62)
    }

    @Test("never shows itself unless asked to", arguments: [APIKeySecret.Kind.account, .operator])
    func description(kind: APIKeySecret.Kind) {
        #expect("\(Self.made(kind))" == kind.rawValue + "***")
    }

    @Test("every change of one byte is refused")
    func oneByte() {
        let bytes = Self.made(.account).bytes
        let accepted = bytes.indices.flatMap { index in
            (0...255 as ClosedRange<UInt8>).filter { byte in
                byte != bytes[index] && APIKeySecret(bytes[..<index] + [byte] + bytes[(index + 1)...]) != nil
            }
        }
        #expect(accepted.isEmpty)
    }

    @Test(
        "no other spelling is read",
        arguments: [
            "", "tak_", String(made(.account).revealed.dropLast()), made(.account).revealed + "0",
            " " + made(.account).revealed, made(.account).revealed + "\n",
            made(.account).revealed.uppercased(),
            TokenForge.sealed("tpu_" + made(.account).revealed.dropFirst(4).prefix(42)),
            TokenForge.sealed("TAK_" + made(.account).revealed.dropFirst(4).prefix(42)),
            TokenForge.sealed(made(.account).revealed.prefix(45) + "-"),
            TokenForge.sealed(String(made(.account).revealed.prefix(45))),
        ]
    )
    func refused(text: String) {
        #expect(APIKeySecret(text.utf8) == nil)
    }

    @Test("an account's key is not an operator's")
    func kinds() {
        let account = Self.made(.account).revealed
        #expect(
            APIKeySecret(TokenForge.sealed("tok_" + account.dropFirst(4).prefix(42)).utf8)?.kind == .operator
        )
        #expect(APIKeySecret(account.utf8)?.kind == .account)
    }
}

@Suite("Role")
struct RoleTests {
    @Test("a later one may do all that an earlier one may")
    func order() {
        #expect(Role.allCases.sorted() == [.viewer, .editor, .admin])
    }

    @Test(
        "reads its exact wire spelling alone",
        arguments: [
            ("viewer", .viewer), ("editor", .editor), ("admin", .admin), ("Admin", nil), ("operator", nil),
            ("", nil),
        ]
            as [(String, Role?)]
    )
    func name(text: String, role: Role?) {
        #expect(Role(name: text) == role)
    }
}

@Suite("Metadata")
struct MetadataTests {
    private static let old = Metadata.new(externalID: "x", labels: labels(("a", "1")), at: at(0))

    @Test("begins with version 1")
    func new() {
        let expected = Metadata(
            externalID: "x",
            labels: labels(("a", "1")),
            version: Version(1),
            createdAt: at(0),
            updatedAt: at(0)
        )
        #expect(Self.old == expected)
    }

    @Test(
        "a change says of the external id whether it is kept, cleared or set",
        arguments: [(.keep, "x"), (.clear, nil), (.set("y"), "y")] as [(Change<Text>, Text?)]
    )
    func externalID(change: Change<Text>, result: Text?) {
        #expect(Self.old.changed(externalID: change, labels: nil, at: at(1)).externalID == result)
    }

    @Test("a change counts the version and moves the time of the change alone")
    func changed() {
        let expected = Metadata(
            externalID: "x",
            labels: Labels(),
            version: Version(2),
            createdAt: at(0),
            updatedAt: at(9)
        )
        #expect(Self.old.changed(externalID: .keep, labels: Labels(), at: at(9)) == expected)
    }

    @Test("a change without labels keeps them")
    func keptLabels() {
        #expect(Self.old.changed(externalID: .clear, labels: nil, at: at(1)).labels == labels(("a", "1")))
    }
}
