#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What tells a file from another one, or from what it was before it was written again. Symbolic links are
/// followed, so that one which is turned to another file is noticed.
package struct FileStamp: Equatable, Sendable {
    private let device: UInt64
    private let file: UInt64
    private let size: Int64
    private let written: Time
    /// Also when it was renamed or its rights were changed.
    private let changed: Time

    private struct Time: Equatable {
        let seconds: Int
        let nanoseconds: Int
    }

    /// nil: there is no such file, or it can't be looked at.
    package init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        file = UInt64(status.st_ino)
        size = Int64(status.st_size)
        written = Time(seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        changed = Time(seconds: status.st_ctim.tv_sec, nanoseconds: status.st_ctim.tv_nsec)
    }
}
