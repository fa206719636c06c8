import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/config`: the configuration as one document, and its revisions.
struct ConfigurationEndpoints {
    let store: Store

    /// Bytes of the changes that the answer to a change shows, about.
    private static let shownBytes = 4 << 20

    func add(to account: RouterGroup<AccountContext>) {
        account.group("config")
            .operation(.get, .configuration(.viewer), use: getConfiguration)
            .operation(.put, .configuration(.editor), use: putConfiguration)
        account.group("config/plan").operation(.post, .configuration(.editor), use: planConfiguration)
        account.group("config/revisions").operation(.get, .configuration(.viewer), use: listRevisions)
        account.group("config/revisions/{revision}")
            .operation(.get, .configuration(.viewer), use: getRevision)
        account.group("config/revisions/{revision}/restore")
            .operation(.post, .configuration(.editor), use: restoreRevision)
    }

    // MARK: The document

    @Sendable
    func getConfiguration(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let form = query.read("format", "must be json or yaml") { DocumentText.Form(rawValue: $0) }
        let revision = query.revision("revision")
        try query.finish()
        let account = context.account.number
        if let revision {
            let document = try await store.configuration.export(of: account, at: revision)
            return try await answer(document, revision, form, context)
        }
        let export = try await store.configuration.export(of: account)
        let version = Version(export.revision.value)
        if ETag.isCurrent(version, for: request) { return ETag.notModified(version) }
        return try await answer(export.document, export.revision, form, context)
    }

    @Sendable
    func putConfiguration(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let note = query.note()
        let mutation = try await MutationRequest(request, context, query)
        let document = try await document(mutation)
        return try await put(document, mutation, note, context)
    }

    /// The way of `putConfiguration`, without its end.
    @Sendable
    func planConfiguration(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let document = try await document(mutation)
        let planned = try await plan(document, mutation, nil, context)
        let account = context.account.number
        let price = try await store.configuration.price(of: document, in: account)
        return Answer.response(
            try await store.work.run(.calls, of: account) { answer(planned.result, price) }
        )
    }

    private func put(
        _ document: ConfigurationDocument,
        _ mutation: MutationRequest,
        _ note: Text?,
        _ context: AccountContext
    ) async throws -> Response {
        try await mutation.perform(store) {
            try await plan(document, mutation, note, context)
        } again: { head in
            let revision = Revision(head.version?.value ?? 0)
            let account = context.account.number
            let made = try await store.configuration.changes(
                of: revision,
                in: account,
                bytes: Self.shownBytes
            )
            return answer(made)
        } _: {
            answer($0)
        }
    }

    private func plan(
        _ document: ConfigurationDocument,
        _ mutation: MutationRequest,
        _ note: Text?,
        _ context: AccountContext
    ) async throws -> Planned<ConfigurationStore.Changed> {
        try await store.configuration.plan(
            document,
            if: mutation.precondition,
            of: context.account.number,
            by: context.actor,
            note: note
        )
    }

    private func document(_ mutation: MutationRequest) async throws -> ConfigurationDocument {
        let fields = ConfigurationDocumentFields(store: store)
        let types: [Text] = ["application/yaml", "application/x-yaml", "text/yaml"]
        guard types.contains(mutation.contentType) else {
            return try await mutation.decode(store, fields.document)
        }
        let bytes = mutation.bytes
        return try await store.work.run(.calls, of: mutation.account, bytes: bytes.count) {
            try JSONBody.decode(try YAMLDocument.json(bytes), fields.document)
        }
    }

    /// Written in the account's turn; throws 413 when it is more than an answer may be.
    private func answer(
        _ document: [UInt8],
        _ revision: Revision,
        _ form: DocumentText.Form?,
        _ context: AccountContext
    ) async throws -> Response {
        let form = form ?? .json
        try context.memory.take(document.count)
        guard document.count <= Answer.mostBytes else { throw Problem.answerTooLarge }
        let text = try await store.work.run(.calls, of: context.account.number, bytes: document.count) {
            DocumentText.text(document, as: form)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: form.mediaType, .cacheControl: "no-store",
                .eTag: ETag.text(Version(revision.value)),
            ],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: text))
        )
    }

    private func answer(
        _ applied: ConfigurationStore.Changed,
        _ price: ConfigurationPrice? = nil
    ) -> RecordedAnswer {
        Answer.change(version: Version(applied.revision.value)) { object in
            object.field("revision", applied.revision.value)
            let shown = object.cutArray("changes", applied.changes, limit: Self.shownBytes) { $1.change($0) }
            object.field("changes_omitted", applied.total - shown)
            if let price { object.object("price") { $0.price(price) } }
        }
    }

    // MARK: Revisions

    @Sendable
    func listRevisions(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let limit = query.limit()
        let before = query.read("cursor", "is not a cursor of this list: take next_cursor of the page before")
        {
            Cursor.decode($0, AuditKind.self).map { Revision(Int64(truncatingIfNeeded: $0.low)) }
        }
        try query.finish()
        let page = try await store.configuration.revisions(
            of: context.account.number,
            before: before,
            limit: limit
        )
        let next = page.next.map { Self.cursor($0) }
        return Answer.list(page.items, next: next, cursor: Self.cursor) { $1.revision($0, context) }
    }

    private static func cursor(
        _ last: ConfigurationStore.RevisionHead,
        _: ConfigurationStore.RevisionHead
    ) -> String {
        cursor(last.revision)
    }

    private static func cursor(_ revision: Revision) -> String {
        Cursor.encode(AuditID(high: 0, low: UInt64(clamping: revision.value)))
    }

    @Sendable
    func getRevision(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let wrong = "is not a cursor of this revision: take diff_next of the answer before"
        let after = query.read("diff_cursor", wrong) { Cursor.decode($0, AuditKind.self) }
        try query.finish()
        let revision = try context.revision()
        let found = try await store.configuration.find(revision, after: after, of: context.account.number)
        return Answer.object { object in
            object.revision(found.head, context)
            let shown = object.cutArray("diff", found.diff) { $1.change($0) }
            let isWhole = shown == found.diff.count && !found.hasMore
            object.field(
                "diff_next",
                isWhole ? nil : found.diff.prefix(shown).last.map { Cursor.encode($0.id) }
            )
        }
    }

    @Sendable
    func restoreRevision(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let note = query.note()
        let mutation = try await MutationRequest(request, context, query)
        let revision = try context.revision()
        let account = context.account.number
        let earlier = try await store.configuration.export(of: account, at: revision)
        let fields = ConfigurationDocumentFields(store: store)
        let document = try await JSONBody.decode(earlier, store, account, fields.document)
        let reason = note ?? Text("restore of revision \(revision.value)")
        return try await put(document, mutation, reason, context)
    }
}

extension AccountContext {
    /// The revision in the path. What is no number answers as one that there never was.
    fileprivate func revision() throws -> Revision {
        guard let text = parameters.get("revision"), let number = Int64(text), number > 0 else {
            throw Problem.notFound
        }
        return Revision(number)
    }
}

extension Query {
    /// Why it is done, in the words of who does it: 1 to 500 scalars.
    fileprivate func note() -> Text? {
        read("note", "must have 1 to 500 characters", bytes: 2_000) { text in
            (1...500).contains(text.unicodeScalars.count) ? Text(text) : nil
        }
    }
}

extension JSONWriter {
    /// What it would have of each limit, and what is allowed.
    fileprivate mutating func price(_ price: ConfigurationPrice) {
        for kind in AccountLimits.Kind.ofConditions { field(kind.name, price.cost[kind] ?? 0) }
        field("nanoseconds_per_alert", price.nanosecondsPerAlert)
        object("limits") { object in
            for kind in AccountLimits.Kind.ofConditions { object.field(kind.name, price.limits[kind]) }
        }
    }

    /// From where it was made is for those who manage keys.
    fileprivate mutating func revision(_ head: ConfigurationStore.RevisionHead, _ context: AccountContext) {
        field("revision", head.revision.value)
        field("at", head.first.at)
        field("actor_id", head.first.actorID)
        field("actor_role", head.first.actorRole)
        field("address", context.caller.isAdmin ? head.first.address : nil)
        field("request_id", head.first.requestID)
        field("note", head.first.note)
        field("change_count", head.changes)
    }
}
