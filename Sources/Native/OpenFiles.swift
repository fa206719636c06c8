import Glibc

/// The file descriptors of this process.
package enum OpenFiles {
    /// How many it may have: its soft limit (`ulimit -n`).
    package static var limit: Int { max(0, sysconf(Int32(_SC_OPEN_MAX))) }
}
