#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A string of a parsed document: its escapes are decoded and it is valid UTF-8; `\u0000` is a byte 0.
///
/// Valid as long as the `JSONValue` it comes from.
@safe package struct JSONString {
    let start: UnsafePointer<UInt8>

    /// Length in bytes of UTF-8.
    package let count: Int

    /// Whether there are no bytes.
    package var isEmpty: Bool { count == 0 }

    /// Whether there is nothing but ASCII white space (space, tab, line feed, vertical tab, form feed,
    /// carriage return), or nothing at all.
    package var isBlank: Bool {
        buffer.allSatisfy { $0 == 0x20 || ($0 >= 0x09 && $0 <= 0x0D) }
    }

    /// A copy as text.
    package var text: String { String(decoding: buffer, as: UTF8.self) }

    /// A copy of the UTF-8.
    package var bytes: [UInt8] { [UInt8](buffer) }

    /// Calls `body` with the UTF-8, without copying it.
    package func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(buffer).bytes)
    }

    /// Appends the UTF-8 to an array.
    package func append(to bytes: inout [UInt8]) { bytes.append(contentsOf: buffer) }

    /// Whether the bytes are those of the literal. No Unicode normalization.
    package func equals(_ literal: StaticString) -> Bool {
        literal.withUTF8Buffer { equals(UnsafeRawBufferPointer($0)) }
    }

    /// Whether the bytes are the same. No Unicode normalization.
    package func equals(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes(equals) }

    /// Whether the bytes are the same. No Unicode normalization.
    package func equals(_ other: JSONString) -> Bool { equals(UnsafeRawBufferPointer(other.buffer)) }

    var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

    private func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard other.count == count else { return false }
        guard count > 0, let start = other.baseAddress else { return true }
        return memcmp(self.start, start, count) == 0
    }
}
