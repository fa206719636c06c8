private import CSimdjson

/// Checks and repairs of UTF-8 at memory speed.
package enum UTF8Scan {
    /// Whether the bytes are well-formed UTF-8 (RFC 3629). NUL and the empty string are.
    package static func isValidUTF8(_ bytes: RawSpan) -> Bool {
        bytes.withUnsafeBytes { buffer in
            guard let start = buffer.baseAddress, buffer.count > 0 else { return true }
            return csimdjson_is_utf8(start.assumingMemoryBound(to: UInt8.self), buffer.count) == 1
        }
    }

    /// Whether the bytes are well-formed UTF-8 (RFC 3629). NUL and the empty string are.
    package static func isValidUTF8(_ bytes: [UInt8]) -> Bool { isValidUTF8(bytes.span.bytes) }

    /// The bytes behind the byte-order marks that some editors and senders put before a text.
    package static func withoutMarks(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        var rest = bytes[...]
        while rest.starts(with: mark) { rest = rest.dropFirst(mark.count) }
        return rest
    }

    /// U+FEFF.
    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    /// The text of these bytes, with U+FFFD for each part that is not well-formed UTF-8.
    package static func repairedText(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The text of these bytes, with U+FFFD for each part that is not well-formed UTF-8.
    package static func repairedText(_ bytes: RawSpan) -> String {
        bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}
