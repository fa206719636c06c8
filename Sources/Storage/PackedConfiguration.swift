import Domain
import Native
import SQL

/// Conditions and severity rows as the database holds them.
///
/// - Conditions: the JSON of the API, `[[{"key":..,"operator":..,"values":[..]}]]`, so that an answer takes
///   it as it is.
/// - Severity rows: `[{"level":..,"severity":"Critical"}]`, in the order in which they were written.
enum PackedConfiguration {
    static func encode(_ conditions: [[ConditionSource]]) -> Text {
        Text(
            trusted: JSONWriter.encode { writer in
                writer.array { groups in
                    for group in conditions {
                        groups.array { list in
                            for condition in group { list.object { write(condition, to: &$0) } }
                        }
                    }
                }
            }
        )
    }

    static func encode(_ entries: [SeverityTable.Entry]) -> Text {
        Text(
            trusted: JSONWriter.encode { writer in
                writer.array { list in
                    for entry in entries {
                        list.object {
                            $0.field("level", utf8: entry.level.bytes)
                            $0.field("severity", entry.meaning.name)
                        }
                    }
                }
            }
        )
    }

    static func conditions(_ bytes: [UInt8]) -> [[ConditionSource]]? {
        if bytes == [0x5B, 0x5D] { return [] }
        return PackedJSON.read(bytes) { root in
            list(root) { group in list(group, condition) }
        }
    }

    static func severityEntries(_ bytes: [UInt8]) -> [SeverityTable.Entry]? {
        PackedJSON.read(bytes) { root in
            list(root) { entry in
                guard let level = entry.text("level"),
                    let meaning = entry.text("severity").flatMap({
                        LevelMeaning(name: $0.string)
                    })
                else { return nil }
                return SeverityTable.Entry(level: level, meaning: meaning)
            }
        }
    }

    private static func write(_ condition: ConditionSource, to object: inout JSONWriter) {
        object.field("key", utf8: condition.key.bytes)
        object.field("operator", utf8: condition.operator.bytes)
        object.array("values") { list in
            for value in condition.values { list.value(utf8: value.bytes) }
        }
    }

    private static func condition(_ value: JSONValue) -> ConditionSource? {
        guard let key = value.text("key"), let word = value.text("operator"),
            let values = value.member("values").flatMap({
                list($0) { $0.string.map { Text(trusted: $0.bytes) } }
            })
        else { return nil }
        return ConditionSource(key: key, operator: word, values: values)
    }

    /// Every element read by `read`; nil when this is no array or one element is not what it should be.
    private static func list<Element>(_ value: JSONValue, _ read: (JSONValue) -> Element?) -> [Element]? {
        guard value.isArray else { return nil }
        var elements: [Element] = []
        elements.reserveCapacity(value.elementCount)
        for element in value.elements {
            guard let element = read(element) else { return nil }
            elements.append(element)
        }
        return elements
    }
}

extension PackedConfiguration {
    /// What stands in lists for conditions that can't be read: nothing has this key, so nothing satisfies it.
    static let unreadable = [
        [
            ConditionSource(
                key: "alert_key",
                operator: "in",
                values: ["literal:the conditions can't be read from the database: write new ones"]
            )
        ]
    ]
}

extension PackedConfiguration {
    /// Those of a route or notifier, for a decision. Throws when they can't be read; where `isLenient`, they are `unreadable` then.
    static func conditions(
        of owner: @autoclosure () -> String,
        _ bytes: [UInt8],
        isLenient: Bool
    ) throws(SQLError) -> [[ConditionSource]] {
        if let conditions = conditions(bytes) { return conditions }
        guard isLenient else { throw .damaged("conditions of \(owner())") }
        return unreadable
    }
}

extension SQLRow {
    /// As they are shown to their owner, who may replace what can't be read. Never for a decision.
    func shownConditions(_ column: Int) -> [[ConditionSource]] {
        PackedConfiguration.conditions(bytes(column)) ?? PackedConfiguration.unreadable
    }

    func severityEntries(_ column: Int) throws(SQLError) -> [SeverityTable.Entry] {
        guard let entries = PackedConfiguration.severityEntries(bytes(column)) else {
            throw .damaged("severity rows")
        }
        return entries
    }
}

extension SQLError {
    /// The database holds what this program could not have written.
    static func damaged(_ what: String) -> SQLError {
        SQLError(
            .unreadable,
            code: 0,
            message: "the database holds \(what) that this program could not have written"
        )
    }
}

extension ConditionSource {
    /// Bytes that the conditions of one route or notifier may take as they are stored, where some letters take six.
    package static let storedLimit = 64 << 10

    /// Bytes of OR groups as they are stored.
    package static func storedBytes(of conditions: [[ConditionSource]]) -> Int {
        PackedConfiguration.encode(conditions).bytes.count
    }
}
