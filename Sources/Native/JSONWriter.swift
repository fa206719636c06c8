/// Appends compact JSON to bytes; commas come by themselves.
///
/// In an object write fields (or a `key` and then one value), in an array or at the root write values:
///
///     var writer = JSONWriter()
///     writer.object { json in
///         json.field("name", name)
///         json.array("labels") { array in for label in labels { array.value(label) } }
///     }
///
/// Writing a value where a field belongs, or a name twice, is not noticed. Text is UTF-8 and stays as it is
/// except for `"`, `\` and the controls below U+0020.
package struct JSONWriter {
    /// What was written so far. May be taken, and the writer thrown away, when all containers are closed.
    package var bytes: [UInt8]

    // Whether the next value or key follows another one in its container. One flag is enough for any depth:
    // after an opening bracket or a colon it is false, after a value or a closing bracket true.
    private var needsComma = false

    /// A writer with room for so many bytes before its first reallocation.
    package init(capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    // MARK: Containers

    // Not generic over errors, so that they cost no more than the call of a closure.

    /// The bytes of one document.
    package static func encode(capacity: Int = 256, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(capacity: capacity)
        body(&writer)
        return writer.bytes
    }

    /// Writes an object as a value; `body` writes its fields.
    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "{"))
        body(&self)
        close(UInt8(ascii: "}"))
    }

    /// Writes an array as a value; `body` writes its elements.
    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        open(UInt8(ascii: "["))
        body(&self)
        close(UInt8(ascii: "]"))
    }

    // For what comes piece by piece, and not from a closure.

    /// Begins an object as a value: its fields follow, and `closeObject`.
    package mutating func openObject() { open(UInt8(ascii: "{")) }

    /// Ends the innermost object.
    package mutating func closeObject() { close(UInt8(ascii: "}")) }

    /// Begins an array as a value: its elements follow, and `closeArray`.
    package mutating func openArray() { open(UInt8(ascii: "[")) }

    /// Ends the innermost array.
    package mutating func closeArray() { close(UInt8(ascii: "]")) }

    // MARK: Names

    /// Writes the name of a field; its value comes next.
    package mutating func key(_ name: StaticString) {
        name.withUTF8Buffer { key(UnsafeRawBufferPointer($0)) }
    }

    /// Writes the name of a field; its value comes next.
    package mutating func key(text name: String) {
        name.withRawUTF8 { key($0) }
    }

    /// Writes the name of a field from valid UTF-8; its value comes next.
    package mutating func key(utf8 name: RawSpan) {
        name.withUnsafeBytes { key($0) }
    }

    private mutating func key(_ name: UnsafeRawBufferPointer) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: Values

    /// Writes a string.
    package mutating func value(_ text: String) { text.withRawUTF8 { string($0) } }

    /// Writes a string.
    package mutating func value(_ text: JSONString) { string(UnsafeRawBufferPointer(text.buffer)) }

    /// Writes a string from bytes that the caller knows to be valid UTF-8; others make the document invalid.
    package mutating func value(utf8 text: RawSpan) { text.withUnsafeBytes { string($0) } }

    /// Writes a string from bytes of any origin, with U+FFFD for each part that is not valid UTF-8.
    package mutating func value(repairing text: RawSpan) {
        if UTF8Scan.isValidUTF8(text) { value(utf8: text) } else { value(UTF8Scan.repairedText(text)) }
    }

    /// Writes an integer.
    package mutating func value(_ number: Int64) {
        separate()
        bytes.appendDecimal(number.magnitude, isNegative: number < 0)
    }

    /// Writes an integer.
    package mutating func value(_ number: Int) { value(Int64(number)) }

    /// Writes an integer.
    package mutating func value(_ number: UInt64) {
        separate()
        bytes.appendDecimal(number, isNegative: false)
    }

    /// Writes the shortest number that reads back as the same double; null for infinities and NaN.
    package mutating func value(_ number: Double) {
        guard number.isFinite else { return null() }
        separate()
        number.description.withRawUTF8 { bytes.append(contentsOf: $0) }
    }

    /// Writes `true` or `false`.
    package mutating func value(_ truth: Bool) {
        truth ? constant("true") : constant("false")
    }

    /// Writes `null`.
    package mutating func null() { constant("null") }

    /// Writes JSON that is already encoded, as one value. It is not checked.
    package mutating func raw(_ encoded: RawSpan) {
        separate()
        encoded.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }

    // MARK: Bytes

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func constant(_ word: StaticString) {
        separate()
        word.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func string(_ text: UnsafeRawBufferPointer) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.appendEscaped(text)
        bytes.append(UInt8(ascii: "\""))
    }
}
