/// One bad field of a request.
package struct FieldError: Error, Hashable, Sendable {
    /// Where: a JSON pointer into the body (`/conditions/0/1/values/2`), or `#/query/NAME` for a query parameter.
    package let pointer: String
    /// What is wrong and what to do, for the person who sent it.
    package let detail: String

    package init(_ pointer: String, _ detail: String) {
        self.pointer = pointer
        self.detail = detail
    }
}

/// The bad fields of a request, in the order in which they were found. Never empty when thrown.
///
/// - Rule: only the first `Limits.errors` are kept, and no text is made for the others. Why: a body of 16 MiB can hold a million bad fields.
///   Otherwise: refusing it would cost more than taking it.
package struct ValidationErrors: Error, Sendable, Equatable {
    /// At most `Limits.errors`.
    package private(set) var items: [FieldError]
    /// How many more there are.
    package private(set) var omitted: Int

    package init(_ items: [FieldError] = [], omitted: Int = 0) {
        self.items = Array(items.prefix(Limits.errors))
        self.omitted = omitted + items.count - self.items.count
    }

    package var isEmpty: Bool { items.isEmpty }
    /// How many there are, those without a text included.
    package var count: Int { items.count + omitted }

    /// Adds one more. Its texts are made only while there is room for them.
    package mutating func add(_ pointer: @autoclosure () -> String, _ detail: @autoclosure () -> String) {
        guard items.count < Limits.errors else {
            omitted += 1
            return
        }
        items.append(FieldError(pointer(), detail()))
    }

    /// Adds all of `other`.
    package mutating func add(_ other: ValidationErrors) {
        for error in other.items { add(error.pointer, error.detail) }
        omitted += other.omitted
    }
}

/// What a PATCH says of one field: `.keep` when it is absent, `.clear` when it is null.
package enum Change<Value: Sendable>: Sendable {
    case keep
    case clear
    case set(Value)

    /// The field after the change.
    package func applied(to current: Value?) -> Value? {
        switch self {
        case .keep: current
        case .clear: nil
        case .set(let value): value
        }
    }
}

extension Change where Value: Equatable {
    /// Whether it leaves every value as it is.
    package var isKeep: Bool {
        if case .keep = self { true } else { false }
    }
}

/// Limits that several resources share. Source: openapi.yaml.
package enum Limits {
    /// Scalars of a name.
    package static let nameScalars = 64
    /// Bytes of a name, an external id and the like.
    package static let nameBytes = 255
    /// Scalars of a description that a person writes.
    package static let descriptionScalars = 500
    /// Bytes of an alert's title.
    package static let titleBytes = 512
    /// Bytes of an alert's description.
    package static let alertDescriptionBytes = 2_048
    /// Bytes of an alert key; a longer one is replaced by its hash.
    package static let alertKeyBytes = 255
    /// Bytes of an alert's link; a longer one is left out.
    package static let linkBytes = 2_048
    /// Routes of one integration.
    package static let routes = 10_000
    /// Alerts in one push.
    package static let alertsPerPush = 10_000
    /// Bytes of a push body.
    package static let pushBytes = 4 << 20
    /// Bad fields that an answer tells of; the number of the others is said.
    package static let errors = 100
    /// Depth of JSON.
    package static let jsonDepth = 32
    /// Bytes that an account may keep unless the operator says otherwise: 10 GiB.
    package static let storedBytes: Int64 = 10 << 30
}

/// The name of a resource: 1 to 64 scalars, at most 255 bytes, no control characters, no white space at the ends.
package struct Name: Sendable, Equatable {
    package let text: Text

    package init(trusted text: Text) {
        self.text = text
    }

    /// Reads and checks a name; the detail says what is wrong with it.
    package init(_ text: Text) throws(FieldError) {
        let problem = Name.problem(in: text)
        if let problem { throw FieldError("", problem) }
        self.text = text
    }

    /// Names that fold to the same key count as the same name.
    package var foldedKey: Text { text.folded }

    private static func problem(in text: Text) -> String? {
        let scalars = text.string.unicodeScalars
        if text.isBlank { return "must not be blank" }
        if scalars.count > Limits.nameScalars { return "must have at most \(Limits.nameScalars) characters" }
        if text.bytes.count > Limits.nameBytes { return "must have at most \(Limits.nameBytes) bytes" }
        if text.trimmed != text { return "must not begin or end with white space" }
        if scalars.contains(where: {
            $0.properties.generalCategory == .control || $0.properties.isBidiControl
        }) {
            return "must not contain control characters"
        }
        return nil
    }
}
