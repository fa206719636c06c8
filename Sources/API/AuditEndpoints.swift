import Domain
import HTTPTypes
import Hummingbird
import NIOCore
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/audit` and, for what the operator did to the installation, `/v1/audit`: the record of changes.
struct AuditEndpoints {
    let store: Store

    /// What an export holds at a time.
    private static let exportBytes = 4 << 20

    func add(to base: RouterGroup<AppContext>) {
        base.group("audit").get(use: listInstallationAudit)
        base.group("audit/export").get(use: exportInstallationAudit)
    }

    func add(to account: RouterGroup<AccountContext>) {
        account.group("audit").operation(.get, .configuration(.admin), use: listAudit)
        account.group("audit/export").operation(.get, .configuration(.admin), use: exportAudit)
    }

    @Sendable
    func listAudit(_ request: Request, _ context: AccountContext) async throws -> Response {
        try await list(request, of: context.account.number, context.account.id)
    }

    @Sendable
    func exportAudit(_ request: Request, _ context: AccountContext) async throws -> Response {
        try export(request, of: context.account.number, context.account.id, context.memory)
    }

    @Sendable
    func listInstallationAudit(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        return try await list(request, of: .installation, nil)
    }

    @Sendable
    func exportInstallationAudit(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        return try export(request, of: .installation, nil, context.memory)
    }

    private func list(
        _ request: Request,
        of account: AccountNumber,
        _ id: AccountID?
    ) async throws -> Response {
        let query = Query(request)
        let page = query.page(AuditKind.self)
        let filter = Self.filter(query)
        try query.finish()
        let entries = try await store.audit.list(page, filter: filter, in: account)
        return Answer.page(entries, id: \.id) { $1.entry($0, of: id) }
    }

    /// All of it, newest first, one JSON object a line: a page at a time, of which the room is held until the end.
    private func export(
        _ request: Request,
        of account: AccountNumber,
        _ id: AccountID?,
        _ memory: CallMemory
    ) throws -> Response {
        try memory.take(Self.exportBytes)
        let query = Query(request)
        let filter = Self.filter(query)
        try query.finish()
        let body = ResponseBody { [store] writer in
            var before: AuditID?
            repeat {
                let request = PageRequest<AuditKind>(limit: 200, before: before)
                let page = try await store.audit.list(request, filter: filter, in: account)
                var lines: [UInt8] = []
                for entry in page.items {
                    lines += JSONWriter.encode { writer in writer.object { $0.entry(entry, of: id) } }
                    lines.append(UInt8(ascii: "\n"))
                }
                if !lines.isEmpty { try await writer.write(ByteBuffer(bytes: lines)) }
                before = page.next
            } while before != nil
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"],
            body: body
        )
    }

    private static func filter(_ query: Query) -> AuditStore.Filter {
        var filter = AuditStore.Filter()
        filter.actorID = query.identifier("actor_id")
        filter.action = query.one("action").map { Text($0) }
        filter.resource = query.one("resource").map { Text($0) }
        filter.revision = query.revision("revision")
        filter.since = query.time("since")
        filter.until = query.time("until")
        return filter
    }
}

extension Query {
    /// The number of a revision.
    func revision(_ name: String) -> Revision? {
        read(name, "must be the number of a revision") { text in
            Int64(text).flatMap { $0 > 0 ? Revision($0) : nil }
        }
    }
}

extension JSONWriter {
    /// An entry of the record of changes.
    fileprivate mutating func entry(_ entry: AuditEntry, of account: AccountID?) {
        field("id", entry.id)
        field("account_id", account)
        field("at", entry.at)
        field("actor_id", entry.actorID)
        field("actor_role", entry.actorRole)
        field("address", entry.address)
        field("request_id", entry.requestID)
        field("revision", entry.revision?.value)
        field("note", entry.note)
        change(entry)
        rawField("detail", entry.detail.bytes)
    }

    /// What it changed.
    mutating func change(_ entry: AuditEntry) {
        field("action", entry.action)
        field("resource", entry.resource)
        state("before", entry.before)
        state("after", entry.after)
    }

    private mutating func state(_ name: StaticString, _ state: Text?) {
        if let state { rawField(name, state.bytes) } else { null(name) }
    }
}
