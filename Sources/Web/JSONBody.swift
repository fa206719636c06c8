import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage

/// Reads the JSON body of a management call.
package enum JSONBody {
    /// Bytes of the largest body of any call: a document with 10,000 routes.
    package static let limit = 16 << 20
    private static let parsers = JSONParserPool()

    /// Decodes the body with `read`, which gets its fields. All bad fields are thrown at once, unknown ones among them. Runs in the turn of
    /// the account, which is the one of the path.
    package static func decode<Value: Sendable>(
        _ request: Request,
        _ context: AccountContext,
        _ store: Store,
        _ read: @escaping @Sendable (Fields) -> Value?
    ) async throws -> Value {
        try checkType(request.headers)
        return try await decode(context.body, store, context.account.number, read)
    }

    /// The same for bytes at hand.
    package static func decode<Value: Sendable>(
        _ bytes: [UInt8],
        _ store: Store,
        _ account: AccountNumber,
        _ read: @escaping @Sendable (Fields) -> Value?
    ) async throws -> Value {
        try await store.work.run(.calls, of: account, bytes: bytes.count) { try decode(bytes, read) }
    }

    /// The same on the thread of the caller, for what was bounded before.
    package static func decode<Value>(_ bytes: [UInt8], _ read: (Fields) -> Value?) throws -> Value {
        let errors = FieldErrors()
        let result = parsers.parse(withoutMark(bytes), maximumDepth: Limits.jsonDepth) { root -> Value? in
            guard root.isObject else {
                errors.add("", "must be a JSON object")
                return nil
            }
            let fields = Fields(root, pointer: "", errors: errors)
            let value = read(fields)
            fields.refuseUnknown()
            return value
        }
        switch result {
        case .failure(let error):
            throw Problem(.invalidRequest, "The body is not valid JSON: \(error.message).")
        case .success(let value):
            guard errors.isEmpty, let value else { throw errors.thrown }
            return value
        }
    }

    /// Without the byte-order marks that some editors put before a text.
    package static func withoutMark(_ bytes: [UInt8]) -> [UInt8] {
        let rest = UTF8Scan.withoutMarks(bytes)
        return rest.count == bytes.count ? bytes : Array(rest)
    }

    /// The body of a call without a key, whatever it is. Throws 413 for one that is too large.
    package static func collect(_ request: Request, upTo limit: Int) async throws -> [UInt8] {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            throw Problem(bodyOver: limit)
        }
        let buffer = try await request.body.collect(upTo: limit)
        return Array(buffer.readableBytesView)
    }

    /// Throws 415 unless the body is said to be JSON, as it is.
    package static func checkType(_ headers: HTTPFields) throws {
        let type = headers[.contentType].map { Text($0).folded.bytes } ?? []
        guard type.prefix(while: { $0 != UInt8(ascii: ";") }).elementsEqual("application/json".utf8) else {
            throw Problem(.unsupportedMediaType, "Send the body as \"Content-Type: application/json\".")
        }
        guard ContentCoding.read([headers[.contentEncoding] ?? ""]).isEmpty else {
            throw Problem(.unsupportedMediaType, "Send the body without Content-Encoding.")
        }
    }
}

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

    /// A field whose schema has null, which says the same as its absence: then `fallback`. nil: an error was noted.
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
