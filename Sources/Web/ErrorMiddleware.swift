import Domain
import HTTPTypes
import Hummingbird
import Logging
import SQL
import Storage

/// The one place where errors of the management API become answers, and where every answer gets its request id and a log line.
package struct ErrorMiddleware: RouterMiddleware {
    package typealias Context = AppContext

    package init() {}

    package func handle(
        _ request: Request,
        context: AppContext,
        next: (Request, AppContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        if let given = RequestID.header.flatMap({ RequestID.accepted(request.headers[$0]) }) {
            context.requestID = given
        }
        context.logger[metadataKey: "request_id"] = "\(context.requestID)"
        let start = ContinuousClock.now
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = Self.response(to: error, context)
        }
        if let header = RequestID.header { response.headers[header] = context.requestID }
        let elapsed = start.duration(to: .now)
        let isChange = ![.get, .head].contains(request.method) && response.status.code < 300
        context.logger.log(
            level: isChange ? .info : .debug,
            "request answered",
            metadata: [
                "method": "\(request.method)", "route": "\(context.endpointPath ?? "none")",
                "status": "\(response.status.code)",
                "milliseconds":
                    "\(elapsed.components.seconds * 1_000 + elapsed.components.attoseconds / 1_000_000_000_000_000)",
            ]
        )
        return response
    }

    /// The answer that says what `error` means.
    package static func response(to error: any Error, _ context: AppContext) -> Response {
        problem(for: error, context.logger).response(requestID: context.requestID)
    }

    private static func problem(for error: any Error, _ logger: Logger) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let errors as ValidationErrors: return Problem(errors)
        case let error as StoreError: return Problem(error)
        case is WorkPool.Full: return .tooManyCalls(limit: CallTurns.Bounds().running)
        case let error as SQLError where error.isDisk:
            logger.error(
                "the store could not be used",
                metadata: ["code": "\(error.code)", "cause": "\(error.message)"]
            )
            return .unavailable
        case let error as SQLError where error.kind == .unreadable:
            logger.error("a stored row can't be read", metadata: ["cause": "\(error.message)"])
            return .unreadable
        case let error as any HTTPResponseError: return Problem(status: error.status)
        default:
            logger.error("a request failed", metadata: ["cause": "\(error)"])
            return Problem(.internal, "Something went wrong here; the log has it under this request id.")
        }
    }
}

extension Problem {
    /// The store can't be used at present.
    package static let unavailable: Problem = {
        var problem = Problem(.unavailable, "The store can't be used at present: try again.")
        problem.headers[.retryAfter] = "2"
        return problem
    }()

    /// From a status that the HTTP library chose.
    fileprivate init(status: HTTPResponse.Status) {
        switch status {
        case .notFound: self = .notFound
        case .contentTooLarge: self.init(.tooLarge, "The body is larger than this operation takes.")
        case .unsupportedMediaType: self.init(.unsupportedMediaType, "Send application/json.")
        default: self.init(.invalidRequest, "The request can't be understood.")
        }
    }
}
