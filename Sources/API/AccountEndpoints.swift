import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts`
struct AccountEndpoints {
    let store: Store

    /// The largest whole number that every JSON reader keeps exactly: 2^53 - 1.
    private static let bytes: ClosedRange<Int64> = 0...9_007_199_254_740_991

    /// The collection, which is the operator's.
    func add(to base: RouterGroup<AppContext>) {
        base.group("accounts")
            .post(use: createAccount)
            .get(use: listAccounts)
    }

    /// One account, which its own keys see too.
    func add(to account: RouterGroup<AccountContext>) {
        account
            .operation(.get, .configuration(.viewer), use: getAccount)
            .operation(.patch, .configuration(.admin), use: updateAccount)
            .operation(.delete, .configuration(.viewer), use: deleteAccount)
    }

    @Sendable
    func createAccount(_ request: Request, _ context: AppContext) async throws -> Response {
        let mutation = try await MutationRequest(request, operatorIn: context)
        let draft = try await mutation.decode(store, draft)
        return try await mutation.perform(store) { change in
            let account = try store.accounts.insert(draft, change)
            return Answer.change(
                .created,
                version: account.metadata.version,
                location: "/v1/accounts/\(account.id)"
            ) { write(account, &$0) }
        }
    }

    @Sendable
    func listAccounts(_ request: Request, _ context: AppContext) async throws -> Response {
        _ = try context.requireOperator()
        let query = Query(request)
        let (page, filter) = (query.page(AccountKind.self), query.configurationFilter())
        try query.finish()
        return Answer.page(try await store.accounts.list(page, filter: filter), id: \.id) { write($0, &$1) }
    }

    @Sendable
    func getAccount(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let account = context.account
        if ETag.isCurrent(account.metadata.version, for: request) {
            return ETag.notModified(account.metadata.version)
        }
        return Answer.object(version: account.metadata.version) { write(account, &$0) }
    }

    @Sendable
    func updateAccount(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let (patch, isOperators) = try await mutation.decode(store) {
            fields -> (AccountStore.Patch, Bool)? in
            let isOperators =
                fields.has("external_id") || fields.has("status") || fields.has("stored_bytes_limit")
                || fields.has("retention") || fields.has("limits")
            let patch = AccountStore.Patch(
                name: fields.changed("name") { $0.name() },
                externalID: fields.clearable("external_id") { $0.text() },
                labels: fields.changed("labels") { $0.labels() },
                status: fields.changed("status") { $0.word(Account.Status.self) },
                storedBytesLimit: fields.changed("stored_bytes_limit") { $0.integer(in: Self.bytes) },
                retention: fields.changed("retention") { $0.retention() },
                limits: fields.changed("limits") { $0.limits() } ?? [:],
                requiresIfMatch: fields.changed("requires_if_match") { $0.flag() }
            )
            return (patch, isOperators)
        }
        guard !isOperators || context.caller.isOperator else {
            throw Problem(
                .forbidden,
                "An account's own admin may change name, labels and requires_if_match; the rest is the operator's."
            )
        }
        return try await mutation.perform(store) { change in
            let account = try store.accounts.update(patch, if: mutation.precondition, change)
            return Answer.change(version: account.metadata.version) { write(account, &$0) }
        }
    }

    @Sendable
    func deleteAccount(_ request: Request, _ context: AccountContext) async throws -> Response {
        guard context.caller.isOperator else { throw Problem(.forbidden, "This needs an operator key.") }
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            let deletion = try store.accounts.delete(if: mutation.precondition, change)
            return Answer.change(.accepted, location: "/v1/deletions/\(deletion.account)") {
                DeletionEndpoints.write(deletion, &$0)
            }
        }
    }

    func draft(_ fields: Fields) -> AccountStore.Draft? {
        let name = fields.required("name") { $0.name() }
        let externalID = fields.nullable("external_id") { $0.text() }
        let labels = fields.optional("labels", or: Labels()) { $0.labels() }
        let limit = fields.optional("stored_bytes_limit", or: Limits.storedBytes) {
            $0.integer(in: Self.bytes)
        }
        let retention = fields.optional("retention", or: Retention.standard) { $0.retention() }
        let limits = fields.optional("limits", or: [:]) { $0.limits() }
        guard let name, let labels, let limit, let retention, let limits else { return nil }
        return AccountStore.Draft(
            name: name,
            externalID: externalID,
            labels: labels,
            storedBytesLimit: limit,
            retention: retention,
            limits: AccountLimits.standard.changed(to: limits)
        )
    }

    func write(_ account: Account, _ object: inout JSONWriter) {
        object.field("id", account.id)
        object.account(account)
        object.field("stored_bytes", account.storedBytes)
        object.metadata(account.metadata)
    }
}

extension Field {
    /// Those limits that are named; null stands for what is usual.
    fileprivate func limits() -> [AccountLimits.Kind: Int]? {
        object { fields in
            var limits: [AccountLimits.Kind: Int] = [:]
            for kind in AccountLimits.Kind.allCases {
                let isThere = fields.has(kind.name)
                let value = fields.nullable(kind.name, or: Int64(kind.standard)) {
                    $0.integer(in: kind.range)
                }
                if isThere, let value { limits[kind] = Int(value) }
            }
            return limits
        }
    }

    /// For how long an account keeps what: all four, each in its range, and what hangs on something no longer than it.
    fileprivate func retention() -> Retention? {
        object { fields in
            let body = fields.required("body_days") { $0.integer(in: Retention.Range.body) }
            let event = fields.required("event_days") { $0.integer(in: Retention.Range.event) }
            let alert = fields.required("alert_days") { $0.integer(in: Retention.Range.alert) }
            let audit = fields.required("audit_days") { $0.integer(in: Retention.Range.audit) }
            if let body, let event, body > event { fields.refuse("body_days", "must be at most event_days") }
            if let event, let alert, alert < event {
                fields.refuse("alert_days", "must be at least event_days")
            }
            guard let body, let event, let alert, let audit else { return nil }
            return Retention(
                bodyDays: Int(body),
                eventDays: Int(event),
                alertDays: Int(alert),
                auditDays: Int(audit)
            )
        }
    }
}
