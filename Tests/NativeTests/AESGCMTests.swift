import Native
import Testing

@Suite("AES-GCM")
struct AESGCMTests {
    /// Vectors of the GCM specification (McGrew, Viega), test cases 13 to 16: key, nonce, text, context, ciphertext, tag.
    static let vectors: [(key: String, nonce: String, text: String, context: String, sealed: String)] = [
        (
            String(repeating: "00", count: 32), String(repeating: "00", count: 12), "", "",
            "530f8afbc74536b9a963b4f1c4cb738b"
        ),
        (
            String(repeating: "00", count: 32), String(repeating: "00", count: 12),
            String(repeating: "00", count: 16),
            "", "cea7403d4d606b6e074ec5d3baf39d18 d0d1c8a799996bf0265b98b5d48ab919"
        ),
        (
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
            """
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255
            """,
            "",
            """
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
            8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad
            b094dac5d93471bdec1a502270e3cc6c
            """
        ),
        (
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
            """
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
            """,
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            """
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
            8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
            76fc6ece0f4e1768cddf8853bb2d551b
            """
        ),
    ]

    private static let context = utf8("acct_1/ntfr_2")

    @Test("the ciphertexts and tags of the specification", arguments: vectors.indices)
    func knownAnswers(row: Int) throws {
        let vector = Self.vectors[row]
        let cipher = try #require(AESGCM(key: hex(vector.key)))
        let (text, context, nonce) = (hex(vector.text), hex(vector.context), hex(vector.nonce))
        let sealed = cipher.seal(text, context: context, nonce: nonce)
        #expect(sealed == nonce + hex(vector.sealed))
        #expect(cipher.open(sealed, context: context) == text)
    }

    @Test(
        "what was sealed is opened again, under a nonce that is new each time",
        arguments: [0, 1, 15, 16, 17, 5_000]
    )
    func roundTrip(length: Int) throws {
        let cipher = try #require(AESGCM(key: [UInt8](repeating: 7, count: 32)))
        let text = [UInt8](repeating: 0x41, count: length)
        let sealed = cipher.seal(text, context: Self.context)
        #expect(sealed.count == length + AESGCM.overhead)
        #expect(cipher.open(sealed, context: Self.context) == text)
        #expect(cipher.seal(text, context: Self.context) != sealed)
    }

    @Test("a change of any byte is noticed")
    func tampering() throws {
        let cipher = try #require(AESGCM(key: [UInt8](repeating: 7, count: 32)))
        let sealed = cipher.seal(utf8("whsec_"), context: Self.context)
        for index in sealed.indices {
            var changed = sealed
            changed[index] ^= 1
            #expect(cipher.open(changed, context: Self.context) == nil)
        }
    }

    @Test("another context, another key and every other length do not open it")
    func otherPlaces() throws {
        let cipher = try #require(AESGCM(key: [UInt8](repeating: 7, count: 32)))
        let other = try #require(AESGCM(key: [UInt8](repeating: 8, count: 32)))
        let sealed = cipher.seal(utf8("whsec_"), context: Self.context)
        #expect(cipher.open(sealed, context: utf8("acct_1/ntfr_3")) == nil)
        #expect(cipher.open(sealed, context: []) == nil)
        #expect(other.open(sealed, context: Self.context) == nil)
        #expect(
            (0..<sealed.count).allSatisfy {
                cipher.open(Array(sealed.prefix($0)), context: Self.context) == nil
            }
        )
        #expect(cipher.open(sealed + [0], context: Self.context) == nil)
    }

    @Test("a key has 32 bytes", arguments: [0, 16, 31, 33, 64])
    func keyLength(count: Int) {
        #expect(AESGCM(key: [UInt8](repeating: 1, count: count)) == nil)
    }
}

@Suite("Base64")
struct Base64Tests {
    @Test(
        "the texts of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
    )
    func knownAnswers(text: String, code: String) {
        #expect(Base64.text(utf8(text)) == code)
    }

    @Test("all digits")
    func digits() {
        #expect(Base64.text([0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0xFB, 0xFF, 0xFE]) == "ABCDEFGH+//+")
    }
}
