import Domain
import HTTPTypes
import Hummingbird
import Storage

/// The query of a request, read once. Each parameter is asked for by name; what was not asked for is refused.
///
/// Names are compared as bytes, and a value that is to be one of some words is bounded before it is compared.
package final class Query {
    private let values: [(name: Text, value: String)]
    private let errors = FieldErrors()
    private var known: Set<Text> = []

    package init(_ request: Request) {
        let query = Array((request.uri.query ?? "").utf8)
        values = query.split(separator: UInt8(ascii: "&")).map { pair in
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let value = pair[end...].dropFirst()
            let decoded = PercentEncoding.decode(value) ?? String(decoding: value, as: UTF8.self)
            return (Text(repairing: Array(pair[..<end])), decoded)
        }
    }

    /// All values of a parameter.
    package func all(_ name: String) -> [String] {
        let name = Text(name)
        known.insert(name)
        return values.filter { $0.name == name }.map(\.value)
    }

    /// The value of a parameter that may come once.
    package func one(_ name: String) -> String? {
        let all = all(name)
        if all.count > 1 { refuse(name, "may be given once") }
        return all.first
    }

    /// A parameter of at most `limit` bytes, read by `read`; nil when it is absent, or bad, which is noted as `detail`.
    package func read<Value>(
        _ name: String,
        _ detail: String,
        bytes limit: Int = 64,
        _ read: (String) -> Value?
    ) -> Value? {
        guard let text = one(name) else { return nil }
        guard text.utf8.count <= limit, let value = read(text) else {
            refuse(name, detail)
            return nil
        }
        return value
    }

    /// `true` or `false`.
    package func flag(_ name: String) -> Bool? {
        read(name, "must be true or false") { $0 == "true" ? true : $0 == "false" ? false : nil }
    }

    /// A moment in RFC 3339.
    package func time(_ name: String) -> UnixTime? {
        read(name, "must be a time in RFC 3339, such as 2027-01-31T12:00:00Z") {
            UnixTime(rfc3339: Array($0.utf8))
        }
    }

    /// A day in UTC.
    package func day(_ name: String) -> UTCDay? {
        read(name, "must be a day such as 2027-01-31") { UTCDay($0) }
    }

    /// An id of one kind.
    package func identifier<Kind>(_ name: String, _ kind: Kind.Type = Kind.self) -> Identifier<Kind>? {
        read(name, "must be an id that begins with \(Kind.prefix)_") { Identifier<Kind>($0) }
    }

    /// `label=NAME:VALUE`, up to 20 times.
    package func labels() -> [(name: Text, value: Text)] {
        let texts = all("label")
        guard texts.count <= 20 else {
            refuse("label", "must be there at most 20 times")
            return []
        }
        return texts.compactMap { text in
            let parts = text.utf8.split(
                separator: UInt8(ascii: ":"),
                maxSplits: 1,
                omittingEmptySubsequences: false
            )
            guard parts.count == 2, !parts[0].isEmpty else {
                refuse("label", "must be NAME:VALUE")
                return nil
            }
            return (Text(repairing: Array(parts[0])), Text(repairing: Array(parts[1])))
        }
    }

    /// `limit` and `cursor`.
    package func page<Kind>(_ kind: Kind.Type = Kind.self) -> PageRequest<Kind> {
        let limit = limit()
        let cursor = read("cursor", "is not a cursor of this list: take next_cursor of the page before") {
            Cursor.decode($0, Kind.self)
        }
        return PageRequest(limit: limit, before: cursor)
    }

    /// `limit` alone.
    package func limit() -> Int {
        read("limit", "must be a whole number from 1 to 200") { text in
            Int(text).flatMap { (1...200).contains($0) ? $0 : nil }
        } ?? 50
    }

    /// `external_id` and `label`.
    package func configurationFilter() -> ConfigurationFilter {
        ConfigurationFilter(externalID: one("external_id").map { Text($0) }, labels: labels())
    }

    /// Notes an error of a parameter.
    package func refuse(_ name: String, _ detail: String) {
        errors.add("#/query/\(name)", detail)
    }

    /// Throws what was noted, and an error for each parameter that was not asked for. To be called last, and again after a check of
    /// what was read.
    package func finish() throws {
        for (name, _) in values where !known.contains(name) {
            refuse(Fields.escaped(name.string), "is not a parameter of this operation")
        }
        guard errors.isEmpty else { throw errors.thrown }
    }
}

/// The escapes of URLs.
enum PercentEncoding {
    /// nil when an escape is none, or what they stand for is not UTF-8.
    static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                return nil
            }
            decoded.append(high << 4 | low)
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}

/// The text of a place in a list. Opaque to callers.
package enum Cursor {
    /// The cursor after `id`.
    package static func encode<Kind>(_ id: Identifier<Kind>) -> String {
        "c"
            + String(
                decoding: Base62.encode(UInt128(id.high) << 64 | UInt128(id.low), width: 22),
                as: UTF8.self
            )
    }

    /// Reads it; nil when it is none.
    package static func decode<Kind>(_ text: String, _ kind: Kind.Type) -> Identifier<Kind>? {
        let bytes = Array(text.utf8)
        guard bytes.count == 23, bytes[0] == UInt8(ascii: "c"), let high = Base62.decode(bytes[1..<12]),
            let low = Base62.decode(bytes[12..<23])
        else { return nil }
        let scale = (0..<11).reduce(UInt128(1)) { value, _ in value * 62 }
        let (product, overflow) = high.multipliedReportingOverflow(by: scale)
        let (value, carry) = product.addingReportingOverflow(low)
        guard !overflow, !carry else { return nil }
        return Identifier(high: UInt64(value >> 64), low: UInt64(truncatingIfNeeded: value))
    }
}
