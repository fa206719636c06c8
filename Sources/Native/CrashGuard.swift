private import CCrash

/// Remembers which work crashed the process, be it a body of a push or a management call, and says which did so twice: that is to be left
/// alone, so that one body or one call can't hold all tenants down.
///
/// The notes are 8 bytes a crash in one file; a process that is killed from outside leaves none. One guard may be armed in a process.
package struct CrashGuard: Sendable {
    private let poisonous: Set<UInt64>

    /// A guard that knows of no crash and notes none.
    package static let disarmed = CrashGuard(poisonous: [])

    private init(poisonous: Set<UInt64>) {
        self.poisonous = poisonous
    }

    /// Reads the notes of earlier crashes and begins to take new ones.
    package init(armedAt path: String) throws(FileError) {
        let notes = try PrivateFile.read(path) ?? []
        var crashes: [UInt64: Int] = [:]
        for start in stride(from: 0, through: notes.count - 8, by: 8) {
            let mark = notes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            crashes[mark, default: 0] += 1
        }
        self.init(poisonous: Set(crashes.filter { $0.value >= 2 }.keys))
        let code = ccrash_open(path)
        guard code == 0 else { throw FileError(action: "open", path: path, code: code) }
    }

    /// What a body is known by: the first 8 bytes of its SHA-256, never 0.
    package static func mark(of body: [UInt8]) -> UInt64 {
        max(1, Digest256.hash(of: body).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// Whether the work with this mark crashed the process twice.
    package func isPoisonous(_ mark: UInt64) -> Bool {
        poisonous.contains(mark)
    }

    /// Says that the calling thread is at the work with this mark until `leave`.
    package static func enter(_ mark: UInt64) {
        _ = ccrash_enter(mark)
    }

    /// Says that the calling thread is at no work.
    package static func leave() {
        _ = ccrash_enter(0)
    }

    /// Runs `work`, which must stay on its thread; a crash inside is noted under `mark`, and one after it under what the thread was at before.
    package static func during<Result, Failure: Error>(
        _ mark: UInt64,
        _ work: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = ccrash_enter(mark)
        defer { _ = ccrash_enter(before) }
        return try work()
    }
}
