import Native

/// Push tokens made step by step from the design's table, apart from the code under test: also those that the code never makes.
struct TokenForge {
    var version: UInt8 = 1
    var scope: UInt8 = 1
    var kid: UInt8 = 1
    var account: UInt32 = 1
    var integration: UInt32 = 1
    var tag: UInt64 = 0
    var expiryDay: UInt16 = 0
    var root = [UInt8](0...31)
    var deployment = TokenForge.deployment
    /// Goes into the key in place of `account`, when it is given.
    var keyAccount: UInt32?
    /// Goes into the key in place of `kid`, when it is given.
    var keyKid: UInt8?

    /// 00112233445566778899aabbccddeeff.
    static let deployment = [UInt8](0...15).map { $0 * 0x11 }

    /// The 17 bytes that are signed.
    var payload: [UInt8] {
        [version << 4 | scope, kid] + bigEndian(UInt64(account), 4) + bigEndian(UInt64(integration), 4)
            + bigEndian(tag, 5)
            + bigEndian(UInt64(expiryDay), 2)
    }

    /// The 16 bytes of the signature.
    var mac: [UInt8] {
        let pseudorandomKey = HMACSHA256.authenticate(root, key: Array("tocsin/root/v1".utf8)).bytes
        let info =
            Array("tocsin/push-url/v1".utf8) + [0] + deployment + [keyKid ?? kid]
            + bigEndian(UInt64(keyAccount ?? account), 4)
        // One block of HKDF-Expand is 32 bytes, all that is needed.
        let key = HMACSHA256.authenticate(info + [1], key: pseudorandomKey).bytes
        return Array(
            HMACSHA256.authenticate(Array("tocsin/push-token".utf8) + [1] + payload, key: key).bytes.prefix(
                16
            )
        )
    }

    /// The token.
    var text: String { Self.text(groups: Self.groups(of: payload + mac)) }

    /// 33 bytes as three numbers.
    static func groups(of bytes: [UInt8]) -> [UInt128] {
        stride(from: 0, to: 33, by: 11).map { start in
            bytes[start..<start + 11].reduce(0) { $0 * 256 + UInt128($1) }
        }
    }

    /// The token of three numbers, right or not.
    static func text(groups: [UInt128]) -> String {
        sealed("tpu_" + groups.map { digits($0, 15) }.joined())
    }

    /// `text` with its checksum.
    static func sealed(_ text: String) -> String { text + digits(UInt128(checksum(Array(text.utf8))), 6) }

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

    private static func digits(_ value: UInt128, _ count: Int) -> String {
        count == 0 ? "" : digits(value / 62, count - 1) + String(alphabet[Int(value % 62)])
    }

    /// CRC-32 bit by bit.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var register = UInt32.max
        for byte in bytes {
            register ^= UInt32(byte)
            for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1 }
        }
        return ~register
    }

    private func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64((count - 1 - $0) * 8)) }
    }
}
