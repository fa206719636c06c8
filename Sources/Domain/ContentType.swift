/// The part of a `Content-Type` that says how a body is read.
package enum ContentType {
    /// Bytes of it that are kept, and looked at.
    package static let mostBytes = Limits.nameBytes

    /// The first `charset`, in lower case, its letters and digits alone (`UTF-8` is `utf8`); nil: there is
    /// none.
    package static func charset(of contentType: Text?) -> Text? {
        guard let contentType, contentType.bytes.contains(UInt8(ascii: ";")) else { return nil }
        for parameter in contentType.bytes.prefix(mostBytes).split(separator: UInt8(ascii: ";")).dropFirst() {
            let halves = parameter.split(separator: UInt8(ascii: "="), maxSplits: 1)
            guard halves.count == 2, Text(trusted: Array(halves[0])).folded == "charset" else { continue }
            let name = Text(trusted: Array(halves[1])).folded.bytes.filter {
                ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39)
            }
            return Text(trusted: name)
        }
        return nil
    }
}
