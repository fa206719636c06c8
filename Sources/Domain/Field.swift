import Native

/// One value of a JSON body. Each reader answers nil after it has noted an error.
package struct Field {
    package let json: JSONValue
    package let pointer: String
    package let errors: FieldErrors

    package init(json: JSONValue, pointer: String, errors: FieldErrors) {
        self.json = json
        self.pointer = pointer
        self.errors = errors
    }

    /// Notes an error of this value.
    package func refuse<Value>(_ detail: @autoclosure () -> String) -> Value? {
        errors.add(pointer, detail())
        return nil
    }

    /// A text within the limits: bytes and scalars.
    package func text(
        bytes limit: Int = Limits.nameBytes,
        scalars scalarLimit: Int = .max,
        allowEmpty: Bool = false
    ) -> Text? {
        guard let string = json.string else { return refuse("must be a string") }
        guard string.count <= limit else { return refuse("must have at most \(limit) bytes") }
        let bytes = string.bytes
        guard !bytes.contains(0) else { return refuse("must not contain NUL") }
        let text = Text(trusted: bytes)
        guard allowEmpty || !text.isEmpty else { return refuse("must not be empty") }
        guard text.string.unicodeScalars.count <= scalarLimit else {
            return refuse("must have at most \(scalarLimit) characters")
        }
        return text
    }

    /// The name of a resource.
    package func name() -> Name? {
        guard let text = text(bytes: 4_096, allowEmpty: true) else { return nil }
        do { return try Name(text) } catch { return refuse(error.detail) }
    }

    /// A description that a person wrote: at most 500 scalars.
    package func description() -> Text? {
        text(bytes: 4 * Limits.descriptionScalars, scalars: Limits.descriptionScalars, allowEmpty: true)
    }

    /// A whole number in `range`; `62.0` is one, too, as in JSON Schema.
    package func integer(in range: ClosedRange<Int64>) -> Int64? {
        guard let number = json.int64Value ?? json.doubleValue.flatMap({ Int64(exactly: $0) }),
            range.contains(number)
        else {
            return refuse("must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A moment in RFC 3339.
    package func time() -> UnixTime? {
        guard let string = json.string, string.count <= 64, let time = UnixTime(rfc3339: string.bytes) else {
            return refuse("must be a time in RFC 3339, such as 2027-01-31T12:00:00Z")
        }
        return time
    }

    /// An id of one kind; whether there is such a thing is for the store to say.
    package func identifier<Kind>(_ kind: Kind.Type = Kind.self) -> Identifier<Kind>? {
        guard let string = json.string, string.count <= 64, let id = Identifier<Kind>(string.text) else {
            return refuse("must be an id that begins with \(Kind.prefix)_")
        }
        return id
    }

    /// One word of a closed set.
    package func word<Word: RawRepresentable & CaseIterable>(_ type: Word.Type) -> Word?
    where Word.RawValue == String {
        if let string = json.string, string.count <= 64, let word = Word(rawValue: string.text) {
            return word
        }
        return refuse("must be one of " + Word.allCases.map(\.rawValue).joined(separator: ", "))
    }

    /// One word of a closed set, made by `make`.
    package func word<Value>(of words: [String], _ make: (String) -> Value?) -> Value? {
        if let string = json.string, string.count <= 64, let value = make(string.text) { return value }
        return refuse("must be one of " + words.joined(separator: ", "))
    }

    /// Each element of an array of `count` elements, read by `read`. nil when one was bad.
    package func array<Value>(count: ClosedRange<Int>, _ read: (Field) -> Value?) -> [Value]? {
        guard json.isArray else { return refuse("must be an array") }
        guard count.contains(json.elementCount) else {
            return refuse("must have \(count.lowerBound) to \(count.upperBound) elements")
        }
        var values: [Value] = []
        var isBad = false
        for (index, element) in json.elements.enumerated() {
            let field = Field(json: element, pointer: pointer + "/\(index)", errors: errors)
            if let value = read(field) { values.append(value) } else { isBad = true }
        }
        return isBad ? nil : values
    }

    /// The fields of an object, read by `read`; unknown ones are refused.
    package func object<Value>(_ read: (Fields) -> Value?) -> Value? {
        guard json.isObject else { return refuse("must be an object") }
        let fields = Fields(json, pointer: pointer, errors: errors)
        let value = read(fields)
        fields.refuseUnknown()
        return value
    }

    /// The labels of a configuration resource, unless told otherwise: at most 50, names 1 to 128 bytes, values at most 255.
    package func labels(
        count limit: Int = 50,
        valueBytes: Int = Limits.nameBytes,
        allowEmpty: Bool = true
    ) -> Labels? {
        guard json.isObject else { return refuse("must be an object of strings") }
        guard json.elementCount <= limit else { return refuse("must have at most \(limit) labels") }
        var builder = Labels.Builder()
        var isBad = false
        for (name, value) in json.members {
            let field = Field(json: value, pointer: pointer + "/" + Fields.escaped(name.text), errors: errors)
            guard (1...Labels.Limits.nameBytes).contains(name.count), !name.bytes.contains(0) else {
                errors.add(field.pointer, "a label's name must have 1 to 128 bytes, none of them NUL")
                isBad = true
                continue
            }
            guard let text = field.text(bytes: valueBytes, allowEmpty: allowEmpty) else {
                isBad = true
                continue
            }
            builder.append(Text(trusted: name.bytes), text)
        }
        return isBad ? nil : builder.build()
    }
}
