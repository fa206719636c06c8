private import COpenSSL

/// Whether two byte strings are equal, in time that depends on their length but not on their content.
///
/// For secrets: codes, keys, passwords' hashes. Different lengths answer false at once, so the length is not
/// hidden.
package func constantTimeEquals(_ left: RawSpan, _ right: RawSpan) -> Bool {
    guard left.byteCount == right.byteCount else { return false }
    return left.withUnsafeBytes { left in
        right.withUnsafeBytes { right in
            guard let first = left.baseAddress, let second = right.baseAddress else { return true }
            return CRYPTO_memcmp(first, second, left.count) == 0
        }
    }
}

/// Whether two byte strings are equal, in time that depends on their length but not on their content.
package func constantTimeEquals(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    constantTimeEquals(left.span.bytes, right.span.bytes)
}

/// Whether two digests are equal, in constant time.
package func constantTimeEquals(_ left: Digest256, _ right: Digest256) -> Bool {
    left.withBytes { left in right.withBytes { right in constantTimeEquals(left, right) } }
}
