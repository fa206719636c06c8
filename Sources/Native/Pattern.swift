private import CRE2

/// A compiled regular expression in RE2's syntax: matching time is linear in the text, whatever the
/// expression.
///
/// Works on UTF-8; a byte that is not part of valid UTF-8 matches nothing but `\C`, not even `.`.
// Unchecked, because (1) the pointer is set once, (2) RE2 lets const methods, the only ones called here, run
// on several threads at once (re2.h: "safe for concurrent use by multiple threads"; its caches have their own
// locks), and (3) deinit runs when no reference is left.
@safe package final class Pattern: @unchecked Sendable {
    private let expression: OpaquePointer
    /// The expression as it was given, in UTF-8.
    package let source: [UInt8]
    /// Instructions of the compiled program, above 0. A match takes at worst a time proportional to them and to the bytes of the text:
    /// RE2's automaton has no more states than its memory holds, and what it can't keep it works out again for each byte.
    package let programSize: Int

    /// Compiles an expression.
    ///
    /// - Parameters:
    ///   - source: the expression in UTF-8; nothing is anchored unless it says so.
    ///   - maximumMemory: bytes, above 0, for the program and for the caches that matching builds up.
    /// - Throws: `PatternError` with RE2's message.
    package init(_ source: [UInt8], maximumMemory: Int = 1 << 20) throws(PatternError) {
        precondition(maximumMemory > 0, "a pattern needs memory")
        self.source = source
        expression = try Self.compile(source, maximumMemory: maximumMemory)
        programSize = max(1, Int(cre2_program_size(expression)))
    }

    /// Compiles an expression given as text.
    package convenience init(_ source: String, maximumMemory: Int = 1 << 20) throws(PatternError) {
        try self.init([UInt8](source.utf8), maximumMemory: maximumMemory)
    }

    deinit { cre2_free(expression) }

    /// Whether the expression matches anywhere in the text. Linear in the length of the text.
    package func matches(_ text: RawSpan) -> Bool {
        text.withUnsafeBytes { buffer in
            cre2_matches(expression, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), buffer.count)
                == 1
        }
    }

    /// Whether the expression matches anywhere in the text. Linear in the length of the text.
    package func matches(_ text: [UInt8]) -> Bool { matches(text.span.bytes) }

    /// Whether the expression matches anywhere in the text. Linear in the length of the text.
    package func matches(_ text: String) -> Bool { matches([UInt8](text.utf8)) }

    /// An expression that matches exactly this text.
    package static func literal(escaping text: String) -> String {
        String(decoding: literal(escaping: [UInt8](text.utf8)), as: UTF8.self)
    }

    /// An expression that matches exactly these bytes of UTF-8.
    package static func literal(escaping text: [UInt8]) -> [UInt8] {
        let capacity = text.count * 4
        return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
            initialized = cre2_escape(text, text.count, buffer.baseAddress, capacity)
        }
    }

    private static func compile(_ source: [UInt8], maximumMemory: Int) throws(PatternError) -> OpaquePointer {
        var pattern: OpaquePointer?
        var message = [CChar](repeating: 0, count: 256)
        let status = cre2_new(
            source,
            source.count,
            Int64(maximumMemory),
            &message,
            message.count,
            &pattern
        )
        if status == CRE2_OK, let pattern { return pattern }
        let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        throw status == CRE2_SYNTAX ? .syntax(text) : .tooLarge(text)
    }
}

/// Why an expression was refused, in RE2's words (English; quotes the part that is wrong).
package enum PatternError: Error, Hashable {
    /// RE2 does not understand the expression, or it is not UTF-8.
    case syntax(String)
    /// The compiled expression would not fit into the memory allowed.
    case tooLarge(String)

    /// RE2's message, at most 255 bytes.
    package var message: String {
        switch self {
        case .syntax(let message), .tooLarge(let message): message
        }
    }
}
