import Native
import Testing

@Suite("HMAC-SHA-256")
struct HMACSHA256Tests {
    /// RFC 4231, cases 1 to 4, 6 and 7: key, message, code.
    static let vectors: [([UInt8], [UInt8], String)] = [
        (
            [UInt8](repeating: 0x0b, count: 20), utf8("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            utf8("Jefe"), utf8("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            [UInt8](1...25), [UInt8](repeating: 0xcd, count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131),
            utf8("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131),
            utf8(
                "This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm."
            ),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ]

    @Test("the codes of RFC 4231", arguments: vectors.indices)
    func knownAnswers(row: Int) {
        let (key, message, code) = Self.vectors[row]
        #expect(HMACSHA256.authenticate(message, key: key).bytes == hex(code))
        let prepared = HMACSHA256Key(key)
        #expect(prepared.authenticate(message).bytes == hex(code))
        #expect(prepared.authenticate(message.span).bytes == hex(code))
    }

    @Test("an empty key and an empty message")
    func empty() {
        let code = hex("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
        #expect(HMACSHA256.authenticate([UInt8](), key: []).bytes == code)
    }

    @Test("one key serves many tasks at once")
    func concurrent() async {
        let key = HMACSHA256Key(utf8("Jefe"))
        let expected = (0..<50).map { key.authenticate([UInt8($0)]) }
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask { (0..<50).allSatisfy { key.authenticate([UInt8($0)]) == expected[$0] } }
            }
            for await isSame in group { #expect(isSame) }
        }
    }
}

@Suite("HKDF-SHA-256")
struct KeyDerivationTests {
    @Test("RFC 5869, case 1: ordinary")
    func ordinary() {
        let key = KeyDerivation.extract(
            salt: [UInt8](0...0x0c),
            inputKey: [UInt8](repeating: 0x0b, count: 22)
        )
        #expect(key == hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"))
        let output = KeyDerivation.expand(pseudorandomKey: key, info: [UInt8](0xf0...0xf9), length: 42)
        #expect(
            output
                == hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        )
    }

    @Test("RFC 5869, case 2: long inputs")
    func long() {
        let key = KeyDerivation.extract(salt: [UInt8](0x60...0xaf), inputKey: [UInt8](0...0x4f))
        #expect(key == hex("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"))
        let output = KeyDerivation.expand(pseudorandomKey: key, info: [UInt8](0xb0...0xff), length: 82)
        #expect(
            output
                == hex(
                    """
                    b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c
                    59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71
                    cc30c58179ec3e87c14c01d5c1f3434f1d87
                    """
                )
        )
    }

    @Test("RFC 5869, case 3: no salt, no info")
    func bare() {
        let key = KeyDerivation.extract(salt: [], inputKey: [UInt8](repeating: 0x0b, count: 22))
        #expect(key == hex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"))
        let output = KeyDerivation.expand(pseudorandomKey: key, info: [], length: 42)
        #expect(
            output
                == hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
        )
    }

    @Test("lengths from nothing to 255 blocks are prefixes of each other")
    func lengths() {
        let longest = KeyDerivation.expand(
            pseudorandomKey: utf8("key"),
            info: utf8("info"),
            length: KeyDerivation.maximumLength
        )
        for length in [0, 1, 31, 32, 33, 64, 8_159] {
            let output = KeyDerivation.expand(
                pseudorandomKey: utf8("key"),
                info: utf8("info"),
                length: length
            )
            #expect(output == Array(longest.prefix(length)))
        }
    }
}
