import Domain
import Native

/// A body as UTF-8, and what was done to make it that.
///
/// - Rule: a body is read as its `Content-Type` declares, a byte-order mark before that. One that is UTF-8
///   beyond doubt is read as that, whatever it declares. Why: many senders' libraries put ISO-8859-1 on
///   everything. Otherwise: their text is garbled.
/// - Rule: bytes that are no text of any declared encoding stay told apart (`ForeignBytes`). Why: the
///   identity of an alert is made from its texts. Otherwise: two alerts whose titles are both unreadable are
///   one.
struct PushText {
    let bytes: [UInt8]
    let notes: ReadingNotes

    /// Encodings by the names that senders declare, in lower case, without `-` and `_`.
    private static let encodings: [Text: String] = [
        "gbk": "GBK", "gb2312": "GBK", "cp936": "GBK", "gb18030": "GB18030", "big5": "BIG5",
        "shiftjis": "CP932",
        "sjis": "CP932", "eucjp": "EUC-JP", "euckr": "EUC-KR", "koi8r": "KOI8-R", "latin1": "ISO-8859-1",
        "iso88591": "ISO-8859-1", "iso885915": "ISO-8859-15", "windows1252": "CP1252", "cp1252": "CP1252",
        "windows1251": "CP1251", "cp1251": "CP1251", "utf16": "UTF-16", "utf16le": "UTF-16LE",
        "utf16be": "UTF-16BE",
    ]

    /// Reads a body that came with this `Content-Type`. Linear.
    init(_ body: [UInt8], contentType: Text?) {
        if let encoding = Self.encoding(ofMark: body) {
            (bytes, notes) = Self.decoded(body, encoding) ?? Self.lenient(body)
            return
        }
        let declared = Self.declared(contentType)
        if UTF8Scan.isValidUTF8(body), declared.map({ !Self.isDoubtful(body, $0) }) ?? true {
            (bytes, notes) = (body, [])
            return
        }
        (bytes, notes) = declared.flatMap { Self.decoded(body, $0) } ?? Self.lenient(body)
    }

    /// UTF-16 by its byte-order mark.
    private static func encoding(ofMark body: [UInt8]) -> String? {
        if body.starts(with: [0xFE, 0xFF]) || body.starts(with: [0xFF, 0xFE]) { "UTF-16" } else { nil }
    }

    /// The C library's name of the charset of a `Content-Type`; nil: none, UTF-8, or one that is not read.
    private static func declared(_ contentType: Text?) -> String? {
        ContentType.charset(of: contentType).flatMap { encodings[$0] }
    }

    /// Whether bytes that are valid UTF-8 may be the declared encoding's all the same: UTF-16 holds NULs; the
    /// encodings of pairs make pairs that are UTF-8, too, but hardly ever nothing else. A single-byte
    /// encoding's text is no UTF-8 by chance, and ASCII is the same in all.
    private static func isDoubtful(_ body: [UInt8], _ encoding: String) -> Bool {
        if encoding.hasPrefix("UTF-16") { return body.contains(0) }
        guard pairs.contains(encoding), body.contains(where: { $0 >= 0x80 }) else { return false }
        return !body.contains { $0 >= 0xE0 }
    }

    /// The encodings with two bytes a character.
    private static let pairs: Set = ["GBK", "GB18030", "BIG5", "CP932", "EUC-JP", "EUC-KR"]

    private static func decoded(_ body: [UInt8], _ encoding: String) -> ([UInt8], ReadingNotes)? {
        var encoding = encoding
        if encoding == "UTF-16", Self.encoding(ofMark: body) == nil {
            // The first character of JSON is ASCII.
            encoding = body.first == 0 ? "UTF-16BE" : "UTF-16LE"
        }
        guard let text = Iconv.utf8(body, from: encoding, limit: 3 * Limits.pushBytes) else { return nil }
        return (text, .charset)
    }

    private static func lenient(_ body: [UInt8]) -> ([UInt8], ReadingNotes) {
        UTF8Scan.isValidUTF8(body) ? (body, []) : (ForeignBytes.marked(body), .invalidText)
    }
}
