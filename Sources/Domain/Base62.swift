/// Digits of push tokens and API keys: `0-9A-Za-z`, most significant first.
package enum Base62 {
    private static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// `value` in exactly `width` digits; higher digits are lost.
    package static func encode(_ value: UInt128, width: Int) -> [UInt8] {
        var result = [UInt8](repeating: digits[0], count: width)
        var rest = value
        for index in stride(from: width - 1, through: 0, by: -1) {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 62)
            result[index] = digits[Int(remainder)]
            rest = quotient
        }
        return result
    }

    /// The value of at most 21 digits; nil when one is none.
    package static func decode(_ text: some Collection<UInt8>) -> UInt128? {
        var value: UInt128 = 0
        for byte in text {
            guard let digit = digit(byte) else { return nil }
            value = value * 62 + UInt128(digit)
        }
        return value
    }

    /// Whether every byte is a digit.
    package static func isValid(_ text: some Collection<UInt8>) -> Bool {
        text.allSatisfy { digit($0) != nil }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x5A: byte - 0x41 + 10
        case 0x61...0x7A: byte - 0x61 + 36
        default: nil
        }
    }
}

/// CRC-32 (IEEE 802.3, as zlib): tells a mistyped token from a wrong one without any key. It is no protection.
package enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    }

    /// The checksum of `bytes`.
    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var value = UInt32.max
        for byte in bytes { value = table[Int((value ^ UInt32(byte)) & 0xFF)] ^ value >> 8 }
        return ~value
    }

    /// The checksum as the six digits that end a token.
    package static func digits(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        Base62.encode(UInt128(checksum(bytes)), width: 6)
    }
}
