import Domain
import Logging
import Native
import Storage

/// Logs as one JSON object a line: `{"at","level","message", and the metadata}`.
///
/// Second line of defence: what looks like a token or a key of ours is replaced by `***` wherever it stands.
package struct JSONLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let label: String
    private let sink: LogSink

    package init(label: String, level: Logger.Level, sink: LogSink = .standardError) {
        self.label = label
        logLevel = level
        self.sink = sink
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var fields = metadata
        if let more = event.metadata { fields.merge(more) { $1 } }
        fields["hb.request.id"] = nil
        let line = JSONWriter.encode { writer in
            writer.object { object in
                object.field("at", SystemClock.wall.now().description)
                object.field("level", event.level.rawValue)
                object.field("logger", label)
                object.field("message", Self.redacted(event.message.description))
                for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
                    object.field(text: name, Self.redacted(value.description))
                }
            }
        }
        sink.write(line + [0x0A])
    }

    /// Without tokens and keys: `tpu_`, `tak_` or `tok_` and 20 or more letters and digits.
    static func redacted(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "_")), let pattern = secretPattern,
            pattern.matches(text)
        else { return text }
        return text.split(separator: "t", omittingEmptySubsequences: false).enumerated().map { index, part in
            guard index > 0, ["pu_", "ak_", "ok_"].contains(where: part.hasPrefix) else {
                return String(part)
            }
            let rest = part.dropFirst(3).drop { $0.isASCII && ($0.isLetter || $0.isNumber) }
            return part.prefix(3) + "***" + rest
        }.joined(separator: "t")
    }

    private static let secretPattern = try? Pattern("t(pu|ak|ok)_[0-9A-Za-z]{20,}")
}

/// Where log lines go: whole lines, one after the other.
package final class LogSink: Sendable {
    /// The standard error of the process.
    package static let standardError = LogSink { writeStandardError($0) }

    private let lock = Lock(())
    private let output: @Sendable ([UInt8]) -> Void

    package init(_ output: @escaping @Sendable ([UInt8]) -> Void) {
        self.output = output
    }

    func write(_ line: [UInt8]) {
        lock.withLock { _ in output(line) }
    }
}
