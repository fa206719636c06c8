#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The order of two runs of bytes: negative, zero or positive as the first is before, equal to or after the second.
///
/// Lexicographic by unsigned byte; a prefix comes first. Not constant-time: never for secrets.
package func compareBytes(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
    let shared = min(left.count, right.count)
    let order = left.withUnsafeBytes { first in
        right.withUnsafeBytes { second -> Int in
            guard shared > 0, let first = first.baseAddress, let second = second.baseAddress else { return 0 }
            return Int(memcmp(first, second, shared))
        }
    }
    return order != 0 ? order : left.count - right.count
}

extension SHA256Hasher {
    /// Adds `bytes`.
    package mutating func update(_ bytes: Span<UInt8>) { update(bytes.bytes) }
}

extension JSONWriter {
    /// A member whose name and value are valid UTF-8.
    package mutating func field(utf8 name: Span<UInt8>, utf8 value: Span<UInt8>) {
        field(utf8: name.bytes, utf8: value.bytes)
    }
}

extension [UInt8] {
    /// Appends a copy of `bytes`.
    package mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBytes { append(contentsOf: $0) }
    }

    /// A copy of `bytes`.
    package init(_ bytes: Span<UInt8>) {
        self = bytes.withUnsafeBytes { Array($0) }
    }
}

extension [UInt8] {
    /// The UTF-8 bytes of a literal.
    package init(_ literal: StaticString) {
        self = literal.withUTF8Buffer { Array($0) }
    }
}

extension Digest256 {
    /// 64 lower-case hexadecimal digits.
    package var hexadecimal: String {
        let digits = [UInt8]("0123456789abcdef" as StaticString)
        return String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] },
            as: UTF8.self
        )
    }
}
