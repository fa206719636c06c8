/// Says on each thread that works for a task what it is at, for as long as it is at it: so that a crash can be told from others.
package struct WorkNote: Sendable {
    /// That of the present task; nil: its work is not noted.
    @TaskLocal package static var current: WorkNote?

    private let begin: @Sendable () -> Void
    private let end: @Sendable () -> Void

    /// `begin` and `end` are called on the thread that works, `end` whatever came of it.
    package init(begin: @escaping @Sendable () -> Void, end: @escaping @Sendable () -> Void) {
        self.begin = begin
        self.end = end
    }

    /// Runs `body`, which stays on its thread, under `note`.
    package static func under<Result>(_ note: WorkNote?, _ body: () throws -> Result) rethrows -> Result {
        guard let note else { return try body() }
        note.begin()
        defer { note.end() }
        return try body()
    }
}
