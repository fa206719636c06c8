import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage

/// An answer of the management API that says what went wrong (RFC 9457).
package struct Problem: Error, Sendable {
    /// Stable words; openapi.yaml lists the same.
    package enum Code: String, CaseIterable, Sendable {
        case invalidRequest = "invalid_request"
        case unauthorized
        case forbidden
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case conflict
        case nameTaken = "name_taken"
        case referenced
        case lastOperatorKey = "last_operator_key"
        case limitReached = "limit_reached"
        case revoked
        case bodyPurged = "body_purged"
        case stillRunning = "still_running"
        case preconditionFailed = "precondition_failed"
        case preconditionRequired = "precondition_required"
        case tooLarge = "too_large"
        case unsupportedMediaType = "unsupported_media_type"
        case validationFailed = "validation_failed"
        case keyReused = "idempotency_key_reused"
        case rateLimited = "rate_limited"
        case `internal`
        case unavailable

        /// The status that goes with it.
        package var status: HTTPResponse.Status {
            switch self {
            case .invalidRequest: .badRequest
            case .unauthorized: .unauthorized
            case .forbidden: .forbidden
            case .notFound: .notFound
            case .methodNotAllowed: .methodNotAllowed
            case .conflict, .nameTaken, .referenced, .lastOperatorKey, .limitReached, .revoked, .bodyPurged,
                .stillRunning:
                .conflict
            case .preconditionFailed: .preconditionFailed
            case .preconditionRequired: .preconditionRequired
            case .tooLarge: .contentTooLarge
            case .unsupportedMediaType: .unsupportedMediaType
            case .validationFailed, .keyReused: .unprocessableContent
            case .rateLimited: .tooManyRequests
            case .internal: .internalServerError
            case .unavailable: .serviceUnavailable
            }
        }
    }

    /// A limit that was reached.
    package struct Exceeded: Sendable {
        /// What is limited, in the words of openapi.yaml.
        package let bucket: String
        /// How much of it there may be.
        package let limit: Int
        /// Seconds until all of it is there again; nil: time does not help.
        package let resetSeconds: Int?

        package init(bucket: String, limit: Int, resetSeconds: Int? = nil) {
            self.bucket = bucket
            self.limit = limit
            self.resetSeconds = resetSeconds
        }
    }

    package let code: Code
    /// For the person who called: what was wrong and what to do. Never the cause inside the server.
    package let detail: String
    package var errors: [FieldError] = []
    /// How many more errors there are.
    package var omittedErrors = 0
    package var references: [StoreError.Reference] = []
    package var exceeded: Exceeded?
    package var headers: HTTPFields = [:]

    package init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// The same for what never was and for what is another account's.
    package static let notFound = Problem(.notFound, "There is no such resource.")
    package static let unauthorized: Problem = {
        var problem = Problem(.unauthorized, "Send a valid API key as \"Authorization: Bearer KEY\".")
        problem.headers[.wwwAuthenticate] = "Bearer"
        return problem
    }()

    /// One for several bad fields.
    package init(_ errors: ValidationErrors) {
        self.init(.validationFailed, "Some fields are not valid; nothing was changed. See errors.")
        self.errors = errors.items
        omittedErrors = errors.omitted
    }

    /// What the store's refusal means for the caller.
    package init(_ error: StoreError) {
        switch error {
        case .notFound: self = .notFound
        case .invalid(let errors): self.init(errors)
        case .nameTaken: self.init(.nameTaken, "Another resource has this name; letter case does not count.")
        case .preconditionFailed:
            self.init(.preconditionFailed, "The resource was changed since: read it again and decide anew.")
        case .referenced(let references):
            self.init(.referenced, "Other resources still name it; see references.")
            self.references = references
        case .lastOperatorKey:
            self.init(.lastOperatorKey, "It is the last operator key: make another one first.")
        case .limitReached(let kind, let limit):
            self.init(.limitReached, "The account may have no more than \(limit): limits.\(kind.name).")
            exceeded = Exceeded(bucket: "\(kind.name)", limit: limit)
        case .storageFull(let limit):
            self.init(
                .limitReached,
                "The account stores more than \(limit) bytes: stored_bytes_limit. Delete something, wait until old things go, or let the operator raise the limit."
            )
            exceeded = Exceeded(bucket: "stored_bytes", limit: Int(clamping: limit))
        case .costLimitReached(let kind, let limit, let count, let pointers):
            self.init(
                .limitReached,
                "The conditions of the account's routes and notifiers would have \(count), and may have \(limit): limits.\(kind.name)."
            )
            exceeded = Exceeded(bucket: "\(kind.name)", limit: limit)
            errors = pointers.map { FieldError($0, "goes beyond limits.\(kind.name)") }
        case .revoked: self.init(.revoked, "The push URL is revoked: issue a new one.")
        case .bodyPurged: self.init(.bodyPurged, "The raw body is no longer kept, so it can't be replayed.")
        case .keyReused:
            self.init(
                .keyReused,
                "This Idempotency-Key was used for a call with another body or query: take a new one."
            )
        case .stillRunning:
            self.init(.stillRunning, "The same call is under way: ask again in a moment.")
            headers[.retryAfter] = "1"
        case .beyondCaller(let detail): self.init(.forbidden, detail)
        case .conflict(let detail): self.init(.conflict, detail)
        }
    }

    /// A row that the call needs holds what can't be read.
    static let unreadable = Problem(
        .internal,
        "Something of this account that is stored can't be read: delete or replace it. The log says what, under this request id."
    )

    /// The media type of the answer.
    package static let mediaType = "application/problem+json"

    /// The answer itself.
    package func response(requestID: String) -> Response {
        var headers = headers
        headers[.contentType] = Self.mediaType
        headers[.cacheControl] = "no-store"
        return Response(
            status: code.status,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body(requestID: requestID)))
        )
    }

    /// The document of the answer.
    package func body(requestID: String) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.object { object in
                object.field("type", "about:blank")
                object.field("title", code.status.reasonPhrase)
                object.field("status", code.status.code)
                object.field("code", code.rawValue)
                object.field("detail", detail)
                object.field("request_id", requestID)
                if !errors.isEmpty { write(errors, to: &object) }
                if omittedErrors > 0 { object.field("errors_omitted", omittedErrors) }
                if !references.isEmpty { write(references, to: &object) }
                if let exceeded {
                    object.field("bucket", exceeded.bucket)
                    object.field("limit", exceeded.limit)
                    if let seconds = exceeded.resetSeconds { object.field("reset_seconds", seconds) }
                }
            }
        }
    }

    private func write(_ errors: [FieldError], to object: inout JSONWriter) {
        object.array("errors") { list in
            for error in errors {
                list.object {
                    $0.field("pointer", error.pointer)
                    $0.field("detail", error.detail)
                }
            }
        }
    }

    private func write(_ references: [StoreError.Reference], to object: inout JSONWriter) {
        object.array("references") { list in
            for reference in references {
                list.object {
                    $0.field("type", reference.type)
                    $0.field("id", reference.id)
                    $0.field("name", reference.name)
                }
            }
        }
    }
}
