import Domain
import Native

/// What the formats share: one JSON parser for everything that comes from outside, and readers that take what senders really send.
enum PushJSON {
    private static let parsers = JSONParserPool(maximumBytes: 3 * Limits.pushBytes)
    /// Pairs of one object that are looked at: beyond it they are ignored, so that no body can buy much time with them.
    private static let pairLimit = 4_096

    /// Parses the body and hands the root to `read`, with what had to be done to parse it.
    ///
    /// What the strict parser refuses gets a second chance in a repaired form (`JSONRepair`): an alert in a body that is nearly JSON is still
    /// an alert.
    static func read<Value>(
        _ text: PushText,
        _ read: (JSONValue, ReadingNotes) throws(DecodeError) -> Value
    ) throws(DecodeError) -> Value {
        var (bytes, notes) = (text.bytes, text.notes)
        // A body in a string in a string is no more than that.
        for level in 0...2 {
            switch try found(in: bytes, &notes, mayUnwrap: level < 2, read) {
            case .value(let value): return value
            case .body(let inner): bytes = inner
            }
            notes.insert(.bodyInString)
        }
        throw .notJSON("it is a string")
    }

    private enum Found<Value> {
        case value(Value)
        /// The root is a string that holds a body.
        case body([UInt8])
    }

    private static func found<Value>(
        in bytes: [UInt8],
        _ notes: inout ReadingNotes,
        mayUnwrap: Bool,
        _ read: (JSONValue, ReadingNotes) throws(DecodeError) -> Value
    ) throws(DecodeError) -> Found<Value> {
        switch try parse(bytes, notes, mayUnwrap, read) {
        case .success(let value):
            return value
        case .failure(.depth):
            throw .notJSON("it is nested deeper than \(Limits.jsonDepth) levels")
        case .failure(let error):
            var repair = JSONRepair(bytes)
            guard let repaired = repair.repaired() else { throw .notJSON(error.message) }
            notes.formUnion(repair.notes)
            guard case .success(let value) = try parse(repaired, notes, mayUnwrap, read) else {
                throw .notJSON(error.message)
            }
            return value
        }
    }

    private static func parse<Value>(
        _ bytes: [UInt8],
        _ notes: ReadingNotes,
        _ mayUnwrap: Bool,
        _ read: (JSONValue, ReadingNotes) throws(DecodeError) -> Value
    ) throws(DecodeError) -> Result<Found<Value>, JSONError> {
        try parsers.parse(bytes, maximumDepth: Limits.jsonDepth) { root throws(DecodeError) -> Found<Value> in
            if mayUnwrap, let string = root.string, Self.mayBeBody(string.bytes) {
                return .body(string.bytes)
            }
            return .value(try read(root, notes))
        }
    }

    /// Whether a string begins as a body does.
    private static func mayBeBody(_ text: [UInt8]) -> Bool {
        let first = text.first { !$0.isASCIIWhitespace }
        return first.map { Array("{[\"".utf8).contains($0) || $0 == 0xEF } ?? false
    }

    /// A string that is not blank, NUL replaced; a number or a truth value as its text.
    static func text(_ value: JSONValue?) -> Text? {
        guard let value else { return nil }
        if let string = value.string { return string.isBlank ? nil : Text(repairing: string.bytes) }
        guard value.doubleValue != nil || value.boolValue != nil else { return nil }
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return Text(trusted: bytes)
    }

    /// A moment as its sender wrote it.
    static func time(_ value: JSONValue?) -> SenderTime {
        guard let value else { return .none }
        switch value.kind {
        case .null: return .none
        case .string(let string): return SenderTime(string.bytes)
        case .integer(let number): return SenderTime(sinceEpoch: Double(number))
        case .unsigned(let number): return SenderTime(sinceEpoch: Double(number))
        case .double(let number): return SenderTime(sinceEpoch: number)
        case .bool, .array, .object: return .unreadable
        }
    }

    /// The members of an object over `common`, which they replace where the names are the same. What is no string is taken as its text.
    static func labels(over common: Labels = Labels(), _ object: JSONValue?) -> Labels {
        guard let object, object.isObject, object.elementCount > 0 else { return common }
        var builder = Labels.Builder(common)
        var count = 0
        for (name, value) in object.members {
            count += 1
            if count > pairLimit { break }
            builder.append(name: { append(name, to: &$0) }, value: { append(value, to: &$0) })
        }
        return builder.build()
    }

    private static func append(_ string: JSONString, to bytes: inout [UInt8]) {
        let start = bytes.count
        string.append(to: &bytes)
        guard bytes[start...].contains(0) else { return }
        let repaired = Text(repairing: Array(bytes[start...]))
        bytes.removeSubrange(start...)
        bytes += repaired.bytes
    }

    /// Recursion is bounded by the parser's depth.
    private static func append(_ value: JSONValue, to bytes: inout [UInt8]) {
        switch value.kind {
        case .string(let string): append(string, to: &bytes)
        case .null: break
        default: bytes += JSONWriter.encode { write(value, to: &$0) }
        }
    }

    private static func write(_ value: JSONValue, to writer: inout JSONWriter) {
        switch value.kind {
        case .null: writer.null()
        case .bool(let truth): writer.value(truth)
        case .integer(let number): writer.value(number)
        case .unsigned(let number): writer.value(number)
        case .double(let number): writer.value(number)
        case .string(let string): writer.value(utf8: Text(repairing: string.bytes).bytes)
        case .array: writer.array { list in value.forEachElement { write($0, to: &list) } }
        case .object:
            writer.object { object in
                for (name, member) in value.members {
                    object.key(text: name.text)
                    write(member, to: &object)
                }
            }
        }
    }
}
