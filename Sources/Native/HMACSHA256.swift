/// A key of HMAC-SHA-256 (RFC 2104), prepared so that a short message costs two blocks of SHA-256 and no
/// allocation.
///
/// Immutable, so one key serves any number of threads. It lives as a class because its state is 224 bytes.
package final class HMACSHA256Key: Sendable {
    private let inner: SHA256Hasher
    private let outer: SHA256Hasher

    /// Prepares a key of any length; one above 64 bytes is replaced by its digest, as the standard says.
    package init(_ key: [UInt8]) {
        let short = key.count > SHA256Hasher.blockByteCount ? Digest256.hash(of: key).bytes : key
        inner = Self.state(short, masked: 0x36)
        outer = Self.state(short, masked: 0x5c)
    }

    /// The authentication code of a message. Compare it with `constantTimeEquals(_:_:)`.
    package func authenticate(_ message: RawSpan) -> Digest256 {
        var inner = self.inner
        inner.update(message)
        return finish(inner)
    }

    /// The authentication code of a message. Compare it with `constantTimeEquals(_:_:)`.
    package func authenticate(_ message: [UInt8]) -> Digest256 { authenticate(message.span.bytes) }

    private func finish(_ inner: SHA256Hasher) -> Digest256 {
        var outer = self.outer
        inner.finish().withBytes { outer.update($0) }
        return outer.finish()
    }

    private static func state(_ key: [UInt8], masked mask: UInt8) -> SHA256Hasher {
        var block = [UInt8](repeating: mask, count: SHA256Hasher.blockByteCount)
        for (index, byte) in key.enumerated() { block[index] ^= byte }
        var state = SHA256Hasher()
        state.update(block.span.bytes)
        return state
    }
}

/// HMAC-SHA-256 for a key that is used once. For several messages keep an `HMACSHA256Key`.
package enum HMACSHA256 {
    /// The authentication code of a message under a key of any length.
    package static func authenticate(_ message: [UInt8], key: [UInt8]) -> Digest256 {
        HMACSHA256Key(key).authenticate(message)
    }

    /// The authentication code of a message under a key of any length.
    package static func authenticate(_ message: RawSpan, key: [UInt8]) -> Digest256 {
        HMACSHA256Key(key).authenticate(message)
    }
}
