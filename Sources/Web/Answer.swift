import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage

/// Makes the answers of the management API.
package enum Answer {
    /// A JSON object that `write` fills.
    package static func object(
        _ status: HTTPResponse.Status = .ok,
        version: Version? = nil,
        location: String? = nil,
        _ write: (inout JSONWriter) -> Void
    ) -> Response {
        json(status, version: version, location: location, JSONWriter.encode { $0.object { write(&$0) } })
    }

    /// A page of a list: `{items, next_cursor}`.
    package static func page<Item, Kind>(
        _ page: Page<Item, Kind>,
        version: Version? = nil,
        _ write: (Item, inout JSONWriter) -> Void
    ) -> Response {
        list(page.items, next: page.next.map { Cursor.encode($0) }, version: version, write)
    }

    /// A list with the cursor of what follows.
    package static func list<Item>(
        _ items: [Item],
        next: String?,
        version: Version? = nil,
        _ write: (Item, inout JSONWriter) -> Void
    ) -> Response {
        object(version: version) { object in
            object.array("items") { list in
                for item in items { list.object { write(item, &$0) } }
            }
            object.field("next_cursor", next)
        }
    }

    /// 204.
    package static let empty = Response(status: .noContent, headers: [.cacheControl: "no-store"])

    private static func json(
        _ status: HTTPResponse.Status,
        version: Version?,
        location: String?,
        _ bytes: [UInt8]
    ) -> Response {
        var headers: HTTPFields = [.contentType: "application/json", .cacheControl: "no-store"]
        if let version { headers[.eTag] = ETag.text(version) }
        if let location { headers[.location] = location }
        return Response(
            status: status,
            headers: headers,
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        )
    }
}

/// Versions as entity tags: the number in quotes.
package enum ETag {
    /// The entity tag of a version.
    package static func text(_ version: Version) -> String { "\"\(version.value)\"" }

    /// What `If-Match` demands. Throws 400 when it can't be read.
    package static func precondition(of request: Request) throws -> Precondition {
        guard let text = request.headers[.ifMatch] else { return .none }
        guard text != "*" else { return .none }
        return .oneOf(try versions(text, "If-Match"))
    }

    /// Whether the caller has this version already (`If-None-Match`).
    package static func isCurrent(_ version: Version, for request: Request) -> Bool {
        guard let text = request.headers[.ifNoneMatch] else { return false }
        return text == "*" || ((try? versions(text, "If-None-Match")) ?? []).contains(version)
    }

    /// 304.
    package static func notModified(_ version: Version) -> Response {
        Response(status: .notModified, headers: [.eTag: text(version), .cacheControl: "no-store"])
    }

    private static func versions(_ text: String, _ header: String) throws -> [Version] {
        try text.split(separator: ",").map { part in
            var tag = Text(String(part)).trimmed.string
            if tag.hasPrefix("W/") { tag.removeFirst(2) }
            guard tag.hasPrefix("\""), tag.hasSuffix("\""), tag.utf8.count > 2 else {
                throw Problem(
                    .invalidRequest,
                    "\(header) must hold entity tags as ETag gave them, in quotes."
                )
            }
            return Version(Int64(tag.dropFirst().dropLast()) ?? -1)
        }
    }
}

extension JSONWriter {
    /// Writes the metadata fields of a configuration resource.
    package mutating func metadata(_ metadata: Metadata) {
        field("external_id", utf8: metadata.externalID?.bytes)
        metadata.labels.write(to: &self, as: "labels")
        field("version", metadata.version.value)
        field("created_at", metadata.createdAt.description)
        field("updated_at", metadata.updatedAt.description)
    }

    /// A time or null.
    package mutating func field(_ name: StaticString, _ time: UnixTime?) {
        field(name, time?.description)
    }

    /// An id.
    package mutating func field<Kind>(_ name: StaticString, _ id: Identifier<Kind>) {
        field(name, id.description)
    }

    /// An id or null.
    package mutating func field<Kind>(_ name: StaticString, _ id: Identifier<Kind>?) {
        field(name, id?.description)
    }

    /// A text.
    package mutating func field(_ name: StaticString, _ text: Text) {
        field(name, utf8: text.bytes)
    }

    /// A text or null.
    package mutating func field(_ name: StaticString, _ text: Text?) {
        field(name, utf8: text?.bytes)
    }
}
