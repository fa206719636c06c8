/// HKDF with SHA-256 (RFC 5869): many independent keys from one secret of high entropy. Not for passwords.
package enum KeyDerivation {
    /// The longest output of `expand`, in bytes: 255 blocks.
    package static let maximumLength = 255 * Digest256.byteCount

    /// Condenses a secret to a pseudorandom key of 32 bytes (RFC 5869 section 2.2).
    ///
    /// - Parameters:
    ///   - salt: public and of any length; empty means 32 zero bytes.
    ///   - inputKey: the secret, any length.
    /// - Returns: the 32 bytes.
    package static func extract(salt: [UInt8], inputKey: [UInt8]) -> [UInt8] {
        HMACSHA256.authenticate(inputKey, key: salt).bytes
    }

    /// Derives `length` bytes from a pseudorandom key (RFC 5869 section 2.3).
    ///
    /// - Parameters:
    ///   - pseudorandomKey: what `extract` answered, or 32 or more random bytes.
    ///   - info: names the purpose; two purposes give unrelated output.
    ///   - length: 0 to 8,160 bytes.
    /// - Returns: the bytes; a shorter output is a prefix of a longer one.
    package static func expand(pseudorandomKey: [UInt8], info: [UInt8], length: Int) -> [UInt8] {
        precondition((0...maximumLength).contains(length), "HKDF gives at most 8,160 bytes")
        let key = HMACSHA256Key(pseudorandomKey)
        var output: [UInt8] = []
        output.reserveCapacity(length + Digest256.byteCount)
        var block: [UInt8] = []
        var counter = 0
        while output.count < length {
            counter += 1
            block = key.authenticate(block + info + [UInt8(counter)]).bytes
            output += block
        }
        output.removeLast(output.count - length)
        return output
    }
}
