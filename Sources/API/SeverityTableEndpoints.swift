import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/severity-tables/{integration_type}`
struct SeverityTableEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("severity-tables/{integration_type}")
            .operation(.get, .configuration(.viewer), use: getSeverityTable)
            .operation(.put, .configuration(.editor), use: replaceSeverityTable)
            .operation(.patch, .configuration(.editor), use: updateSeverityTable)
            .operation(.delete, .configuration(.editor), use: resetSeverityTable)
    }

    @Sendable
    func getSeverityTable(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let table = try await store.severityTables.find(type(context), in: context.account.number)
        if ETag.isCurrent(table.version, for: request) { return ETag.notModified(table.version) }
        return Answer.response(answer(table, context))
    }

    @Sendable
    func replaceSeverityTable(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let type = try type(context)
        let new = try await mutation.decode(store, SeverityTableFields.table)
        return try await mutation.perform(store) { change in
            let table = try store.severityTables.replace(
                type,
                with: new,
                if: mutation.precondition,
                change
            )
            return answer(table, context)
        }
    }

    @Sendable
    func updateSeverityTable(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let type = try type(context)
        let (changes, fallback) = try await mutation.decode(store, SeverityTableFields.changes)
        return try await mutation.perform(store) { change in
            let table = try store.severityTables.update(
                type,
                changes,
                fallback: fallback,
                if: mutation.precondition,
                change
            )
            return answer(table, context)
        }
    }

    @Sendable
    func resetSeverityTable(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            try store.severityTables.reset(
                type(context),
                if: mutation.precondition,
                change
            )
            return Answer.nothing
        }
    }

    private func type(_ context: AccountContext) throws -> IntegrationType {
        let name = context.parameters.get("integration_type")
        guard let name, let format = store.format(of: IntegrationType(name)) else {
            throw Problem.notFound
        }
        return format.type
    }

    private func answer(_ table: AccountSeverityTable, _ context: AccountContext) -> RecordedAnswer {
        Answer.change(version: table.version) { object in
            object.field("account_id", context.account.id)
            object.field("integration_type", table.type.name)
            object.severityTable(table.table)
            object.field("is_default", table.isDefault)
            object.field("version", table.version.value)
        }
    }
}

/// Reads severity tables from bodies: those of this resource, and the draft that a simulation tries.
enum SeverityTableFields {
    /// A whole table.
    static func table(_ fields: Fields) -> SeverityTable? {
        let entries = fields.required("entries") { $0.severityEntries() }
        let fallback = fields.required("fallback") { $0.severity() }
        guard let entries, let fallback else { return nil }
        return SeverityTable(entries: entries, fallback: fallback)
    }

    /// Rows to change or remove, and the fallback.
    static func changes(_ fields: Fields) -> (rows: [SeverityTableStore.EntryChange], fallback: Severity?)? {
        var seen: Set<Text> = []
        let rows = fields.changed("entries") { list in
            list.array(count: 0...SeverityTableStore.maximumEntries) { row in
                row.object { change($0, &seen) }
            }
        }
        return (rows ?? [], fields.changed("fallback") { $0.severity() })
    }

    private static func change(_ fields: Fields, _ seen: inout Set<Text>) -> SeverityTableStore.EntryChange? {
        let level = fields.required("level") { $0.newLevel(&seen) }
        let meaning = fields.clearable("severity") { $0.levelMeaning() }
        if !fields.has("severity") { fields.refuse("severity", "is required: null removes the row") }
        guard let level else { return nil }
        return SeverityTableStore.EntryChange(level: level, meaning: meaning.applied(to: nil))
    }
}
