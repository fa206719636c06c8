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
