import Native
import Synchronization

extension Pattern {
    /// Limits of the regular expressions that tenants write.
    package enum Limits {
        /// Instructions of one: what is larger takes too long to compile and to match.
        package static let programSize = 5_000
        /// Bytes for the automaton and program of a small one, another one and a large one, and the largest program of the first two. The
        /// memory that all of an account's may take grows with their programs, not with their number.
        fileprivate static let small = (memory: 64 << 10, programSize: 64)
        fileprivate static let middle = (memory: 256 << 10, programSize: 1_000)
        fileprivate static let largeMemory = 1 << 20
    }

    /// The expression that a tenant wrote, compiled with no more memory than it needs, or the one that was compiled before. Throws
    /// `tooLarge` for one that is over the limits, in a few milliseconds at most.
    package static func tenants(_ source: [UInt8]) throws(PatternError) -> Pattern {
        if let known = PatternCache.shared.find(source) { return known }
        let pattern = try compiled(source)
        PatternCache.shared.keep(pattern)
        return pattern
    }

    private static func compiled(_ source: [UInt8]) throws(PatternError) -> Pattern {
        do {
            let pattern = try Pattern(source, maximumMemory: Limits.small.memory)
            if pattern.programSize <= Limits.small.programSize { return pattern }
        } catch .tooLarge {
            // It may fit into more.
        }
        let pattern = try Pattern(source, maximumMemory: Limits.middle.memory)
        guard pattern.programSize <= Limits.programSize else {
            throw .tooLarge(
                "it compiles to \(pattern.programSize) instructions, at most \(Limits.programSize) are allowed"
            )
        }
        if pattern.programSize <= Limits.middle.programSize { return pattern }
        return try Pattern(source, maximumMemory: Limits.largeMemory)
    }
}

/// Compiled regular expressions by their text, shared by all that ask for the same: checks, snapshots, simulations.
///
/// Two generations: what is asked for goes into the young one; when that is full it becomes the old one, whose rest is forgotten.
private final class PatternCache: Sendable {
    static let shared = PatternCache()

    private struct State {
        var young: [[UInt8]: Pattern] = [:]
        var old: [[UInt8]: Pattern] = [:]
        /// Instructions of the young ones.
        var programSize = 0
    }

    /// Of one generation.
    private static let capacity = 4_096
    private static let programSize = 40_000

    private let state = Mutex(State())

    func find(_ source: [UInt8]) -> Pattern? {
        state.withLock { state in
            if let found = state.young[source] { return found }
            guard let found = state.old[source] else { return nil }
            Self.insert(found, into: &state)
            return found
        }
    }

    func keep(_ pattern: Pattern) {
        state.withLock { Self.insert(pattern, into: &$0) }
    }

    private static func insert(_ pattern: Pattern, into state: inout State) {
        if state.young.count >= capacity || state.programSize >= programSize {
            state.old = state.young
            state.young = [:]
            state.programSize = 0
        }
        if state.young.updateValue(pattern, forKey: pattern.source) == nil {
            state.programSize += pattern.programSize
        }
    }
}
