import Domain
import Native

/// What the formats share: one JSON parser for everything that comes from outside, and readers that take what senders really send.
enum PushJSON {
    private static let parsers = JSONParserPool(maximumBytes: 3 * Limits.pushBytes)
    /// Pairs of one object that are looked at: beyond it they are ignored, so that no body can buy much time with them.
    private static let pairLimit = 4_096

    /// Parses the body and hands the root to `read`.
    ///
    /// What the strict parser refuses gets a second chance in a repaired form: senders do send byte-order marks, broken UTF-8, lone
    /// surrogates and numbers of any length, and an alert in such a body is still an alert.
    static func read<Value>(
        _ body: [UInt8],
        _ read: (JSONValue) throws(DecodeError) -> Value
    ) throws(DecodeError) -> Value {
        switch try parsers.parse(body, maximumDepth: Limits.jsonDepth, read) {
        case .success(let value):
            return value
        case .failure(.depth):
            throw .notJSON("it is nested deeper than \(Limits.jsonDepth) levels")
        case .failure(let error):
            var repair = JSONRepair(body)
            guard let repaired = repair.repaired(),
                case .success(let value) = try parsers.parse(repaired, maximumDepth: Limits.jsonDepth, read)
            else { throw .notJSON(error.message) }
            return value
        }
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

    /// A moment; nil for what is none and for the "no time" of Go programs.
    static func time(_ value: JSONValue?) -> UnixTime? {
        guard let string = value?.string, string.count <= 64, let time = UnixTime(rfc3339: string.bytes),
            !time.isGoZero
        else { return nil }
        return time
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
