private import COpenSSL

/// Unpredictable bytes from libcrypto's generator, which the operating system seeds; for secrets and ids.
///
/// Safe from any thread: libcrypto keeps one generator for each. Without a working generator no secret can be
/// made, so every function here ends the process rather than answer something predictable.
package struct SecureRandom: RandomNumberGenerator, Sendable {
    /// A generator; all are alike.
    package init() {}

    /// 64 random bits, in about 1 us; for many at once `bytes(_:)` is cheaper.
    package mutating func next() -> UInt64 {
        var value: UInt64 = 0
        withUnsafeMutableBytes(of: &value) { Self.fill($0) }
        return value
    }

    /// `count` random bytes, 0 or more.
    package static func bytes(_ count: Int) -> [UInt8] {
        precondition(count >= 0, "a negative number of random bytes")
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            fill(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
            initialized = count
        }
    }

    /// Overwrites every byte of the array.
    package static func fill(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { fill($0) }
    }

    private static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        guard let start = buffer.baseAddress, buffer.count > 0 else { return }
        guard let count = Int32(exactly: buffer.count) else {
            preconditionFailure("more than 2 GiB of random bytes in one call")
        }
        let answer = RAND_bytes(start.assumingMemoryBound(to: UInt8.self), count)
        precondition(answer == 1, "libcrypto has no source of random bytes")
    }
}

/// The same generator, asked for many bytes at a time: a number costs a few nanoseconds. Not for secrets, whose bytes should not lie
/// about in memory; for one caller at a time.
package struct BufferedRandom: RandomNumberGenerator, Sendable {
    private static let count = 64
    private var numbers: [UInt64] = []

    package init() {}

    /// 64 random bits.
    package mutating func next() -> UInt64 {
        if let number = numbers.popLast() { return number }
        var bytes = [UInt8](repeating: 0, count: Self.count * 8)
        SecureRandom.fill(&bytes)
        numbers = bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt64.self)) }
        return next()
    }
}
