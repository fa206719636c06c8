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

/// The address of this machine from which it would speak to a numeric address; nil when it has none for it.
/// Nothing is sent.
package func localAddress(toward address: String) -> String? {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST
    hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
    var first: UnsafeMutablePointer<addrinfo>?
    // The port doesn't matter: connecting a datagram socket only chooses the route.
    guard getaddrinfo(address, "25", &hints, &first) == 0, let target = first?.pointee else { return nil }
    defer { freeaddrinfo(first) }
    let socket = socket(target.ai_family, target.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return nil }
    defer { close(socket) }
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [CChar](repeating: 0, count: 64)
    let isKnown = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { own in
            connect(socket, target.ai_addr, target.ai_addrlen) == 0 && getsockname(socket, own, &size) == 0
                && getnameinfo(own, size, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) == 0
        }
    }
    guard isKnown else { return nil }
    // A zone (`fe80::1%eth0`) names an interface of this machine.
    let text = host.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "%")) }
    return String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
