import Native

/// Gathers the bad fields of one request.
package final class FieldErrors {
    private var errors = ValidationErrors()
    /// For the regular expressions of the body.
    package let compileBudget = CompileBudget()

    package init() {}

    package var isEmpty: Bool { errors.isEmpty }
    /// All of them, to be thrown.
    package var thrown: ValidationErrors { errors }

    /// Notes one. Its texts are made only where they are kept.
    package func add(_ pointer: @autoclosure () -> String, _ detail: @autoclosure () -> String) {
        errors.add(pointer(), detail())
    }

    /// Notes all of `other`.
    package func add(_ other: ValidationErrors) {
        errors.add(other)
    }
}

/// The fields of one JSON object. Each is asked for by name; what was not asked for is refused.
package final class Fields {
    private let object: JSONValue
    private let pointer: String
    package let errors: FieldErrors
    private var known: [StaticString] = []

    package init(_ object: JSONValue, pointer: String, errors: FieldErrors) {
        self.object = object
        self.pointer = pointer
        self.errors = errors
    }

    /// A field that must be there and not null. nil: an error was noted.
    package func required<Value>(_ name: StaticString, _ read: (Field) -> Value?) -> Value? {
        guard let field = field(name), !field.json.isNull else {
            errors.add(pointer + "/\(name)", "is required")
            return nil
        }
        return read(field)
    }

    /// A field that may be absent: then `fallback`. null is an error. nil: an error was noted.
    package func optional<Value>(
        _ name: StaticString,
        or fallback: Value,
        _ read: (Field) -> Value?
    ) -> Value? {
        has(name) ? optional(name, read) : fallback
    }

    /// A field that may be absent, without a fallback. An error is noted when it is bad, and null is.
    package func optional<Value>(_ name: StaticString, _ read: (Field) -> Value?) -> Value? {
        self.read(name, whenNull: "can't be null: leave it out", read)
    }

    /// A field whose schema has null, which says the same as its absence.
    package func nullable<Value>(_ name: StaticString, _ read: (Field) -> Value?) -> Value? {
        guard let field = field(name), !field.json.isNull else { return nil }
        return read(field)
    }

    /// A field whose schema has null, which says the same as its absence: then `fallback`. nil: an error was
    /// noted.
    package func nullable<Value>(
        _ name: StaticString,
        or fallback: Value,
        _ read: (Field) -> Value?
    ) -> Value? {
        guard let field = field(name), !field.json.isNull else { return fallback }
        return read(field)
    }

    /// A field of a PATCH that can't be cleared: absent keeps; null is an error.
    package func changed<Value>(_ name: StaticString, _ read: (Field) -> Value?) -> Value? {
        self.read(name, whenNull: "can't be null: leave it out to keep it", read)
    }

    private func read<Value>(
        _ name: StaticString,
        whenNull problem: String,
        _ read: (Field) -> Value?
    ) -> Value? {
        guard let field = field(name) else { return nil }
        guard !field.json.isNull else {
            errors.add(pointer + "/\(name)", problem)
            return nil
        }
        return read(field)
    }

    /// A field of a PATCH that can be cleared: absent keeps, null clears.
    package func clearable<Value: Sendable>(_ name: StaticString, _ read: (Field) -> Value?) -> Change<Value>
    {
        guard let field = field(name) else { return .keep }
        guard !field.json.isNull else { return .clear }
        return read(field).map { .set($0) } ?? .keep
    }

    /// Whether the field is there at all.
    package func has(_ name: StaticString) -> Bool {
        object.member(name) != nil
    }

    /// Notes an error of this field.
    package func refuse(_ name: StaticString, _ detail: String) {
        errors.add(pointer + "/\(name)", detail)
    }

    /// Notes an error for each field that was not asked for.
    package func refuseUnknown() {
        for (name, _) in object.members where !known.contains(where: { name.equals($0) }) {
            errors.add(pointer + "/" + Fields.escaped(name.text), "is not a field of this operation")
        }
    }

    private func field(_ name: StaticString) -> Field? {
        known.append(name)
        return object.member(name).map { Field(json: $0, pointer: pointer + "/\(name)", errors: errors) }
    }

    /// A member name as a part of a JSON pointer, cut to 64 characters.
    package static func escaped(_ name: String) -> String {
        var text = ""
        for scalar in name.unicodeScalars.prefix(64) {
            switch scalar {
            case "~": text += "~0"
            case "/": text += "~1"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
