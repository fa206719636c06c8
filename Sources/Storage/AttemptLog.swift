import Domain
import Native

/// The attempts of a notification as its row keeps them: a JSON object a line, oldest first, the last 20.
///
///     {"at":"2026-11-20T07:18:15.578Z","failure":"http_status","detail":"..","status_code":500,"latency_ms":12,"response":"..","template_problem":null}
package enum AttemptLog {
    private static let maximumCount = 20
    private static let lineEnd: UInt8 = 0x0A

    /// The log with one more attempt.
    static func appending(_ result: SendResult, at now: UnixTime, to log: Text?) -> Text {
        let all = (log.map { Self.lines(of: $0) } ?? []) + [encode(result, at: now)[...]]
        return Text(trusted: Array(all.suffix(maximumCount).joined(separator: [lineEnd])))
    }

    /// The attempts as a JSON array.
    package static func array(_ log: Text?) -> [UInt8] {
        [0x5B] + Array((log.map { Self.lines(of: $0) } ?? []).joined(separator: [0x2C])) + [0x5D]
    }

    /// The same without what the receivers answered, for those who may only look.
    package static func arrayWithoutResponses(_ log: Text?) -> [UInt8] {
        let attempts = (log.map { lines(of: $0) } ?? []).map { line in
            PackedJSON.read(Array(line)) { root in
                JSONWriter.encode { writer in
                    writer.object { object in
                        object.field("at", utf8: root.text("at")?.bytes)
                        object.field("failure", utf8: root.text("failure")?.bytes)
                        object.field("detail", utf8: root.text("detail")?.bytes)
                        object.field("status_code", root.member("status_code")?.int64Value.map { Int($0) })
                        object.field("latency_ms", Int(root.member("latency_ms")?.int64Value ?? 0))
                        object.field("response", String?.none)
                        object.field(
                            "template_problem",
                            utf8: root.text("template_problem")?.bytes
                        )
                    }
                }
            } ?? Array(line)
        }
        return [0x5B] + Array(attempts.joined(separator: [0x2C])) + [0x5D]
    }

    /// What the last attempt came to; nil when there was none.
    package static func last(_ log: Text?) -> (failure: Text?, statusCode: Int?, latency: Int)? {
        guard let log, let line = lines(of: log).last else { return nil }
        return PackedJSON.read(Array(line)) { root in
            (
                root.text("failure"),
                root.member("status_code")?.int64Value.map { Int($0) },
                Int(root.member("latency_ms")?.int64Value ?? 0)
            )
        }
    }

    private static func lines(of log: Text) -> [ArraySlice<UInt8>] { log.bytes.split(separator: lineEnd) }

    private static func encode(_ result: SendResult, at now: UnixTime) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.object { object in
                object.field("at", now.description)
                object.field("failure", result.failure?.rawValue)
                object.field("detail", result.detail)
                object.field("status_code", result.statusCode)
                object.field("latency_ms", result.milliseconds)
                object.field("response", result.response)
                object.field("template_problem", result.templateProblem)
            }
        }
    }
}

extension SendResult {
    /// The latency in whole milliseconds.
    package var milliseconds: Int {
        let (seconds, attoseconds) = latency.components
        return Int(seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    }
}
