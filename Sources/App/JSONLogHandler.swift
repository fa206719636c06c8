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

    /// Without tokens and keys: `tpu_`, `tak_` or `tok_` and 20 or more letters and digits become the prefix and `***`.
    static func redacted(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let end = secretEnd(in: bytes, from: index)
            if let end {
                result += bytes[index..<index + 4] + Array("***".utf8)
                index = end
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static let prefixes = ["tpu_", "tak_", "tok_"].map { Array($0.utf8) }

    /// Where the secret that begins at `start` ends; nil when none begins there.
    private static func secretEnd(in bytes: [UInt8], from start: Int) -> Int? {
        guard bytes[start] == UInt8(ascii: "t"),
            prefixes.contains(where: { bytes[start...].starts(with: $0) })
        else {
            return nil
        }
        let digits = bytes[(start + 4)...].prefix { Base62.isValid(CollectionOfOne($0)) }
        return digits.count >= 20 ? digits.endIndex : nil
    }
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
