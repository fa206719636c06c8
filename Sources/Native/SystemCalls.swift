#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Writes to the standard error; what can't be written is lost.
package func writeStandardError(_ bytes: [UInt8]) {
    var start = 0
    while start < bytes.count {
        let count = bytes.withUnsafeBytes { write(2, $0.baseAddress.map { $0 + start }, bytes.count - start) }
        guard count > 0 else { return }
        start += count
    }
}

/// Milliseconds since 1970 by the system's clock.
package func systemMilliseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
}

/// Makes files that this process creates from now on readable by its owner only.
package func keepFilesPrivate() {
    umask(0o077)
}

/// Keeps SIGHUP, which asks a server to read its files again, from ending this process before it listens to
/// signals.
package func ignoreHangup() {
    _ = signal(SIGHUP, SIG_IGN)
}

/// Seconds that the machine's local time is ahead of UTC at a moment, by the time zone of the process.
package func localOffsetSeconds(atSecond second: Int64) -> Int {
    var time = time_t(second)
    var parts = tm()
    guard localtime_r(&time, &parts) != nil else { return 0 }
    return parts.tm_gmtoff
}

/// Gives the calling thread less of a busy processor than other threads of the process get. Linux knows a priority for each thread; elsewhere, and
/// where the kernel refuses, nothing changes.
package func lowerThreadPriority() {
    #if os(Linux)
    // 0 stands for the calling thread. A thread that is at this level stays there.
    _ = setpriority(__priority_which_t(0), 0, 5)
    #endif
}

/// Size and time of change of the file that this process runs; nil where the system does not tell.
package func executableStamp() -> String? {
    var status = stat()
    guard stat("/proc/self/exe", &status) == 0 else { return nil }
    return "\(status.st_size)-\(status.st_mtim.tv_sec)-\(status.st_mtim.tv_nsec)"
}
