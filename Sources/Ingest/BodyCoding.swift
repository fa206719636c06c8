import Domain
import Native
import Web

/// How a body was packed for the way, and how it is unpacked.
///
/// - Rule: what can't be unpacked is kept as it came. Why: its owner sees what was sent. Otherwise: only the
///   sender knows.
struct BodyCoding: Sendable {
    /// What was done to the body, in that order.
    private let codings: [ContentCoding]

    /// Of a body that came as it is.
    static let none = BodyCoding([])

    /// Codings one over the other.
    private static let mostCodings = 2
    /// How many bytes may come of each byte: a text of equal alerts packs a hundred times, seldom more.
    private static let ratio = 250
    /// Bytes that may come of any body.
    private static let free = 256 << 10

    /// Reads the values of the header, in their order.
    init(_ values: [String]) {
        codings = ContentCoding.read(values)
    }

    /// Whether the body is as it came.
    var isNone: Bool { codings.isEmpty }

    /// The body as it was before it was packed. At most `Limits.pushBytes`, and `ratio` times what came.
    func unpacked(_ body: [UInt8]) throws(DecodeError) -> [UInt8] {
        guard codings.count <= Self.mostCodings else {
            throw .contentEncoding("it is packed more than twice")
        }
        let limit = min(Limits.pushBytes, max(Self.free, body.count * Self.ratio))
        var bytes = body
        for coding in codings.reversed() {
            switch coding {
            case .foreign(let name):
                throw .contentEncoding("\(name) is not unpacked here: send it plain, or as gzip or deflate")
            case .gzip: bytes = try Self.unpacked(bytes, .gzip, limit)
            case .deflate: bytes = try Self.unpacked(bytes, .deflate, limit)
            }
        }
        return bytes
    }

    private static func unpacked(
        _ bytes: [UInt8],
        _ form: Inflate.Form,
        _ limit: Int
    ) throws(DecodeError) -> [UInt8] {
        do throws(Inflate.Failure) {
            return try Inflate.bytes(bytes, form, limit: limit)
        } catch {
            switch error {
            case .tooLarge: throw .contentEncoding("unpacked it would have more than \(limit) bytes")
            case .corrupt:
                throw .contentEncoding("it is not whole, or not \(form) as its Content-Encoding says")
            }
        }
    }
}
