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

    /// The same as the answer to a change.
    package static func change(
        _ status: HTTPResponse.Status = .ok,
        version: Version? = nil,
        location: String? = nil,
        _ write: (inout JSONWriter) -> Void
    ) -> RecordedAnswer {
        RecordedAnswer(
            status: status.code,
            version: version,
            location: location,
            body: JSONWriter.encode { $0.object { write(&$0) } }
        )
    }

    /// 204, as the answer to a change.
    package static let nothing = RecordedAnswer(status: 204, version: nil, location: nil, body: [])

    /// The answer to a change, as it goes out. One that was given before says so.
    package static func response(_ recorded: RecordedAnswer) -> Response {
        let status = HTTPResponse.Status(code: recorded.status)
        var response =
            recorded.body.isEmpty
            ? Response(status: status, headers: [.cacheControl: "no-store"])
            : json(status, version: recorded.version, location: recorded.location, recorded.body)
        if recorded.isRepeated, let name = HTTPField.Name("Idempotency-Replayed") {
            response.headers[name] = "true"
        }
        return response
    }

    /// Bytes of the largest answer.
    package static let mostBytes = 8 << 20
    /// Bytes after which a page of a list ends early.
    package static let pageBytes = 2 << 20

    /// A page of a list: `{items, next_cursor}`. It ends early when it is large; `id` is that of an item, after which the next one begins.
    package static func page<Item, Kind>(
        _ page: Page<Item, Kind>,
        id: (Item) -> Identifier<Kind>,
        version: Version? = nil,
        _ write: (Item, inout JSONWriter) -> Void
    ) -> Response {
        list(
            page.items,
            next: page.next.map { Cursor.encode($0) },
            cursor: { item, _ in Cursor.encode(id(item)) },
            version: version,
            write
        )
    }

    /// A list with the cursor of what follows. It ends early when it is large: then `cursor` is asked for the place after the last item
    /// that is shown, before the item that follows it.
    package static func list<Item>(
        _ items: [Item],
        next: String?,
        cursor: (_ last: Item, _ following: Item) -> String,
        version: Version? = nil,
        _ write: (Item, inout JSONWriter) -> Void
    ) -> Response {
        object(version: version) { object in
            let shown = object.cutArray("items", items, write)
            let isWhole = shown == items.count
            object.field("next_cursor", isWhole ? next : cursor(items[shown - 1], items[shown]))
        }
    }

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

extension JSONWriter {
    /// Writes an array of objects that ends after `limit` bytes, with one object at least. Returns how many there are in it.
    package mutating func cutArray<Items: RandomAccessCollection>(
        _ name: StaticString,
        _ items: Items,
        limit: Int = Answer.pageBytes,
        _ write: (Items.Element, inout JSONWriter) -> Void
    ) -> Int {
        var shown = 0
        array(name) { list in
            let start = list.bytes.count
            for item in items {
                list.object { write(item, &$0) }
                shown += 1
                if list.bytes.count - start >= limit { return }
            }
        }
        return shown
    }
}

/// Versions as entity tags: the number in quotes.
package enum ETag {
    /// The entity tag of a version.
    package static func text(_ version: Version) -> String { "\"\(version.value)\"" }

    /// What `If-Match`, or `If-None-Match: *`, demands. Throws 400 when it can't be read.
    package static func precondition(of request: Request) throws -> Precondition {
        guard let text = request.headers[.ifMatch] else {
            guard let text = request.headers[.ifNoneMatch] else { return .none }
            guard Text(text) == "*" else {
                throw Problem(.invalidRequest, "If-None-Match of a change can only be *: there is none yet.")
            }
            return .absent
        }
        guard Text(text) != "*" else { return .none }
        return .oneOf(try versions(text, "If-Match"))
    }

    /// Whether the caller has this version already (`If-None-Match`).
    package static func isCurrent(_ version: Version, for request: Request) -> Bool {
        guard let text = request.headers[.ifNoneMatch] else { return false }
        return Text(text) == "*" || ((try? versions(text, "If-None-Match")) ?? []).contains(version)
    }

    /// 304.
    package static func notModified(_ version: Version) -> Response {
        Response(status: .notModified, headers: [.eTag: text(version), .cacheControl: "no-store"])
    }

    private static func versions(_ text: String, _ header: String) throws -> [Version] {
        try text.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { part in
            let quote = UInt8(ascii: "\"")
            var tag = Text(trusted: Array(part)).trimmed.bytes[...]
            if tag.starts(with: "W/".utf8) { tag.removeFirst(2) }
            guard tag.first == quote, tag.last == quote, tag.count > 2 else {
                throw Problem(
                    .invalidRequest,
                    "\(header) must hold entity tags as ETag gave them, in quotes."
                )
            }
            return Version(Int64(String(decoding: tag.dropFirst().dropLast(), as: UTF8.self)) ?? -1)
        }
    }
}
