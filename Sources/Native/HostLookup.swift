#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why a name has no addresses.
package enum HostLookupError: Error {
    /// There is no such name, or it has no address.
    case unknown
    /// The name servers did not answer, or something else went wrong that may pass.
    case failed
}

/// The addresses of a host name by the system's resolver, without duplicates: 4 bytes each for IPv4 and 16 for IPv6, in its order.
///
/// Blocks, for as long as the resolver likes: to be called on a thread for such work.
package func lookUpHost(_ name: String) throws(HostLookupError) -> [[UInt8]] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(name, nil, &hints, &first)
    guard code == 0 else { throw code == EAI_NONAME ? .unknown : .failed }
    defer { freeaddrinfo(first) }
    var addresses: [[UInt8]] = []
    var next = first
    while let entry = next {
        if let address = bytes(of: entry.pointee), !addresses.contains(address) { addresses.append(address) }
        next = entry.pointee.ai_next
    }
    return addresses
}

/// The address of one answer; nil for a family that is neither IPv4 nor IPv6.
private func bytes(of entry: addrinfo) -> [UInt8]? {
    guard let address = entry.ai_addr else { return nil }
    switch entry.ai_family {
    case AF_INET:
        return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
            withUnsafeBytes(of: address.pointee.sin_addr) { Array($0) }
        }
    case AF_INET6:
        return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
            withUnsafeBytes(of: address.pointee.sin6_addr) { Array($0) }
        }
    default:
        return nil
    }
}
