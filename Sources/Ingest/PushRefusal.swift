import Domain
import NIOHTTP1
import Storage

/// What became of a push, as a metric counts it. No tenant is told apart.
package enum PushResult: String, CaseIterable, Sendable {
    case accepted
    case test
    case quarantined
    case sourceAddress = "source_address"
    case pinnedLabel = "pinned_label"
    case malformedToken = "malformed_token"
    case forgedToken = "forged_token"
    case conflictingTokens = "conflicting_tokens"
    case unknownToken = "unknown_token"
    case revoked
    case expired
    case integrationDisabled = "integration_disabled"
    case accountSuspended = "account_suspended"
    case wrongType = "wrong_type"
    case tooLarge = "too_large"
    case overloaded
    case storedBytesLimit = "stored_bytes_limit"
    case storeUnavailable = "store_unavailable"
    case badRequest = "bad_request"
    case failed
}

/// Why a push was refused: one answer each. Source of the codes: openapi.yaml, schema `PushError`.
package struct PushRefusal: Error, Sendable {
    /// The words of the answer.
    package enum Code: String, CaseIterable, Sendable {
        case invalidParameter = "InvalidParameter"
        case unauthorized = "Unauthorized"
        case methodNotAllowed = "MethodNotAllowed"
        case entityTooLarge = "EntityTooLarge"
        case invalidContentType = "InvalidContentType"
        case internalError = "InternalError"
        case serviceUnavailable = "ServiceUnavailable"

        var status: HTTPResponseStatus {
            switch self {
            case .invalidParameter: .badRequest
            case .unauthorized: .unauthorized
            case .methodNotAllowed: .methodNotAllowed
            case .entityTooLarge: .payloadTooLarge
            case .invalidContentType: .unsupportedMediaType
            case .internalError: .internalServerError
            case .serviceUnavailable: .serviceUnavailable
            }
        }
    }

    package let code: Code
    package let message: String
    /// The quarantined delivery, where the body was kept.
    package var deliveryID: DeliveryID?
    package var result: PushResult

    package init(
        _ code: Code,
        _ message: String,
        _ result: PushResult = .failed,
        deliveryID: DeliveryID? = nil
    ) {
        self.code = code
        self.message = message
        self.result = result
        self.deliveryID = deliveryID
    }

    /// The one answer to every failure of a token; only the metric and the account learn which it was.
    static func unauthorized(_ result: PushResult) -> PushRefusal {
        PushRefusal(.unauthorized, "The push URL is not valid: take it from the integration.", result)
    }

    /// Of a push that is kept but not applied.
    ///
    /// - Rule: a wrong address gets the one answer of a token that is not valid. Why: who found a push URL must not learn that it works.
    ///   Otherwise: the addresses would be the only thing that is left to find out.
    /// - A body that is not as it should be says so to whoever may send one from there: never which label is pinned, or to what.
    init(_ quarantine: Quarantine, _ id: DeliveryID) {
        switch quarantine {
        case .undecodable(let error):
            let code: Code =
                switch error {
                case .tooManyAlerts: .entityTooLarge
                case .contentEncoding: .invalidContentType
                case .notJSON, .noAlerts, .crashedBefore: .invalidParameter
                }
            self.init(code, error.detail, .quarantined, deliveryID: id)
        case .sourceAddress:
            self = .unauthorized(.sourceAddress)
        case .pinnedLabel:
            let message =
                "The integration does not take alerts with these labels: they were kept, and nothing was raised."
            self.init(.invalidParameter, message, .pinnedLabel, deliveryID: id)
        }
    }

    /// From the writer.
    init(_ failure: PushFailure) {
        switch failure {
        case .queueFull, .timedOut, .stopping, .outdated:
            self.init(.serviceUnavailable, "Too much to do at present: try again.", .overloaded)
        case .storeUnavailable:
            self.init(
                .serviceUnavailable,
                "The store can't be written at present: try again.",
                .storeUnavailable
            )
        case .storedBytesLimit:
            self.init(
                .serviceUnavailable,
                "The account keeps as many bytes as it may: ask its operator.",
                .storedBytesLimit
            )
        case .accountUnavailable:
            self = .unauthorized(.accountSuspended)
        case .noLongerAdmitted:
            self = .unauthorized(.unknownToken)
        case .unacceptable:
            self.init(.internalError, "Something went wrong here with this push.", .failed)
        }
    }
}
