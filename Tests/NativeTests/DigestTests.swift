import Native
import Testing

@Suite("SHA-256")
struct DigestTests {
    static let vectors = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ]

    @Test("the digests of FIPS 180", arguments: vectors)
    func knownAnswers(message: String, digest: String) {
        #expect(Digest256.hash(of: utf8(message)).bytes == hex(digest))
    }

    @Test("a million letters in uneven pieces")
    func pieces() {
        let message = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        var hasher = SHA256Hasher()
        var rest = message[...]
        var step = 1
        while !rest.isEmpty {
            hasher.update(Array(rest.prefix(step)))
            rest = rest.dropFirst(step)
            step = (step * 3) % 1_009 + 1
        }
        let expected = hex("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
        #expect(hasher.finish().bytes == expected)
        #expect(Digest256.hash(of: message).bytes == expected)
    }

    @Test("finishing does not end the hasher, and a copy goes on by itself")
    func copies() {
        var first = SHA256Hasher()
        first.update(utf8("ab"))
        var second = first
        #expect(first.finish() == Digest256.hash(of: utf8("ab")))
        first.update(utf8("c"))
        second.update(utf8("d"))
        #expect(first.finish() == Digest256.hash(of: utf8("abc")))
        #expect(second.finish() == Digest256.hash(of: utf8("abd")))
    }

    @Test("a digest is made of exactly 32 bytes")
    func size() throws {
        let bytes = [UInt8](0..<32)
        let digest = try #require(Digest256(bytes))
        #expect(digest.bytes == bytes)
        #expect(digest.prefix(5) == [0, 1, 2, 3, 4])
        #expect(digest.prefix(0).isEmpty)
        #expect(digest.withBytes { $0.byteCount } == 32)
        #expect(Digest256([UInt8](0..<31)) == nil)
        #expect(Digest256([UInt8](0..<33)) == nil)
    }
}

@Suite("Constant-time equality")
struct ConstantTimeTests {
    @Test("equal, different in one bit, different in length, empty")
    func equality() {
        let bytes = [UInt8](0..<33)
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x80
            #expect(!constantTimeEquals(bytes, other))
        }
        #expect(constantTimeEquals(bytes, [UInt8](0..<33)))
        #expect(!constantTimeEquals(bytes, [UInt8](0..<32)))
        #expect(constantTimeEquals([UInt8](), []))
        #expect(!constantTimeEquals([], [0]))
        let isSame = constantTimeEquals(bytes.span, bytes.span)
        #expect(isSame)
    }

    @Test("digests")
    func digests() {
        #expect(constantTimeEquals(Digest256.hash(of: [1]), Digest256.hash(of: [1])))
        #expect(!constantTimeEquals(Digest256.hash(of: [1]), Digest256.hash(of: [2])))
    }
}

@Suite("Secure random")
struct SecureRandomTests {
    @Test("answers as many bytes as asked, and never the same")
    func bytes() {
        #expect(SecureRandom.bytes(0).isEmpty)
        #expect(SecureRandom.bytes(33).count == 33)
        #expect(SecureRandom.bytes(16) != SecureRandom.bytes(16))
        var filled = [UInt8](repeating: 0, count: 32)
        SecureRandom.fill(&filled)
        #expect(filled != [UInt8](repeating: 0, count: 32))
    }

    @Test("is a generator for the standard library")
    func generator() {
        var random = SecureRandom()
        #expect(Set((0..<100).map { _ in random.next() }).count == 100)
        #expect((0..<100).allSatisfy { _ in (1...6).contains(Int.random(in: 1...6, using: &random)) })
    }
}
