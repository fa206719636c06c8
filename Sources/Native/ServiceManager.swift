#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The service manager that started this process, systemd or one that speaks like it, and that wants to hear how it is doing.
///
/// What is said goes as one datagram to the socket that `NOTIFY_SOCKET` names: a path, or with `@` in front a name without a file. Source:
/// sd_notify(3), sd_watchdog_enabled(3).
package struct ServiceManager: Sendable {
    /// After so many microseconds of silence it takes the process for hung; nil: it does not watch.
    package let watchdogMicroseconds: Int64?
    private let path: [UInt8]

    /// nil: nobody wants to hear.
    package init?(_ environment: [String: String], process: Int32 = getpid()) {
        guard let name = environment["NOTIFY_SOCKET"] else { return nil }
        var path = Array(name.utf8)
        guard path.count > 1, path.count < Self.longestPath else { return nil }
        switch path[0] {
        case UInt8(ascii: "/"): break
        case UInt8(ascii: "@"): path[0] = 0
        default: return nil
        }
        self.path = path
        let isMeant = environment["WATCHDOG_PID"].map { Int32($0) == process } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdogMicroseconds = isMeant && microseconds > 0 ? microseconds : nil
    }

    /// Says something, as `READY=1`. Waits for a second at most; false: it was not heard.
    @discardableResult
    package func say(_ text: String) -> Bool {
        #if canImport(Glibc)
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        #else
        let kind = SOCK_DGRAM | SOCK_CLOEXEC
        #endif
        let socket = socket(AF_UNIX, kind, 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + socklen_t(path.count)
        let bytes = Array(text.utf8)
        let sent = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, size)
            }
        }
        return sent == bytes.count
    }

    private static var longestPath: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) }
}
