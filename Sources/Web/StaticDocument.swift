import HTTPTypes
import Hummingbird
import Native

/// Bytes that stay the same as long as the process runs, for caches to keep. Its entity tag is made of them, so all nodes of one version
/// have the same.
package struct StaticDocument: Sendable {
    private let body: ByteBuffer
    private let headers: HTTPFields
    private let tag: String

    /// `headers` has at least the content type.
    package init(_ bytes: [UInt8], headers: HTTPFields) {
        body = ByteBuffer(bytes: bytes)
        let digest = Digest256.hash(of: bytes.span).prefix(16)
        tag = "\"" + String(decoding: Hexadecimal.encode(digest), as: UTF8.self) + "\""
        var headers = headers
        headers[.eTag] = tag
        // After an upgrade the old one is about for so long.
        headers[.cacheControl] = "public, max-age=300"
        self.headers = headers
    }

    /// 200 with the bytes, or 304 when `If-None-Match` has their tag.
    package func answer(to request: Request) -> Response {
        guard !isKnown(to: request) else {
            let kept: [HTTPField.Name] = [.eTag, .cacheControl]
            return Response(
                status: .notModified,
                headers: HTTPFields(headers.filter { kept.contains($0.name) })
            )
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: body))
    }

    /// By the weak comparison, as RFC 9110, 13.1.2 has it. Commas are in no tag of ours.
    private func isKnown(to request: Request) -> Bool {
        guard let text = request.headers[.ifNoneMatch] else { return false }
        let own = Array(tag.utf8)
        return text.utf8.split(separator: UInt8(ascii: ",")).contains { part in
            let name = part.filter { $0 != 0x20 && $0 != 0x09 }
            return name == [UInt8(ascii: "*")] || name == own || name == Array("W/".utf8) + own
        }
    }
}
