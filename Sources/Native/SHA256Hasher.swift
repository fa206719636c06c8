private import COpenSSL

/// SHA-256 (FIPS 180-4) of a message that comes in pieces.
///
/// A value: a copy taken half way goes on by itself. Allocates nothing.
package struct SHA256Hasher: Sendable {
    static let blockByteCount = 64

    // libcrypto's state as a plain value. Its calls cannot fail: they only fill the struct.
    private var state = SHA256_CTX()

    /// A hasher that has seen no bytes.
    package init() { SHA256_Init(&state) }

    /// Appends bytes to the message.
    package mutating func update(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress else { return }
            SHA256_Update(&state, start, buffer.count)
        }
    }

    /// Appends bytes to the message.
    package mutating func update(_ bytes: [UInt8]) { update(bytes.span.bytes) }

    /// The digest of everything appended so far. The hasher is unchanged and may go on.
    package func finish() -> Digest256 {
        var last = state
        return Digest256 { SHA256_Final($0, &last) }
    }
}

extension Digest256 {
    /// The SHA-256 of one message.
    package static func hash(of message: RawSpan) -> Digest256 {
        var hasher = SHA256Hasher()
        hasher.update(message)
        return hasher.finish()
    }

    /// The SHA-256 of one message.
    package static func hash(of message: [UInt8]) -> Digest256 { hash(of: message.span.bytes) }
}
