import Domain
import Testing

@Suite("PushToken")
struct PushTokenTests {
    private static let root = [UInt8](0...31)
    private static let keys = PushTokenKeys(
        roots: [1: root, 2: [UInt8](repeating: 9, count: 32), 7: root],
        deploymentID: TokenForge.deployment
    )
    private static let first = "tpu_1elaoZ7zQVHWbHU000000005FjQbybHiUwm0Cw3TyVxP50928ST"
    private static let second = "tpu_1elhGfzq9UETv6n0C9q9fIGAIIiJG35RLQCvLb2hXpd122mWFnr"
    private static let third = "tpu_1kyYJILk34q0nRnOxCfCxAVlteH6N9Dhgbcze4TyXp8OQ0VrfTA"

    /// Whether the token is read and verified.
    private static func isAccepted(_ text: String, by keys: PushTokenKeys = keys) -> Bool {
        guard let token = PushToken(text.utf8) else { return false }
        return keys.verify(token)
    }

    private static func issue(_ forge: TokenForge, by keys: PushTokenKeys = keys) -> String {
        let text = keys.issue(
            kid: forge.kid,
            account: AccountNumber(forge.account),
            integration: IntegrationNumber(forge.integration),
            tag: PushTag(value: forge.tag),
            expiryDay: forge.expiryDay
        )
        return String(decoding: text, as: UTF8.self)
    }

    private static func random(_ random: inout SeededRandom) -> TokenForge {
        TokenForge(
            kid: random.pick([1, 7]),
            account: UInt32.random(in: 0 ... .max, using: &random),
            integration: UInt32.random(in: 0 ... .max, using: &random),
            tag: UInt64.random(in: 0...0xFF_FFFF_FFFF, using: &random),
            expiryDay: UInt16.random(in: 0 ... .max, using: &random)
        )
    }

    private static let vectors = [
        (TokenForge(), first),
        (TokenForge(account: 0x1234_5678, integration: 0x9ABC_DEF0, tag: 0x01_0203_0405), second),
    ]

    @Test("the vectors of the design are issued", arguments: vectors)
    func issued(forge: TokenForge, text: String) {
        #expect(Self.issue(forge) == text)
    }

    @Test("the vectors of the design are accepted", arguments: vectors)
    func accepted(forge: TokenForge, text: String) {
        #expect(Self.isAccepted(text))
    }

    @Test("the vectors of the design are read", arguments: vectors)
    func read(forge: TokenForge, text: String) throws {
        let token = try #require(PushToken(text.utf8))
        #expect(token.kid == forge.kid)
        #expect(token.account == AccountNumber(forge.account))
        #expect(token.integration == IntegrationNumber(forge.integration))
        #expect(token.tag == PushTag(value: forge.tag))
        #expect(token.expiryDay == forge.expiryDay)
        #expect(token.mac == forge.mac)
    }

    @Test(
        "the design's table gives all three vectors",
        arguments: vectors + [
            (
                TokenForge(
                    scope: 2,
                    kid: 7,
                    account: .max,
                    integration: .max,
                    tag: 0xFF_FFFF_FFFF,
                    expiryDay: .max
                ), third
            )
        ]
    )
    func reference(forge: TokenForge, text: String) {
        #expect(forge.text == text)
    }

    @Test("a token of another scope is refused, although it is signed")
    func otherScope() {
        #expect(PushToken(Self.third.utf8) == nil)
    }

    @Test("2,000 random tokens are those of the reference")
    func randomIssue() {
        var random = SeededRandom(1)
        let failures = (0..<2_000).count { _ in
            let forge = Self.random(&random)
            return Self.issue(forge) != forge.text
        }
        #expect(failures == 0)
    }

    @Test("10,000 random tokens have 55 characters, are accepted and say what was signed")
    func randomRoundTrips() {
        var random = SeededRandom(2)
        let failures = (0..<10_000).count { _ in
            let forge = Self.random(&random)
            let text = Self.issue(forge)
            guard text.utf8.count == 55, let token = PushToken(text.utf8), Self.keys.verify(token) else {
                return true
            }
            return token.kid != forge.kid || token.account.value != forge.account
                || token.integration.value != forge.integration || token.tag.value != forge.tag
                || token.expiryDay != forge.expiryDay
        }
        #expect(failures == 0)
    }

    @Suite("forgeries")
    struct Forgeries {
        private static let alphabet = Array(
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8
        )

        /// Every text that differs from `text` in one byte below `limit`.
        private static func mutations(of text: String, below limit: Int, by alphabet: [UInt8]) -> [[UInt8]] {
            let bytes = Array(text.utf8)
            return (0..<limit).flatMap { index in
                alphabet.filter { $0 != bytes[index] }.map { byte in
                    bytes[..<index] + [byte] + bytes[(index + 1)...]
                }
            }
        }

        @Test("every change of one byte is refused without any key")
        func oneByte() {
            let mutations = Self.mutations(of: PushTokenTests.second, below: 55, by: [UInt8](0...255))
            #expect(mutations.count { PushToken($0) != nil } == 0)
        }

        @Test("every change of one digit is refused, also with the checksum made right")
        func oneDigit() {
            let mutations = Self.mutations(of: PushTokenTests.second, below: 49, by: Self.alphabet)
            let accepted = mutations.count { bytes in
                PushTokenTests.isAccepted(
                    TokenForge.sealed(String(decoding: bytes.prefix(49), as: UTF8.self))
                )
            }
            #expect(accepted == 0)
        }

        @Test("5,000 random texts with a right checksum and first byte are refused")
        func randomTexts() {
            var random = SeededRandom(3)
            let accepted = (0..<5_000).count { _ in
                var bytes = (0..<33).map { _ in UInt8.random(in: 0...255, using: &random) }
                bytes[0] = 0x11
                return PushTokenTests.isAccepted(TokenForge.text(groups: TokenForge.groups(of: bytes)))
            }
            #expect(accepted == 0)
        }

        @Test(
            "a token signed in another context is refused",
            arguments: [
                ("another deployment", TokenForge(deployment: [UInt8](repeating: 0, count: 16))),
                (
                    "one bit of the deployment",
                    TokenForge(deployment: [1] + TokenForge.deployment.dropFirst())
                ),
                ("another root", TokenForge(root: [UInt8](repeating: 0, count: 31) + [1])),
                ("the root of another generation", TokenForge(kid: 2)),
                ("another account's key", TokenForge(account: 1, keyAccount: 2)),
                ("another generation's key", TokenForge(kid: 7, keyKid: 1)),
                (
                    "an unknown generation with the dummy root",
                    TokenForge(kid: 3, root: [UInt8](repeating: 0, count: 32))
                ),
                ("an unknown generation", TokenForge(kid: 0)),
            ]
        )
        func otherContext(context: String, forge: TokenForge) {
            #expect(!PushTokenTests.isAccepted(forge.text))
        }

        @Test(
            "fields that are not those that were signed are refused",
            arguments: [
                (
                    "account and integration swapped",
                    TokenForge(account: 0x9ABC_DEF0, integration: 0x1234_5678, tag: 0x01_0203_0405)
                ),
                (
                    "another account",
                    TokenForge(account: 0x1234_5679, integration: 0x9ABC_DEF0, tag: 0x01_0203_0405)
                ),
                (
                    "another integration",
                    TokenForge(account: 0x1234_5678, integration: 0x9ABC_DEF1, tag: 0x01_0203_0405)
                ),
                (
                    "another tag",
                    TokenForge(account: 0x1234_5678, integration: 0x9ABC_DEF0, tag: 0x01_0203_0406)
                ),
                (
                    "a later expiry",
                    TokenForge(
                        account: 0x1234_5678,
                        integration: 0x9ABC_DEF0,
                        tag: 0x01_0203_0405,
                        expiryDay: 1
                    )
                ),
                (
                    "another kid with the same root",
                    TokenForge(kid: 7, account: 0x1234_5678, integration: 0x9ABC_DEF0, tag: 0x01_0203_0405)
                ),
            ]
        )
        func otherFields(what: String, forge: TokenForge) {
            let signed = TokenForge(account: 0x1234_5678, integration: 0x9ABC_DEF0, tag: 0x01_0203_0405)
            let text = TokenForge.text(groups: TokenForge.groups(of: forge.payload + signed.mac))
            #expect(!PushTokenTests.isAccepted(text))
        }

        @Test(
            "another version is refused, although it is signed",
            arguments: (0...15).filter { $0 != 1 } as [UInt8]
        )
        func otherVersion(version: UInt8) {
            #expect(PushToken(TokenForge(version: version).text.utf8) == nil)
        }

        @Test(
            "another scope is refused, although it is signed",
            arguments: (0...15).filter { $0 != 1 } as [UInt8]
        )
        func otherScope(scope: UInt8) {
            #expect(PushToken(TokenForge(scope: scope).text.utf8) == nil)
        }

        @Test("a group of 2^88 or more is refused, so that one value has one text", arguments: [0, 1, 2])
        func largeGroup(index: Int) {
            let forge = TokenForge()
            var groups = TokenForge.groups(of: forge.payload + forge.mac)
            groups[index] += 1 << 88
            #expect(PushToken(TokenForge.text(groups: groups).utf8) == nil)
        }

        @Test("a group of 2^88 - 1 is read")
        func largestGroup() {
            var groups = TokenForge.groups(of: TokenForge().payload + TokenForge().mac)
            groups[2] = 1 << 88 - 1
            #expect(PushToken(TokenForge.text(groups: groups).utf8) != nil)
        }

        @Test("a wrong checksum is refused", arguments: ["000000", "928SS", "0928SU", "0928sT", "zzzzzz"])
        func wrongChecksum(checksum: String) {
            #expect(PushToken((PushTokenTests.first.prefix(49) + checksum).utf8) == nil)
        }

        @Test(
            "no other spelling is read",
            arguments: [
                "", "tpu_", String(first.dropLast()), first + "0", " " + first, first + "\n", first + "\0",
                first + "/",
                first.uppercased(), first.lowercased(), "TPU_" + first.dropFirst(4),
                "tak_" + first.dropFirst(4),
                "tpu-" + first.dropFirst(4), first.replacingPrefix("tpu_1", with: "tpu_%31"),
                first.replacingPrefix("tpu_1", with: "tpu_１"),
                first.replacingPrefix("tpu_1e", with: "tpu_1e\u{301}"),
                TokenForge.sealed("TPU_" + first.dropFirst(4).prefix(45)),
                TokenForge.sealed(String(first.prefix(48))),
                TokenForge.sealed(first.prefix(49) + "0"), TokenForge.sealed(first.prefix(48) + "-"),
            ]
        )
        func otherSpelling(text: String) {
            #expect(PushToken(text.utf8) == nil)
        }
    }

    @Suite("keys")
    struct Keys {
        @Test("a token of an older generation is accepted beside the newest")
        func olderGeneration() {
            #expect(PushTokenTests.isAccepted(PushTokenTests.issue(TokenForge(kid: 2))))
        }

        @Test("new tokens are signed with the newest generation")
        func newest() {
            #expect(PushTokenTests.keys.newestKid == 7)
        }

        @Test("a generation that was removed is refused")
        func removed() {
            let left = PushTokenKeys(roots: [7: PushTokenTests.root], deploymentID: TokenForge.deployment)
            #expect(!PushTokenTests.isAccepted(PushTokenTests.first, by: left))
        }

        @Test("another installation with the same root refuses")
        func otherDeployment() {
            let other = PushTokenKeys(
                roots: [1: PushTokenTests.root],
                deploymentID: [UInt8](repeating: 1, count: 16)
            )
            #expect(!PushTokenTests.isAccepted(PushTokenTests.first, by: other))
        }

        @Test("the key check is the generation and 8 bytes")
        func keyCheck() throws {
            let check = try #require(PushTokenTests.keys.keyCheck(kid: 2))
            #expect((check.count, check.first) == (9, 2))
        }

        @Test("there is no key check of a generation that is not at hand")
        func noKeyCheck() {
            #expect(PushTokenTests.keys.keyCheck(kid: 3) == nil)
        }

        @Test(
            "the key check differs by root and by installation",
            arguments: [
                PushTokenKeys(
                    roots: [1: [UInt8](repeating: 0, count: 32)],
                    deploymentID: TokenForge.deployment
                ),
                PushTokenKeys(
                    roots: [1: PushTokenTests.root],
                    deploymentID: [UInt8](repeating: 1, count: 16)
                ),
            ]
        )
        func otherKeyCheck(other: PushTokenKeys) {
            #expect(other.keyCheck(kid: 1) != PushTokenTests.keys.keyCheck(kid: 1))
        }
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String, with other: String) -> String {
        other + dropFirst(prefix.count)
    }
}

@Suite("Base62")
struct Base62Tests {
    @Test(
        "writes the most significant digit first",
        arguments: [
            (0, 3, "000"), (61, 1, "z"), (62, 2, "10"), (35, 2, "0Z"), (36, 1, "a"), (3_844, 2, "00"),
        ]
            as [(UInt128, Int, String)]
    )
    func encode(value: UInt128, width: Int, text: String) {
        #expect(String(decoding: Base62.encode(value, width: width), as: UTF8.self) == text)
    }

    @Test(
        "reads digits alone",
        arguments: [
            ("10", 62), ("zz", 3_843), ("", 0), ("-1", nil), ("1 ", nil), ("/", nil), (":", nil), ("é", nil),
        ]
            as [(String, UInt128?)]
    )
    func decode(text: String, value: UInt128?) {
        #expect(Base62.decode(text.utf8) == value)
    }

    @Test(
        "the checksum is the CRC-32 of zlib",
        arguments: [("123456789", 0xCBF4_3926), ("", 0), ("a", 0xE8B7_BE43)] as [(String, UInt32)]
    )
    func checksum(text: String, value: UInt32) {
        #expect(CRC32.checksum(text.utf8) == value)
    }
}

@Suite("ExpiryDay")
struct ExpiryDayTests {
    private static func day(_ text: String) throws -> UnixTime { try #require(UnixTime(rfc3339: text.utf8)) }

    @Test(
        "counts the days since 2025-01-01",
        arguments: [
            ("2025-01-02T00:00:00Z", 1), ("2025-01-02T23:59:59.999Z", 1), ("2025-01-03T00:00:00Z", 2),
            ("2026-01-01T00:00:00Z", 365), ("2204-06-07T23:59:59Z", 65_535), ("2204-06-08T00:00:00Z", nil),
            ("2025-01-01T00:00:00Z", 1), ("2024-01-01T00:00:00Z", 1), ("9999-12-31T00:00:00Z", nil),
        ] as [(String, UInt16?)]
    )
    func day(text: String, day: UInt16?) throws {
        #expect(ExpiryDay.of(try Self.day(text)) == day)
    }

    @Test(
        "a token is valid through its day",
        arguments: [
            (1, "2025-01-02T23:59:59.999Z", false), (1, "2025-01-03T00:00:00Z", true),
            (365, "2026-01-01T12:00:00Z", false),
            (365, "2026-01-02T00:00:00Z", true), (0, "9999-12-31T00:00:00Z", false),
            (65_535, "2204-06-07T23:59:59Z", false),
            (65_535, "2204-06-08T00:00:00Z", true),
        ] as [(UInt16, String, Bool)]
    )
    func over(day: UInt16, now: String, isOver: Bool) throws {
        #expect(ExpiryDay.isOver(day, at: try Self.day(now)) == isOver)
    }
}
