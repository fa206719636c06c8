import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// A push that is on disk.
package struct AcceptedPush: Sendable {
    package let deliveryID: DeliveryID
    package let isTest: Bool
    package let eventCount: Int
    /// Of the first 100 events.
    package let alertKeys: [Text]
}

/// The answers to pushes, in the envelope that senders set up for Flashduty know.
enum PushAnswer {
    /// 200.
    static func accepted(_ push: AcceptedPush, requestID: String) -> Response {
        let body = JSONWriter.encode(capacity: 256) { writer in
            writer.object { object in
                object.field("request_id", requestID)
                object.object("data") { data in
                    data.field("delivery_id", push.deliveryID.description)
                    data.field("test", push.isTest)
                    data.field("event_count", push.eventCount)
                    data.array("alert_keys") { keys in
                        for key in push.alertKeys { keys.value(utf8: key.bytes) }
                    }
                }
            }
        }
        return response(.ok, body, requestID: requestID)
    }

    /// Anything else. `allow` lists the methods of a path that was called with another.
    static func refused(_ refusal: PushRefusal, allow: String?, requestID: String) -> Response {
        let body = JSONWriter.encode(capacity: 256) { writer in
            writer.object { object in
                object.field("request_id", requestID)
                object.object("error") { error in
                    error.field("code", refusal.code.rawValue)
                    error.field("message", refusal.message)
                    if let id = refusal.deliveryID { error.field("delivery_id", id.description) }
                }
            }
        }
        var response = response(refusal.code.status, body, requestID: requestID)
        if let allow { response.headers[.allow] = allow }
        if refusal.code == .serviceUnavailable { response.headers[.retryAfter] = "2" }
        return response
    }

    private static func response(
        _ status: HTTPResponse.Status,
        _ body: [UInt8],
        requestID: String
    ) -> Response {
        var headers: HTTPFields = [.contentType: "application/json"]
        if let name = RequestID.header { headers[name] = requestID }
        return Response(
            status: status,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: body))
        )
    }
}
