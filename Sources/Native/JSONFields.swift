/// Fields: a name that is known when the program is written, and a value; nil becomes null.
extension JSONWriter {
    /// Writes a field whose value is an object; `body` writes its fields.
    package mutating func object(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }

    /// Writes a field whose value is an array; `body` writes its elements.
    package mutating func array(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        key(name)
        array(body)
    }

    /// Writes a field with a string.
    package mutating func field(_ name: StaticString, _ value: String) {
        key(name)
        self.value(value)
    }

    /// Writes a field with a string; nil becomes null.
    package mutating func field(_ name: StaticString, _ value: String?) {
        if let value { field(name, value) } else { null(name) }
    }

    /// Writes a field with an integer.
    package mutating func field(_ name: StaticString, _ value: Int) {
        key(name)
        self.value(value)
    }

    /// Writes a field with an integer; nil becomes null.
    package mutating func field(_ name: StaticString, _ value: Int?) {
        if let value { field(name, value) } else { null(name) }
    }

    /// Writes a field with an integer.
    package mutating func field(_ name: StaticString, _ value: Int64) {
        key(name)
        self.value(value)
    }

    /// Writes a field with an integer; nil becomes null.
    package mutating func field(_ name: StaticString, _ value: Int64?) {
        if let value { field(name, value) } else { null(name) }
    }

    /// Writes a field with a truth value.
    package mutating func field(_ name: StaticString, _ value: Bool) {
        key(name)
        self.value(value)
    }

    /// Writes a field with a truth value; nil becomes null.
    package mutating func field(_ name: StaticString, _ value: Bool?) {
        if let value { field(name, value) } else { null(name) }
    }

    /// Infinities and NaN become null.
    package mutating func field(_ name: StaticString, _ value: Double) {
        key(name)
        self.value(value)
    }

    /// Infinities and NaN become null.
    package mutating func field(_ name: StaticString, _ value: Double?) {
        if let value { field(name, value) } else { null(name) }
    }

    /// Writes a field whose value is null.
    package mutating func null(_ name: StaticString) {
        key(name)
        null()
    }
}

/// Fields with text in bytes, and fields with names that come from data.
extension JSONWriter {
    /// Writes a string field from bytes that the caller knows to be valid UTF-8.
    package mutating func field(_ name: StaticString, utf8 value: RawSpan) {
        key(name)
        self.value(utf8: value)
    }

    /// Writes a string field from bytes that the caller knows to be valid UTF-8; nil becomes null.
    package mutating func field(_ name: StaticString, utf8 value: [UInt8]?) {
        if let value { field(name, utf8: value.span.bytes) } else { null(name) }
    }

    /// Writes a string field from bytes of any origin, with U+FFFD for each part that is not valid UTF-8.
    package mutating func field(_ name: StaticString, repairing value: RawSpan) {
        key(name)
        self.value(repairing: value)
    }

    /// Writes a string field from bytes of any origin, with U+FFFD for each invalid part; nil becomes null.
    package mutating func field(_ name: StaticString, repairing value: [UInt8]?) {
        if let value { field(name, repairing: value.span.bytes) } else { null(name) }
    }

    /// Writes a string field; name and value are bytes that the caller knows to be valid UTF-8.
    package mutating func field(utf8 name: RawSpan, utf8 value: RawSpan) {
        key(utf8: name)
        self.value(utf8: value)
    }

    /// Writes a string field.
    package mutating func field(text name: String, _ value: String) {
        key(text: name)
        self.value(value)
    }

    /// Writes a field whose value is already encoded as JSON; it is not checked.
    package mutating func rawField(_ name: StaticString, _ encoded: RawSpan) {
        key(name)
        raw(encoded)
    }

    /// Writes a field whose value is already encoded as JSON; it is not checked.
    package mutating func rawField(_ name: StaticString, _ encoded: [UInt8]) {
        rawField(name, encoded.span.bytes)
    }
}

/// Elements from optional values and from arrays of bytes.
extension JSONWriter {
    /// Writes a string, or null.
    package mutating func value(_ text: String?) {
        if let text { value(text) } else { null() }
    }

    /// Writes the name of a field from valid UTF-8; its value comes next.
    package mutating func key(utf8 name: [UInt8]) { key(utf8: name.span.bytes) }

    /// Writes a string from bytes that the caller knows to be valid UTF-8.
    package mutating func value(utf8 text: [UInt8]) { value(utf8: text.span.bytes) }

    /// Writes a string from bytes of any origin, with U+FFFD for each part that is not valid UTF-8.
    package mutating func value(repairing text: [UInt8]) { value(repairing: text.span.bytes) }

    /// Writes JSON that is already encoded, as one value. It is not checked.
    package mutating func raw(_ encoded: [UInt8]) { raw(encoded.span.bytes) }
}
