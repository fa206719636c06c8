#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A listening TCP socket that the starter of this process made and keeps open: what connects while no process serves waits in its queue.
///
/// The protocol is that of systemd's socket units, and any other starter can speak it: the socket is file descriptor 3, `LISTEN_FDS` is 1,
/// `LISTEN_PID` the process it is meant for. Names (`LISTEN_FDNAMES`) are not looked at. Source: sd_listen_fds(3).
package struct ListeningSocket: Sendable {
    /// The file descriptor. Whoever serves on it closes it.
    package let descriptor: Int32
    /// The numeric address that it is bound to.
    package let host: String
    /// The port that it is bound to.
    package let port: Int

    /// Why what was handed in can't be served on: for the person who started the program.
    package struct Problem: Error, CustomStringConvertible {
        package let description: String
    }

    private static let firstDescriptor: Int32 = 3

    /// The socket that this process was started with; nil when there is none, or when it is meant for another process.
    package static func handedIn(_ environment: [String: String]) throws(Problem) -> ListeningSocket? {
        guard let count = try count(environment, process: getpid()) else { return nil }
        guard count == 1 else {
            throw Problem(description: "LISTEN_FDS is \(count): one socket can be served on")
        }
        return try ListeningSocket(descriptor: firstDescriptor)
    }

    /// How many descriptors were handed to the process; nil when none is meant for it.
    package static func count(_ environment: [String: String], process: Int32) throws(Problem) -> Int? {
        guard let pid = environment["LISTEN_PID"], let text = environment["LISTEN_FDS"] else { return nil }
        guard Int32(pid) == process else { return nil }
        guard let count = Int(text), count >= 0 else {
            throw Problem(description: "LISTEN_FDS is \"\(text)\", which is not a number")
        }
        return count == 0 ? nil : count
    }

    /// Looks at a descriptor: it must be a TCP socket that listens.
    package init(descriptor: Int32) throws(Problem) {
        guard Self.option(SO_ACCEPTCONN, of: descriptor) == 1 else {
            throw Problem(description: "the file that was handed in is not a listening socket")
        }
        guard let (host, port) = Self.address(of: descriptor) else {
            throw Problem(description: "the socket that was handed in is not one of TCP")
        }
        // What this process starts must not keep it open.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        self.descriptor = descriptor
        self.host = host
        self.port = port
    }

    /// Sets how many connections may wait. Can be said again at any time; the kernel caps it (`net.core.somaxconn`).
    package func setBacklog(_ count: Int32) {
        _ = listen(descriptor, count)
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
    }

    /// Host and port of an IPv4 or IPv6 socket; nil for any other.
    private static func address(of descriptor: Int32) -> (String, Int)? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard getsockname(descriptor, address, &size) == 0,
                    [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family))
                else { return nil }
                var host = [CChar](repeating: 0, count: 64)
                var port = [CChar](repeating: 0, count: 8)
                let sizes = (socklen_t(host.count), socklen_t(port.count))
                let flags = NI_NUMERICHOST | NI_NUMERICSERV
                let failed = getnameinfo(address, size, &host, sizes.0, &port, sizes.1, flags) != 0
                return failed ? nil : Int(text(port)).map { (text(host), $0) }
            }
        }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
