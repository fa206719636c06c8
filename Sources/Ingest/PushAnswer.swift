import Domain
import Native
import Storage

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
    /// The body of a 200.
    static func accepted(_ push: AcceptedPush, requestID: String) -> [UInt8] {
        JSONWriter.encode(capacity: 256) { writer in
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
    }

    /// The body of anything else.
    static func refused(_ refusal: PushRefusal, requestID: String) -> [UInt8] {
        JSONWriter.encode(capacity: 256) { writer in
            writer.object { object in
                object.field("request_id", requestID)
                object.object("error") { error in
                    error.field("code", refusal.code.rawValue)
                    error.field("message", refusal.message)
                    if let id = refusal.deliveryID { error.field("delivery_id", id.description) }
                }
            }
        }
    }
}
