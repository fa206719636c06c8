// The same calls with `Span<UInt8>`. Code with strict memory safety can make one from an array (`array.span`)
// but no `RawSpan`: `Span.bytes` counts as unsafe.

extension Digest256 {
    /// The SHA-256 of one message.
    package static func hash(of message: Span<UInt8>) -> Digest256 { hash(of: message.bytes) }
}

extension HMACSHA256Key {
    /// The authentication code of a message. Compare it with `constantTimeEquals(_:_:)`.
    package func authenticate(_ message: Span<UInt8>) -> Digest256 { authenticate(message.bytes) }
}

/// Whether two byte strings are equal, in time that depends on their length but not on their content.
package func constantTimeEquals(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    constantTimeEquals(left.bytes, right.bytes)
}

extension Pattern {
    /// Whether the expression matches anywhere in the text. Linear in the length of the text.
    package func matches(_ text: Span<UInt8>) -> Bool { matches(text.bytes) }
}

extension UTF8Scan {
    /// Whether the bytes are well-formed UTF-8 (RFC 3629). NUL and the empty string are.
    package static func isValidUTF8(_ bytes: Span<UInt8>) -> Bool { isValidUTF8(bytes.bytes) }
}

extension Zstd {
    /// One frame with the bytes; as `compress(_:dictionary:level:)` of a raw span.
    package static func compress(
        _ bytes: Span<UInt8>,
        dictionary: ZstdDictionary? = nil,
        level: Int = 1
    ) -> [UInt8] {
        compress(bytes.bytes, dictionary: dictionary, level: level)
    }
}

extension JSONParser {
    /// Parses one document; all as `parse(_:maximumDepth:_:)` of a raw span.
    package func parse<R, E: Error>(
        _ bytes: Span<UInt8>,
        maximumDepth: Int,
        _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> Result<R, JSONError> {
        try parse(bytes.bytes, maximumDepth: maximumDepth, body)
    }
}

extension JSONParserPool {
    /// Parses one document with a parser of the pool; all as `JSONParser.parse(_:maximumDepth:_:)`.
    package func parse<R, E: Error>(
        _ bytes: Span<UInt8>,
        maximumDepth: Int,
        _ body: (JSONValue) throws(E) -> R
    ) throws(E) -> Result<R, JSONError> {
        try parse(bytes.bytes, maximumDepth: maximumDepth, body)
    }
}

extension JSONWriter {
    /// Writes a string from bytes that the caller knows to be valid UTF-8.
    package mutating func value(utf8 text: Span<UInt8>) { value(utf8: text.bytes) }

    /// Writes a string from bytes of any origin, with U+FFFD for each part that is not valid UTF-8.
    package mutating func value(repairing text: Span<UInt8>) { value(repairing: text.bytes) }

    /// Writes the name of a field from valid UTF-8; its value comes next.
    package mutating func key(utf8 name: Span<UInt8>) { key(utf8: name.bytes) }

    /// Writes a string field from bytes that the caller knows to be valid UTF-8.
    package mutating func field(_ name: StaticString, utf8 value: Span<UInt8>) {
        field(name, utf8: value.bytes)
    }

    /// Writes a string field from bytes of any origin, with U+FFFD for each part that is not valid UTF-8.
    package mutating func field(_ name: StaticString, repairing value: Span<UInt8>) {
        field(name, repairing: value.bytes)
    }
}
