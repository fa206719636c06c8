import Domain
import Native

/// The JSON that the database holds: labels, conditions, severity rows, and (compressed) the contents of events and alerts.
enum PackedJSON {
    /// One parser for all of it; depth is ours.
    static let parsers = JSONParserPool()
    private static let depth = 16

    /// Parses and hands the root to `read`; nil when it is not JSON or `read` answers nil.
    static func read<Value>(_ bytes: [UInt8], _ read: (JSONValue) -> Value?) -> Value? {
        (try? parsers.parse(bytes, maximumDepth: depth, read).get()) ?? nil
    }

    /// An object of texts.
    static func encode(_ labels: Labels) -> Text {
        Text(
            trusted: JSONWriter.encode { writer in
                writer.object { object in labels.visit { object.field(utf8: $0, utf8: $1) } }
            }
        )
    }

    /// Reads what `encode` wrote.
    static func labels(_ bytes: [UInt8]) -> Labels? {
        read(bytes) { labels($0) }
    }

    /// The texts of an object.
    static func labels(_ value: JSONValue) -> Labels? {
        guard value.isObject else { return nil }
        var builder = Labels.Builder()
        for (name, value) in value.members {
            guard let text = value.string else { return nil }
            builder.append(name: { name.append(to: &$0) }, value: { text.append(to: &$0) })
        }
        return builder.build()
    }

    /// The text under `name`.
    static func text(_ value: JSONValue, _ name: StaticString) -> Text? {
        value.member(name)?.string.map { Text(trusted: $0.bytes) }
    }
}
