/// A block of IP addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.
///
/// An IPv4 address mapped into IPv6 (`::ffff:10.0.0.1`) counts as the IPv4 address.
package struct Network: Sendable, Equatable {
    private let base: UInt128
    private let mask: UInt128
    private let isIPv4: Bool
    /// Bytes of the longest address with brackets and a port, with room.
    private static let longest = 64

    /// Reads the text form; bits beyond the prefix length are ignored.
    package init?(_ text: Text) {
        let parts = text.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = IPAddress(Array(parts[0])) else { return nil }
        // A mapped address (`::ffff:10.0.0.0/104`) counts its prefix length as IPv6 does.
        let isMapped = address.isIPv4 && parts[0].contains(UInt8(ascii: ":"))
        let width = address.isIPv4 ? 32 : 128
        let skipped = isMapped ? 96 : 0
        var length = width
        if parts.count == 2 {
            guard (1...3).contains(parts[1].count),
                let number = Int(String(decoding: parts[1], as: UTF8.self)),
                parts[1].allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), (0...width).contains(number - skipped)
            else { return nil }
            length = number - skipped
        }
        isIPv4 = address.isIPv4
        mask =
            length == 0 ? 0 : (UInt128.max << UInt128(width - length)) & (isIPv4 ? UInt128(UInt32.max) : .max)
        base = address.value & mask
    }

    /// Whether `value` is an address in it; surrounding white space and a port (`10.0.0.1:80`, `[2001:db8::1]:80`) are allowed.
    package func contains(_ value: Text) -> Bool {
        let bytes = value.trimmed.bytes
        guard bytes.count <= Network.longest else { return false }
        if let address = IPAddress(bytes) { return contains(address) }
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")),
            UInt16(String(decoding: bytes[(colon + 1)...], as: UTF8.self)) != nil
        else { return false }
        var host = bytes[..<colon]
        let isBracketed = host.first == UInt8(ascii: "[") && host.last == UInt8(ascii: "]")
        if isBracketed { host = host.dropFirst().dropLast() }
        guard let address = IPAddress(Array(host)), isBracketed || address.isIPv4 else { return false }
        return contains(address)
    }

    /// Whether `address` is in it.
    package func contains(_ address: IPAddress) -> Bool {
        address.isIPv4 == isIPv4 && address.value & mask == base
    }
}

/// An IPv4 or IPv6 address.
package struct IPAddress: Sendable, Hashable {
    /// 32 or 128 bits, the first byte highest.
    package let value: UInt128
    package let isIPv4: Bool

    init(value: UInt128, isIPv4: Bool) {
        self.value = value
        self.isIPv4 = isIPv4
    }

    /// Reads dotted-quad IPv4 (four decimal parts, no leading zeros) or IPv6 (RFC 4291, no zone).
    package init?(_ bytes: [UInt8]) {
        if let value = IPAddress.readIPv4(bytes[...]) {
            self.value = value
            isIPv4 = true
        } else if let value = IPAddress.readIPv6(bytes) {
            let mapped = value >> 32 == 0xFFFF
            self.value = mapped ? value & 0xFFFF_FFFF : value
            isIPv4 = mapped
        } else {
            return nil
        }
    }

    private static func readIPv4(_ bytes: ArraySlice<UInt8>) -> UInt128? {
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt128 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != 0x30,
                part.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
            else { return nil }
            let number = part.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            guard number <= 255 else { return nil }
            value = value << 8 | UInt128(number)
        }
        return value
    }

    private static func readIPv6(_ bytes: [UInt8]) -> UInt128? {
        guard bytes.count >= 2, bytes.count <= 45, bytes.contains(UInt8(ascii: ":")) else { return nil }
        let halves = splitAtDoubleColon(bytes)
        guard let head = groups(halves.head, mayEndInIPv4: halves.tail == nil) else { return nil }
        guard let tailBytes = halves.tail else { return head.count == 8 ? joined(head) : nil }
        guard let tail = groups(tailBytes, mayEndInIPv4: true), head.count + tail.count <= 7 else {
            return nil
        }
        return joined(head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    private static func splitAtDoubleColon(
        _ bytes: [UInt8]
    ) -> (head: ArraySlice<UInt8>, tail: ArraySlice<UInt8>?) {
        let colon = UInt8(ascii: ":")
        for index in bytes.indices.dropLast() where bytes[index] == colon && bytes[index + 1] == colon {
            return (bytes[..<index], bytes[(index + 2)...])
        }
        return (bytes[...], nil)
    }

    private static func groups(_ bytes: ArraySlice<UInt8>, mayEndInIPv4: Bool) -> [UInt16]? {
        if bytes.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4, index == parts.count - 1, let ipv4 = readIPv4(part) {
                groups += [UInt16(ipv4 >> 16), UInt16(truncatingIfNeeded: ipv4)]
            } else {
                guard (1...4).contains(part.count), part.first != 0x2B, part.first != 0x2D,
                    let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    private static func joined(_ groups: [UInt16]) -> UInt128 {
        groups.reduce(0) { $0 << 16 | UInt128($1) }
    }
}

/// A comparison with a number: `gt:5`, `ge:0.5`, `lt:-1`, `le:1e3`.
package struct NumberTest: Sendable, Equatable {
    private enum Comparison: String {
        case greater = "gt"
        case atLeast = "ge"
        case less = "lt"
        case atMost = "le"
    }

    private let comparison: Comparison
    private let bound: Double

    /// Reads `COMPARISON:N`.
    package init?(_ text: Text) {
        let parts = text.string.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let comparison = Comparison(rawValue: String(parts[0])),
            let bound = NumberTest.number(String(parts[1]))
        else { return nil }
        self.comparison = comparison
        self.bound = bound
    }

    /// Whether `value` is a number that satisfies it. What is no number satisfies nothing.
    package func holds(for value: Text) -> Bool {
        let trimmed = value.trimmed
        guard trimmed.bytes.count <= 64, let number = NumberTest.number(trimmed.string) else { return false }
        return switch comparison {
        case .greater: number > bound
        case .atLeast: number >= bound
        case .less: number < bound
        case .atMost: number <= bound
        }
    }

    /// A finite decimal number; `nan`, `inf` and hexadecimal are none.
    private static func number(_ text: String) -> Double? {
        let allowed = Array("0123456789+-.eE".utf8)
        guard text.utf8.allSatisfy(allowed.contains), let number = Double(text), number.isFinite else {
            return nil
        }
        return number
    }
}
