import Native

/// Text from outside, compared and hashed as its UTF-8 bytes.
///
/// - Why not `String`: hashing or comparing a `String` normalises it, and a run of combining marks makes that quadratic;
///   it would also merge texts that PostgreSQL and senders keep apart. Bytes are linear and exact.
/// - Shape: valid UTF-8 without NUL (PostgreSQL refuses NUL; `init(repairing:)` replaces it with U+FFFD).
/// - Order: by bytes.
package struct Text: Hashable, Comparable, Sendable {
    /// The UTF-8 bytes.
    package let bytes: [UInt8]

    /// Takes bytes that are known to be valid UTF-8 without NUL.
    package init(trusted bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The text of a `String`, NUL replaced.
    package init(_ string: String) {
        self.init(repairing: Array(string.utf8))
    }

    /// Takes valid UTF-8 and replaces each NUL with U+FFFD.
    package init(repairing bytes: [UInt8]) {
        self.bytes = bytes.contains(0) ? Text.replacingNUL(bytes) : bytes
    }

    /// The same text as a `String`, for showing.
    package var string: String {
        String(decoding: bytes, as: UTF8.self)
    }

    package var isEmpty: Bool { bytes.isEmpty }

    /// Whether it holds nothing but ASCII white space.
    package var isBlank: Bool { bytes.allSatisfy(\.isASCIIWhitespace) }

    package static func < (left: Text, right: Text) -> Bool {
        compareBytes(left.bytes.span, right.bytes.span) < 0
    }

    /// At most `limit` bytes of it, cut before a scalar that would not fit whole.
    package func prefix(bytes limit: Int) -> Text {
        guard bytes.count > limit else { return self }
        var end = limit
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return Text(trusted: Array(bytes[..<end]))
    }

    /// Without ASCII white space at both ends.
    package var trimmed: Text {
        guard let first = bytes.first, let last = bytes.last,
            first.isASCIIWhitespace || last.isASCIIWhitespace
        else { return self }
        let start = bytes.firstIndex { !$0.isASCIIWhitespace } ?? bytes.endIndex
        let end = (bytes.lastIndex { !$0.isASCIIWhitespace } ?? start - 1) + 1
        return Text(trusted: Array(bytes[start..<max(start, end)]))
    }

    /// A key under which texts that differ only in case or surrounding white space are one: the severity tables' levels
    /// and the names that must be unique. Linear; made here and not by a database, so that every engine agrees.
    package var folded: Text {
        let text = trimmed
        if text.bytes.allSatisfy({ $0 < 0x80 }) {
            return Text(trusted: text.bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 })
        }
        return Text(trusted: Array(text.string.lowercased().utf8))
    }

    private static func replacingNUL(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + 8)
        for byte in bytes {
            if byte == 0 { result += [0xEF, 0xBF, 0xBD] } else { result.append(byte) }
        }
        return result
    }
}

extension Text: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) {
        self.init(value)
    }
}

extension Text: CustomStringConvertible {
    package var description: String { string }
}

extension UInt8 {
    /// Space, tab, line feed, vertical tab, form feed, carriage return.
    package var isASCIIWhitespace: Bool { self == 0x20 || (self >= 0x09 && self <= 0x0D) }
}
