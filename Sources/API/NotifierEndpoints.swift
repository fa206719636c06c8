import Domain
import HTTPTypes
import Hummingbird
import Native
import Outbound
import Storage
import Web

/// `/v1/accounts/{account_id}/channels/{channel_id}/notifiers`
struct NotifierEndpoints {
    let store: Store
    let sender: Sender

    func add(to account: RouterGroup<AccountContext>) {
        account.group("channels/{channel_id}/notifiers")
            .operation(.post, .configuration(.editor), use: createNotifier)
            .operation(.get, .configuration(.viewer), use: listNotifiers)
        account.group("channels/{channel_id}/notifiers/{notifier_id}")
            .operation(.get, .configuration(.viewer), use: getNotifier)
            .operation(.patch, .configuration(.editor), use: updateNotifier)
            .operation(.delete, .configuration(.editor), use: deleteNotifier)
        account.group("channels/{channel_id}/notifiers/{notifier_id}/rotate-secret")
            .operation(.post, .configuration(.editor), use: rotateNotifierSecret)
    }

    @Sendable
    func createNotifier(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let channel = try context.id("channel_id", ChannelKind.self)
        let draft = try await mutation.decode(store, fields.draft)
        return try await mutation.perform(store) { change in
            let report = try store.notifiers.insert(
                draft,
                of: channel,
                change
            )
            let notifier = report.notifier
            let location = "/v1/accounts/\(context.account.id)/channels/\(channel)/notifiers/\(notifier.id)"
            return Answer.change(.created, version: notifier.metadata.version, location: location) { object in
                // Its template was just read.
                object.notifier(report, problem: nil, of: context.account.id, at: store.now)
                if !mutation.isDryRun, let secret = notifier.settings.signingSecrets.first {
                    object.field("signing_secret", secret.text)
                }
            }
        }
    }

    @Sendable
    func listNotifiers(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let (page, filter) = (query.page(NotifierIDKind.self), query.configurationFilter())
        try query.finish()
        let reports = try await store.notifiers.list(
            page,
            filter: filter,
            of: context.id("channel_id"),
            in: context.account.number
        )
        let problems = try await problems(of: reports.items.map(\.notifier), context)
        let now = store.now
        return Answer.page(reports, id: \.notifier.id) { report, object in
            let problem = problems[report.notifier.id]
            object.notifier(report, problem: problem, of: context.account.id, at: now)
        }
    }

    @Sendable
    func getNotifier(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let report = try await find(context)
        let problem = try await problems(of: [report.notifier], context)[report.notifier.id]
        return Answer.response(answer(report, problem, context))
    }

    @Sendable
    func updateNotifier(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        // The kind says how settings are read; it never changes.
        let old = try await find(context).notifier
        let patch = try await mutation.decode(store) { fields.patch($0, of: old.settings) }
        let template = old.template
        let known = try await store.work.run(.calls, of: context.account.number) { template.problems }
        return try await mutation.perform(store) { change in
            let report = try store.notifiers.update(
                old.id,
                patch,
                if: mutation.precondition,
                of: old.channelID,
                change
            )
            let problem = known.problem(after: report.notifier.template)
            return answer(report, problem, context)
        }
    }

    @Sendable
    func deleteNotifier(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            try store.notifiers.delete(
                context.id("notifier_id"),
                if: mutation.precondition,
                of: context.id("channel_id"),
                change
            )
            return Answer.nothing
        }
    }

    @Sendable
    func rotateNotifierSecret(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            let new = try store.notifiers.rotateSecret(
                of: context.id("notifier_id"),
                of: context.id("channel_id"),
                change
            )
            return Answer.change { object in
                if !mutation.isDryRun { object.field("signing_secret", new.secret.text) }
                object.field("previous_ends_at", new.previousEndsAt)
            }
        }
    }

    private var fields: NotifierFields { NotifierFields(sender: sender) }

    private func find(_ context: AccountContext) async throws -> NotifierStore.Report {
        try await store.notifiers.find(
            context.id("notifier_id"),
            of: context.id("channel_id"),
            in: context.account.number
        )
    }

    /// Why templates can't be used, by notifier. They are read in the account's turn.
    private func problems(
        of notifiers: [Notifier],
        _ context: AccountContext
    ) async throws -> [NotifierID: String] {
        guard notifiers.contains(where: \.template.isOwn) else { return [:] }
        return try await store.work.run(.calls, of: context.account.number) {
            notifiers.reduce(into: [:]) { $0[$1.id] = $1.template.problems.all }
        }
    }

    /// `problem`: why its template can't be used.
    private func answer(
        _ report: NotifierStore.Report,
        _ problem: String?,
        _ context: AccountContext
    ) -> RecordedAnswer {
        Answer.change(version: report.notifier.metadata.version) {
            $0.notifier(report, problem: problem, of: context.account.id, at: store.now)
        }
    }
}

extension SigningSecret {
    /// As Standard Webhooks spells it: `whsec_` and base64.
    fileprivate var text: String { "whsec_" + Base64.text(bytes) }
}

// MARK: - What is shown

extension JSONWriter {
    /// A notifier without its secrets. `problem`: why its template can't be used.
    fileprivate mutating func notifier(
        _ report: NotifierStore.Report,
        problem: String?,
        of account: AccountID,
        at now: UnixTime
    ) {
        let notifier = report.notifier
        field("id", notifier.id)
        field("account_id", account)
        field("channel_id", notifier.channelID)
        field("kind", notifier.kind.name)
        field("name", notifier.name.text)
        field("status", notifier.status.rawValue)
        field("disabled_reason", notifier.disabledReason?.rawValue)
        conditions(notifier.conditions)
        array("changes") { list in for change in notifier.changes.sorted() { list.value(change.name) } }
        object("template") {
            $0.field("language", notifier.template.language.rawValue)
            $0.field("title", notifier.template.title)
            $0.field("text", notifier.template.text)
        }
        field("template_problem", problem)
        field("storm_limit", notifier.stormLimit)
        object("settings") { notifier.settings.show(to: &$0, at: now) }
        object("health") {
            $0.field("failing_since", report.health.failingSince)
            $0.field("last_failure", report.health.lastFailure)
            $0.field("last_failure_at", report.health.lastFailureAt)
            $0.field("last_sent_at", report.health.lastSentAt)
        }
        metadata(notifier.metadata)
    }

    private mutating func conditions(_ groups: [[ConditionSource]]) {
        array("conditions") { list in
            for group in groups {
                list.array { conditions in
                    for condition in group {
                        conditions.object { object in
                            object.field("key", condition.key)
                            object.field("operator", condition.operator)
                            object.array("values") { values in
                                for value in condition.values { values.value(utf8: value.bytes) }
                            }
                        }
                    }
                }
            }
        }
    }
}
