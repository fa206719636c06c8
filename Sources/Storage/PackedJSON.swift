import Domain
import Native

/// The JSON that the database holds: labels, conditions, severity rows, and (compressed) the contents of events and alerts.
enum PackedJSON {
    /// Bytes and depth of what is read back. Whatever is written is within them: the limits on the fields of bodies see to it, those of
    /// conditions on the bytes as they are stored (`ConditionSource.storedLimit`).
    private static let maximumBytes = 16 << 20
    private static let depth = 16
    static let parsers = JSONParserPool(maximumBytes: maximumBytes)

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

    /// An array of texts.
    static func encode(_ texts: [Text]) -> Text {
        Text(
            trusted: JSONWriter.encode { writer in
                writer.array { list in
                    for text in texts { list.value(utf8: text.bytes) }
                }
            }
        )
    }

    /// The texts of an array.
    static func texts(_ bytes: [UInt8]) -> [Text]? {
        if bytes == [0x5B, 0x5D] { return [] }
        return read(bytes) { root in
            guard root.isArray else { return nil }
            let texts = root.elements.map { $0.string.map { Text(trusted: $0.bytes) } }
            return texts.contains(nil) ? nil : texts.compactMap(\.self)
        }
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
}
