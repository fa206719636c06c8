import Domain
import NIOCore

/// Which addresses and ports a tenant's notifier may reach: what is public, and what the operator allows.
///
/// - Why by address and not by name: a name says nothing about where it leads, and may lead elsewhere a moment later. What was checked
///   here is what is connected to.
/// - Source: the IANA registries of special-purpose addresses (IPv4, IPv6), and the metadata services of cloud vendors.
package struct AddressPolicy: Sendable {
    /// Networks of the operator's choice, in which every port and plain HTTP may be used.
    private let allowed: [Network]
    /// The addresses of this machine, whatever network they are in.
    private let own: Set<IPAddress>

    /// - Parameters:
    ///   - allowed: networks of the operator's choice; only configuration sets them, never a tenant.
    ///   - own: the addresses of this machine.
    package init(allowed: [Network], own: Set<IPAddress> = Self.ownAddresses()) {
        self.allowed = allowed
        self.own = own
    }

    /// The addresses of the network interfaces of this machine, at this moment; none when they can't be listed.
    package static func ownAddresses() -> Set<IPAddress> {
        guard let devices = try? System.enumerateDevices() else { return [] }
        // A zone (`fe80::1%eth0`) names the interface, not the address.
        let texts = devices.compactMap { $0.address?.ipAddress?.prefix { $0 != "%" } }
        return Set(texts.compactMap { IPAddress(Array($0.utf8)) })
    }

    /// Why a connection may not be made; nil: it may.
    ///
    /// The sentences name no address: whoever gives a name is not told what it resolves to.
    package func verdict(address: IPAddress, port: Int, isTLS: Bool, isMail: Bool) -> String? {
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        if own.contains(address) || !Self.isPublic(address) {
            return "The address is not a public one, and the operator of this service does not allow it."
        }
        if isMail {
            return Self.mailPorts.contains(port)
                ? nil : "The port is none of 25, 465, 587 and 2525, the ports for mail."
        }
        if !isTLS { return "Plain http is only possible where the operator of this service allows it." }
        return Self.httpsPorts.contains(port) ? nil : "The port is neither 443 nor 8443, the ports for https."
    }

    /// Whether any address is allowed beyond the public ones: then a port or scheme alone says nothing.
    package var allowsMore: Bool { !allowed.isEmpty }

    private static let mailPorts: Set = [25, 465, 587, 2_525]
    private static let httpsPorts: Set = [443, 8_443]

    /// Whether an address is one of the public Internet, for IPv6 without those that hold an IPv4 address in them.
    private static func isPublic(_ address: IPAddress) -> Bool {
        if address.isIPv4 { return !reservedIPv4.contains { $0.contains(address) } }
        // ISATAP (RFC 5214): the lower half is 0000:5efe or 0200:5efe and an IPv4 address.
        let isISATAP = address.value >> 32 & 0xFDFF_FFFF == 0x5EFE
        return globalIPv6.contains { $0.contains(address) } && !isISATAP
            && !reservedIPv6.contains { $0.contains(address) }
    }

    private static let reservedIPv4 = networks([
        "0.0.0.0/8",  // this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  // private
        "100.64.0.0/10",  // carriers; 100.100.100.200 is Alibaba Cloud's metadata
        "127.0.0.0/8",  // loopback
        "168.63.129.16/32",  // Azure's host
        "169.254.0.0/16",  // link; 169.254.169.254 is the metadata of most clouds
        "192.0.0.0/24",  // protocols; 192.0.0.192 is Oracle Cloud's metadata
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  // documentation
        "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24",  // AS112, AMT
        "192.88.99.0/24",  // 6to4 relays
        "198.18.0.0/15",  // benchmarks
        "224.0.0.0/4",  // multicast
        "240.0.0.0/4",  // reserved, broadcast
    ])

    /// Everything that is given out: so ::1, fc00::/7, fe80::/10, ff00::/8, 64:ff9b::/96 (NAT64), 100::/64 and 5f00::/16 are out.
    private static let globalIPv6 = networks(["2000::/3"])

    private static let reservedIPv6 = networks([
        "2001::/23",  // protocols: Teredo (2001::/32), benchmarks, ORCHID
        "2001:db8::/32", "3fff::/20",  // documentation
        "2002::/16",  // 6to4
        "2620:4f:8000::/48",  // AS112
    ])

    private static func networks(_ texts: [Text]) -> [Network] {
        texts.map { text in
            guard let network = Network(text) else { preconditionFailure("no network: \(text)") }
            return network
        }
    }
}
