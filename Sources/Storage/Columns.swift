import Domain
import Native
import SQL

extension SQLScope {
    /// Rows of this account.
    static func of(_ account: AccountNumber) -> SQLScope { .account(Int64(account.value)) }
}

extension SQLValue {
    static func id<Kind>(_ id: Identifier<Kind>) -> SQLValue { .uuid(high: id.high, low: id.low) }
    static func id<Kind>(_ id: Identifier<Kind>?) -> SQLValue { id.map { .id($0) } ?? .null }
    static func account(_ number: AccountNumber) -> SQLValue { .integer(Int64(number.value)) }
    static func time(_ time: UnixTime) -> SQLValue { .integer(time.milliseconds) }
    static func time(_ time: UnixTime?) -> SQLValue { time.map { .integer($0.milliseconds) } ?? .null }
    static func text(_ text: Text) -> SQLValue { .text(text.bytes) }
    static func text(_ text: Text?) -> SQLValue { text.map { .text($0.bytes) } ?? .null }
    static func int(_ value: Int) -> SQLValue { .integer(Int64(value)) }
    static func flag(_ value: Bool) -> SQLValue { .integer(value ? 1 : 0) }
}

extension SQLRow {
    func text(_ column: Int) -> Text { Text(trusted: bytes(column)) }
    func optionalText(_ column: Int) -> Text? { isNull(column) ? nil : text(column) }
    func int(_ column: Int) -> Int { Int(integer(column)) }
    func flag(_ column: Int) -> Bool { integer(column) != 0 }
    func time(_ column: Int) -> UnixTime { UnixTime(milliseconds: integer(column)) }
    func optionalTime(_ column: Int) -> UnixTime? { isNull(column) ? nil : time(column) }

    /// An id column; one that does not hold 16 bytes is damage.
    func id<Kind>(_ column: Int) throws(SQLError) -> Identifier<Kind> {
        guard let id = Identifier<Kind>(bytes: bytes(column)) else {
            throw damaged("an id in column \(column)")
        }
        return id
    }

    func optionalID<Kind>(_ column: Int) throws(SQLError) -> Identifier<Kind>? {
        isNull(column) ? nil : try id(column)
    }

    /// The five metadata columns, from `column` on. Labels that can't be read are shown as none: they decide nothing, and the owner can
    /// write new ones.
    func metadata(_ column: Int) throws(SQLError) -> Metadata {
        Metadata(
            externalID: optionalText(column),
            labels: PackedJSON.labels(bytes(column + 1)) ?? Labels(),
            version: Version(integer(column + 2)),
            createdAt: time(column + 3),
            updatedAt: time(column + 4)
        )
    }

    /// A JSON object of texts.
    func labels(_ column: Int) throws(SQLError) -> Labels {
        let bytes = bytes(column)
        if bytes == [0x7B, 0x7D] { return Labels() }
        guard let labels = PackedJSON.labels(bytes) else { throw damaged("labels in column \(column)") }
        return labels
    }

    /// A JSON array of texts.
    func texts(_ column: Int) throws(SQLError) -> [Text] {
        guard let texts = PackedJSON.texts(bytes(column)) else { throw damaged("a list in column \(column)") }
        return texts
    }

    /// A code that must be one of an enumeration's.
    func code<Code: RawRepresentable>(_ column: Int, as type: Code.Type) throws(SQLError) -> Code
    where Code.RawValue == UInt8 {
        guard let raw = UInt8(exactly: integer(column)), let value = Code(rawValue: raw) else {
            throw damaged("a code in column \(column)")
        }
        return value
    }

    /// A word that must be one of an enumeration's.
    func word<Word: RawRepresentable>(_ column: Int, as type: Word.Type) throws(SQLError) -> Word
    where Word.RawValue == String {
        guard let value = Word(rawValue: text(column).string) else {
            throw damaged("a word in column \(column)")
        }
        return value
    }

    /// Says that the database holds what can't have come from here.
    func damaged(_ what: String) -> SQLError {
        .damaged(what)
    }
}

extension Metadata {
    /// The five metadata columns, in the order of the schema.
    var values: [SQLValue] {
        [
            .text(externalID), .text(PackedJSON.encode(labels)), .integer(version.value), .time(createdAt),
            .time(updatedAt),
        ]
    }
}
