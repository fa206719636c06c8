import Domain
import Formats
import HTTPTypes
import Hummingbird
import Logging
import Storage
import Web

/// Takes pushes: `POST /p/{token}`, `POST /p` and `POST /event/push/alert/{type}`.
///
/// No middleware runs here and nothing is logged per push: neither the address nor the headers may reach a log, they hold the token.
package struct PushEndpoint: Sendable {
    private let intake: PushIntake
    private let clientAddress: ClientAddress
    private let metrics: PushMetrics

    package init(intake: PushIntake, clientAddress: ClientAddress, metrics: PushMetrics) {
        self.intake = intake
        self.clientAddress = clientAddress
        self.metrics = metrics
    }

    /// Mounts it. To be called before any middleware is added to `router`.
    package func add(to router: Router<AppContext>) {
        router.post("p/{token}", use: push)
        router.post("p", use: pushWithHeader)
        router.post("event/push/alert/{type}", use: pushCompatible)
    }

    /// The answer to a wrong method on one of its paths; nil for other paths.
    package static func wrongMethod(path: String, allow: String, requestID: String) -> Response? {
        guard path == "/p" || path == "/p/{token}" || path == "/event/push/alert/{type}" else { return nil }
        let refusal = PushRefusal(
            .methodNotAllowed,
            "Push with POST: choose POST as the method of the webhook."
        )
        return PushAnswer.refused(refusal, allow: allow, requestID: requestID)
    }

    @Sendable
    func push(_ request: Request, _ context: AppContext) async -> Response {
        await answer(request, context, carried: context.parameters.get("token").map { [$0] } ?? [], type: nil)
    }

    @Sendable
    func pushWithHeader(_ request: Request, _ context: AppContext) async -> Response {
        await answer(request, context, carried: [], type: nil)
    }

    @Sendable
    func pushCompatible(_ request: Request, _ context: AppContext) async -> Response {
        let inQuery = request.uri.queryParameters.filter { $0.key == "integration_key" }.map {
            String($0.value)
        }
        let type = context.parameters.get("type").map { IntegrationType($0) }
        return await answer(request, context, carried: inQuery, type: type)
    }

    private func answer(
        _ request: Request,
        _ context: AppContext,
        carried: [String],
        type: IntegrationType?
    ) async -> Response {
        let arrival = ContinuousClock.now
        let requestID =
            RequestID.header.flatMap { RequestID.accepted(request.headers[$0]) } ?? context.requestID
        do {
            let token = try Self.token(of: request, carried: carried)
            let stored = try await intake.take(
                token,
                type: type,
                request,
                arrival: arrival,
                address: clientAddress.of(request, context.connection),
                connection: context.connection
            )
            metrics.count(stored.isTest ? .test : .accepted)
            return PushAnswer.accepted(stored, requestID: requestID)
        } catch let refusal as PushRefusal {
            metrics.count(refusal.result)
            return PushAnswer.refused(refusal, allow: nil, requestID: requestID)
        } catch {
            context.logger.error(
                "a push failed",
                metadata: ["cause": "\(error)", "request_id": "\(requestID)"]
            )
            metrics.count(.failed)
            return PushAnswer.refused(
                PushRefusal(.internalError, "Something went wrong here: try again."),
                allow: nil,
                requestID: requestID
            )
        }
    }

    /// The token, from wherever it is carried; where it is carried more than once, all must be the same.
    private static func token(of request: Request, carried: [String]) throws(PushRefusal) -> PushToken {
        var texts = carried
        if let header = request.headers[.authorization] {
            texts.append(header.hasPrefix("Bearer ") ? String(header.dropFirst(7)) : header)
        }
        if let name = Self.keyHeader { texts += request.headers[values: name] }
        guard let first = texts.first, texts.allSatisfy({ $0.utf8.elementsEqual(first.utf8) }),
            let token = PushToken(first.utf8)
        else { throw .unauthorized(.malformedToken) }
        return token
    }

    private static let keyHeader = HTTPField.Name("X-Integration-Key")
}
