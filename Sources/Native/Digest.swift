/// A SHA-256 digest: 32 bytes, held inline.
///
/// `==` and `hash(into:)` take time that depends on the value: compare digests of secrets, such as message
/// authentication codes, with `constantTimeEquals(_:_:)`.
package struct Digest256: Hashable, Sendable {
    /// Number of bytes of every digest.
    package static let byteCount = 32

    // The 32 bytes in memory order, which makes each word's value depend on the machine; only memory is
    // looked at.
    private var word0: UInt64 = 0
    private var word1: UInt64 = 0
    private var word2: UInt64 = 0
    private var word3: UInt64 = 0

    /// The digest with these bytes, or nil unless there are exactly 32.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        withUnsafeMutableBytes(of: &self) { $0.copyBytes(from: bytes) }
    }

    /// The digest that `body` writes into 32 zeroed bytes.
    init(writing body: (UnsafeMutablePointer<UInt8>) -> Void) {
        withUnsafeMutableBytes(of: &self) { buffer in
            guard let start = buffer.baseAddress else { return }
            body(start.assumingMemoryBound(to: UInt8.self))
        }
    }

    /// All 32 bytes.
    package var bytes: [UInt8] { prefix(Self.byteCount) }

    /// The first `count` bytes, 0 to 32.
    package func prefix(_ count: Int) -> [UInt8] {
        precondition((0...Self.byteCount).contains(count), "a digest has 32 bytes")
        return Swift.withUnsafeBytes(of: self) { [UInt8]($0.prefix(count)) }
    }

    /// The first 8 bytes as a number whose value depends on the machine's byte order.
    package var leading: UInt64 { word0 }

    /// Calls `body` with the 32 bytes, without copying them to the heap.
    package func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try Swift.withUnsafeBytes(of: self) { buffer throws(E) in try body(buffer.bytes) }
    }
}
