/// Addresses from numbers, and their text.
extension IPAddress {
    /// Takes 4 bytes (IPv4) or 16 (IPv6), the first highest; an IPv4 address mapped into IPv6 becomes the IPv4 address. Nil for any other
    /// number of bytes.
    package init?(octets: [UInt8]) {
        guard octets.count == 4 || octets.count == 16 else { return nil }
        let value = octets.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        let isMapped = octets.count == 16 && value >> 32 == 0xFFFF
        self.init(value: isMapped ? value & 0xFFFF_FFFF : value, isIPv4: octets.count == 4 || isMapped)
    }

    /// The text form: four decimal parts, or eight groups of hexadecimal digits without shortening.
    package var text: String {
        if isIPv4 {
            return [24, 16, 8, 0].map { String(value >> UInt128($0) & 0xFF) }.joined(separator: ".")
        }
        return (0..<8).map { String(value >> UInt128(112 - 16 * $0) & 0xFFFF, radix: 16) }.joined(
            separator: ":"
        )
    }

    /// Itself, or the 64 bits that an IPv6 client is given the rest of: for what counts by client.
    package var network: IPAddress {
        isIPv4 ? self : IPAddress(value: (value >> 64) << 64, isIPv4: false)
    }
}
