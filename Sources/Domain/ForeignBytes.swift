import Native

/// Bytes that are no UTF-8, on their way through text: each as a scalar of a private range, so that texts
/// that differ stay different until identities are made; then they are shown as U+FFFD, as everywhere.
package enum ForeignBytes {
    /// U+F700 and the byte.
    private static let base: UInt32 = 0xF700

    /// Valid UTF-8: what was valid as it is, every other byte as its scalar. Linear; at most three times as
    /// long.
    package static func marked(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count + bytes.count / 2)
        // What lies before is in `result`.
        var copied = 0
        var position = 0
        while position < bytes.count {
            let length = sequenceLength(bytes, at: position)
            guard length == 0 else {
                position += length
                continue
            }
            result += bytes[copied..<position]
            result += scalar(bytes[position]).utf8
            position += 1
            copied = position
        }
        result += bytes[copied...]
        return result
    }

    /// A text of `marked` with U+FFFD for each part that was no UTF-8.
    package static func shown(_ text: Text) -> Text {
        // The lead byte of the range: without it there is nothing to do.
        guard text.bytes.contains(0xEF) else { return text }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.bytes.count)
        var isChanged = false
        for scalar in text.string.unicodeScalars {
            if scalar.value >= base + 0x80, scalar.value <= base + 0xFF {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
                isChanged = true
            } else {
                bytes += scalar.utf8
            }
        }
        return isChanged ? Text(repairing: Array(UTF8Scan.repairedText(bytes).utf8)) : text
    }

    /// The same of every name and value.
    package static func shown(_ labels: Labels) -> Labels {
        Labels(labels.all.map { (shown($0.name), shown($0.value)) })
    }

    private static func scalar(_ byte: UInt8) -> Unicode.Scalar {
        Unicode.Scalar(base + UInt32(byte)) ?? "\u{FFFD}"
    }

    /// Bytes of the well-formed scalar at `start` (RFC 3629); 0: there is none.
    private static func sequenceLength(_ bytes: [UInt8], at start: Int) -> Int {
        let lead = bytes[start]
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch lead {
            case 0x00...0x7F: (1, 0x80...0xBF)
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (0, 0x80...0xBF)
            }
        guard length > 0, start + length <= bytes.count else { return 0 }
        if length > 1, !second.contains(bytes[start + 1]) { return 0 }
        if length > 2, !bytes[(start + 2)..<(start + length)].allSatisfy({ 0x80...0xBF ~= $0 }) { return 0 }
        return length
    }
}
