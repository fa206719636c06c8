/// Bytes written as hex digits, for test vectors.
func hex(_ digits: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = digits.filter { !$0.isWhitespace }[...]
    while !rest.isEmpty {
        bytes.append(UInt8(rest.prefix(2), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
    }
    return bytes
}

/// UTF-8 of a text.
func utf8(_ text: String) -> [UInt8] { [UInt8](text.utf8) }
