private import CSimdjson

/// Why a document was refused.
package enum JSONError: Error, Hashable {
    /// Not well-formed JSON (RFC 8259), or it has a number that no `Int64`, `UInt64` or finite `Double`
    /// holds: an integer of 2^64 or more, or one like 1e400.
    case syntax
    /// Arrays and objects are nested deeper than allowed.
    case depth
    /// The bytes are not UTF-8.
    case invalidUTF8
    /// Longer than the parser accepts, or there is no memory for it.
    case tooLarge

    /// A constant English sentence without final stop.
    package var message: String { String(cString: csimdjson_message(status)) }

    init(status: Int32) {
        self =
            switch status {
            case CSIMDJSON_DEPTH: .depth
            case CSIMDJSON_INVALID_UTF8: .invalidUTF8
            case CSIMDJSON_TOO_LARGE: .tooLarge
            default: .syntax
            }
    }

    private var status: Int32 {
        switch self {
        case .syntax: CSIMDJSON_SYNTAX
        case .depth: CSIMDJSON_DEPTH
        case .invalidUTF8: CSIMDJSON_INVALID_UTF8
        case .tooLarge: CSIMDJSON_TOO_LARGE
        }
    }
}

/// A JSON parser with buffers that are used again; `JSONParserPool` shares some between threads.
///
/// Not thread-safe, and one document at a time: `parse` inside the body of `parse` ends the process.
/// Between documents it holds at most 1 MiB.
@safe package final class JSONParser {
    /// Deepest nesting that may be asked for.
    package static let depthLimit = 1 << 16

    private let parser: OpaquePointer
    private var isParsing = false

    /// A parser for documents of up to `maximumBytes`. Memory is taken when a document needs it.
    package init(maximumBytes: Int = 16 << 20) {
        precondition(maximumBytes > 0, "a parser must accept something")
        guard let parser = csimdjson_new(maximumBytes) else { preconditionFailure("no memory for a parser") }
        self.parser = parser
    }

    deinit { csimdjson_free(parser) }

    /// Parses one document and calls `body` with its root, which may be a scalar.
    ///
    /// - Parameters:
    ///   - bytes: the whole document; they are copied, so they may be anywhere and change afterwards.
    ///   - maximumDepth: how deep arrays and objects may nest, 1 to `depthLimit`; `[[0]]` has depth 2. An
    ///     empty array or object does not count.
    ///   - body: walks the document. The value and all that comes from it are valid until `body` returns.
    /// - Returns: what `body` answered, or why the document was refused (then `body` is not called).
    /// - Throws: only what `body` throws.
    package func parse<R, E: Error>(
        _ bytes: RawSpan,
        maximumDepth: Int,
        _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> Result<R, JSONError> {
        precondition((1...Self.depthLimit).contains(maximumDepth), "a depth that makes no sense")
        precondition(!isParsing, "a JSON parser was used while it was in use")
        isParsing = true
        defer {
            csimdjson_trim(parser)
            isParsing = false
        }
        switch root(of: bytes, maximumDepth: maximumDepth) {
        case .success(let root): return .success(try body(root))
        case .failure(let error): return .failure(error)
        }
    }

    private func root(of bytes: RawSpan, maximumDepth: Int) -> Result<JSONValue, JSONError> {
        var tape: UnsafePointer<UInt64>?
        var strings: UnsafePointer<UInt8>?
        let status = bytes.withUnsafeBytes { buffer in
            let start = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return csimdjson_parse(parser, start, buffer.count, maximumDepth, &tape, &strings)
        }
        guard status == CSIMDJSON_OK, let tape, let strings else {
            return .failure(JSONError(status: status))
        }
        return .success(JSONValue(tape: tape, strings: strings, index: 1))
    }
}
