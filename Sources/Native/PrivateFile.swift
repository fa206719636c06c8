import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A system call that failed.
package struct FileError: Error, CustomStringConvertible {
    /// What was tried.
    package let action: String
    /// The path that it was tried on.
    package let path: String
    /// The number of the error.
    package let code: Int32

    package var description: String { "could not \(action) \(path): \(String(cString: strerror(code)))" }
}

/// Files that only their owner may read: keys and root secrets.
package enum PrivateFile {
    /// Writes a new file with mode 0600 and syncs it and its folder. Throws when it is there already.
    package static func create(_ path: String, _ bytes: [UInt8]) throws(FileError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileError(action: "create", path: path, code: errno) }
        defer { close(file) }
        do throws(FileError) {
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes {
                    write(file, $0.baseAddress.map { $0 + written }, bytes.count - written)
                }
                guard count > 0 else { throw FileError(action: "write", path: path, code: errno) }
                written += count
            }
            guard fsync(file) == 0 else { throw FileError(action: "sync", path: path, code: errno) }
            try syncFolder(of: path)
        } catch {
            // What is not known to be on the disk must not be found there by the next start.
            unlink(path)
            throw error
        }
    }

    /// Puts a file in the place of what is there, if anything is: a crash leaves the one or the other, whole.
    package static func replace(_ path: String, _ bytes: [UInt8]) throws(FileError) {
        let new = path + ".new"
        remove(new)
        try create(new, bytes)
        guard rename(new, path) == 0 else { throw FileError(action: "replace", path: path, code: errno) }
        try syncFolder(of: path)
    }

    /// Makes sure that what a file holds now is on the disk: its bytes are written again, in place, and synced with its folder. A file that
    /// is not there is left alone.
    ///
    /// - Why again: after a failed sync the system keeps the bytes in memory, calls them clean, and never writes them again; who reads them
    ///   believes in what the next power cut takes away.
    package static func rewrite(_ path: String) throws(FileError) {
        let file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else {
            // What we can't write, we did not write.
            if errno == ENOENT || errno == EROFS || errno == EACCES { return }
            throw FileError(action: "open", path: path, code: errno)
        }
        defer { close(file) }
        var part = [UInt8](repeating: 0, count: 1 << 20)
        var position = 0
        while true {
            let count = part.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(position)) }
            guard count >= 0 else { throw FileError(action: "read", path: path, code: errno) }
            if count == 0 { break }
            let written = part.withUnsafeBytes { pwrite(file, $0.baseAddress, count, off_t(position)) }
            guard written > 0 else { throw FileError(action: "write", path: path, code: errno) }
            position += written
        }
        guard fsync(file) == 0 else { throw FileError(action: "sync", path: path, code: errno) }
        try syncFolder(of: path)
    }

    /// The bytes of a file of at most 1 MiB; nil when there is none.
    package static func read(_ path: String) throws(FileError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw FileError(action: "open", path: path, code: errno)
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        var total = 0
        while total < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                systemRead(file, buffer.baseAddress.map { $0 + total }, buffer.count - total)
            }
            guard count >= 0 else { throw FileError(action: "read", path: path, code: errno) }
            if count == 0 { break }
            total += count
        }
        return Array(bytes[..<total])
    }

    /// Whether more people than need to may read the file: others than its owner, and where root owns it and lends it to us (the secrets of a
    /// container come like that) others than its group.
    package static func isReadableByOthers(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        let isLent = status.st_uid == 0 && geteuid() != 0
        return status.st_mode & (isLent ? 0o027 : 0o077) != 0
    }

    /// Makes a folder that only its owner may enter, with its parents; one that is there already is left as it is.
    package static func makeFolder(_ path: String) throws(FileError) {
        var prefix = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            prefix += part
            guard mkdir(prefix, 0o700) == 0 || errno == EEXIST else {
                throw FileError(action: "make the folder", path: prefix, code: errno)
            }
            prefix += "/"
        }
    }

    /// Whether there is something at `path`.
    package static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// Removes a file; one that is not there is none.
    package static func remove(_ path: String) {
        unlink(path)
    }

    /// Syncs the folder that holds `path`: its name is on the disk then.
    package static func syncFolder(of path: String) throws(FileError) {
        let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
            separator: "/"
        )
        let name = folder.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : folder
        let handle = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw FileError(action: "open", path: name, code: errno) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw FileError(action: "sync", path: name, code: errno) }
    }
}

/// A lock that one process at a time can hold; given back when the process ends, however it ends.
package final class FileLock: Sendable {
    private let file: Mutex<Int32?>

    /// Takes the lock on the file, which is made when it is missing; nil when another process holds it.
    package init?(_ path: String) throws(FileError) {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw FileError(action: "open", path: path, code: errno) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            close(file)
            return nil
        }
        self.file = Mutex(file)
    }

    deinit { release() }

    /// Gives the lock back.
    package func release() {
        file.withLock { file in
            if let open = file { close(open) }
            file = nil
        }
    }
}

/// Ends the process at once, without any clean-up: for a state in which nothing can be trusted any more.
package func endProcess(code: Int32) -> Never {
    _exit(code)
}

/// `read` of the C library, under a name that `PrivateFile.read` does not hide.
private func systemRead(_ file: Int32, _ start: UnsafeMutableRawPointer?, _ count: Int) -> Int {
    read(file, start, count)
}
