private import CRE2

/// Many regular expressions in RE2's syntax that are matched in one pass over a text: linear in the text, and nearly independent of how
/// many there are.
// Unchecked for the reasons of `Pattern`.
@safe package final class PatternSet: @unchecked Sendable {
    /// How many expressions there are.
    package let count: Int
    private let set: OpaquePointer

    /// Compiles expressions in UTF-8; nil when one is refused or they don't fit into `maximumMemory` bytes.
    package init?(_ sources: [[UInt8]], maximumMemory: Int) {
        guard let set = cre2_set_new(Int64(maximumMemory)) else { return nil }
        let isComplete = sources.allSatisfy { cre2_set_add(set, $0, $0.count) >= 0 }
        guard isComplete, cre2_set_compile(set) == 1 else {
            cre2_set_free(set)
            return nil
        }
        self.set = set
        count = sources.count
    }

    deinit { cre2_set_free(set) }

    /// Calls `body` with the position of each expression that matches anywhere in the text, in no order; false when that could not be found
    /// out within the memory allowed.
    package func forEachMatch(in text: [UInt8], _ body: (Int) -> Void) -> Bool {
        var found = [Int32](repeating: 0, count: 64)
        var total = cre2_set_matches(set, text, text.count, &found, found.count)
        if Int(total) > found.count {
            found = [Int32](repeating: 0, count: Int(total))
            total = cre2_set_matches(set, text, text.count, &found, found.count)
        }
        guard total >= 0 else { return false }
        for index in found.prefix(Int(total)) { body(Int(index)) }
        return true
    }
}
