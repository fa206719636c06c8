/// JSON parsers for any number of threads: each document gets one for itself, and some are kept for the next.
package final class JSONParserPool: Sendable {
    private let idle: IdlePool<JSONParser>
    private let maximumBytes: Int

    /// - Parameters:
    ///   - maximumBytes: longest document accepted.
    ///   - maximumIdle: parsers kept, of at most 1 MiB each; as many as there are cores is enough. It does
    ///     not limit how many documents are parsed at once.
    package init(maximumBytes: Int = 16 << 20, maximumIdle: Int = 16) {
        precondition(maximumIdle >= 0, "a negative number of parsers")
        idle = IdlePool(limit: maximumIdle)
        self.maximumBytes = maximumBytes
    }

    /// Lends a parser to `body`, which keeps no reference to it.
    package func withParser<R, E: Error>(_ body: (JSONParser) throws(E) -> R) throws(E) -> R {
        let parser = idle.take() ?? JSONParser(maximumBytes: maximumBytes)
        defer { idle.giveBack(parser) }
        return try body(parser)
    }

    /// Parses one document with a parser of the pool; all as `JSONParser.parse(_:maximumDepth:_:)`.
    package func parse<R, E: Error>(
        _ bytes: RawSpan,
        maximumDepth: Int,
        _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> Result<R, JSONError> {
        let parser = idle.take() ?? JSONParser(maximumBytes: maximumBytes)
        defer { idle.giveBack(parser) }
        return try parser.parse(bytes, maximumDepth: maximumDepth, body)
    }

    /// Parses one document with a parser of the pool; all as `JSONParser.parse(_:maximumDepth:_:)`.
    package func parse<R, E: Error>(
        _ bytes: [UInt8],
        maximumDepth: Int,
        _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> Result<R, JSONError> {
        try parse(bytes.span.bytes, maximumDepth: maximumDepth, body)
    }
}
