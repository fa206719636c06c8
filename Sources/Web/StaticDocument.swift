import Domain
import HTTPTypes
import Hummingbird
import Native

/// Bytes that stay the same as long as the process runs, for caches to keep, plain and packed. Its entity tags are made of them, so all nodes
/// of one version have the same.
package struct StaticDocument: Sendable {
    /// One form of it, with the tag of that form.
    private struct Form: Sendable {
        let body: ByteBuffer
        let headers: HTTPFields
        let tag: String

        init(_ bytes: [UInt8], _ headers: HTTPFields, tag: String) {
            body = ByteBuffer(bytes: bytes)
            var headers = headers
            headers[.eTag] = tag
            self.headers = headers
            self.tag = tag
        }

        /// 200 with the bytes.
        var answer: Response { Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body)) }
        /// 304.
        var known: Response {
            let kept: [HTTPField.Name] = [.eTag, .cacheControl, .vary]
            return Response(
                status: .notModified,
                headers: HTTPFields(headers.filter { kept.contains($0.name) })
            )
        }
    }

    private let plain: Form
    private let packed: Form

    /// `headers` has at least the content type.
    package init(_ bytes: [UInt8], headers: HTTPFields) {
        var headers = headers
        // After an upgrade the old one is about for so long.
        headers[.cacheControl] = "public, max-age=300"
        headers[.vary] = "Accept-Encoding"
        plain = Form(bytes, headers, tag: Self.tag(of: bytes))
        guard let small = Gzip.pack(bytes), small.count < bytes.count else {
            packed = plain
            return
        }
        headers[.contentEncoding] = "gzip"
        // Not of the packed bytes: another zlib may pack otherwise.
        packed = Form(small, headers, tag: Self.tag(of: bytes + Array("gzip".utf8)))
    }

    private static func tag(of bytes: [UInt8]) -> String {
        let digest = Digest256.hash(of: bytes.span).prefix(16)
        return "\"" + String(decoding: Hexadecimal.encode(digest), as: UTF8.self) + "\""
    }

    /// 200 with the bytes, packed for those who take that, or 304 when `If-None-Match` has the tag of that form.
    package func answer(to request: Request) -> Response {
        let form = AcceptEncoding.takesGzip(request.headers[values: .acceptEncoding]) ? packed : plain
        return isKnown(form.tag, to: request) ? form.known : form.answer
    }

    /// By the weak comparison, as RFC 9110, 13.1.2 has it. Commas are in no tag of ours.
    private func isKnown(_ tag: String, to request: Request) -> Bool {
        guard let text = request.headers[.ifNoneMatch] else { return false }
        let own = Array(tag.utf8)
        return text.utf8.split(separator: UInt8(ascii: ",")).contains { part in
            let name = part.filter { $0 != 0x20 && $0 != 0x09 }
            return name == [UInt8(ascii: "*")] || name == own || name == Array("W/".utf8) + own
        }
    }
}

/// What an `Accept-Encoding` says (RFC 9110, 12.5.3).
enum AcceptEncoding {
    /// Whether gzip may be sent: it, or else `*`, is named with a weight above 0.
    static func takesGzip(_ values: [String]) -> Bool {
        var (named, any): (Bool?, Bool?) = (nil, nil)
        for value in values {
            for part in value.utf8.split(separator: UInt8(ascii: ",")).prefix(32) {
                let pieces = part.split(separator: UInt8(ascii: ";")).map { Text(trusted: Array($0)).folded }
                let isTaken = !pieces.dropFirst().contains { isZero($0) }
                switch pieces.first {
                case "gzip", "x-gzip": named = named ?? isTaken
                case "*": any = any ?? isTaken
                default: break
                }
            }
        }
        return named ?? any ?? false
    }

    /// `q=0`, `q=0.000`.
    private static func isZero(_ parameter: Text) -> Bool {
        let halves = parameter.bytes.split(separator: UInt8(ascii: "="), maxSplits: 1)
        guard halves.count == 2, Text(trusted: Array(halves[0])).trimmed == "q" else { return false }
        return Text(trusted: Array(halves[1])).trimmed.bytes.allSatisfy { $0 == 0x30 || $0 == 0x2E }
    }
}
