import Domain
import HTTPTypes
import Hummingbird
import Native
import Outbound
import Storage
import Web

/// Trying notifiers: `.../notifiers/{notifier_id}/test` and `.../notifiers/preview`.
struct NotifierTrialEndpoints {
    let store: Store
    let sender: Sender

    func add(to account: RouterGroup<AccountContext>) {
        account.group("channels/{channel_id}/notifiers/{notifier_id}/test")
            .operation(.post, .configuration(.editor), use: testNotifier)
        // What it says of an alert is what the account received.
        account.group("channels/{channel_id}/notifiers/preview")
            .operation(.post, .tenantData(.editor), use: previewNotification)
    }

    @Sendable
    func testNotifier(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let channel = try context.id("channel_id", ChannelKind.self)
        let account = context.account.number
        let notifier = try await store.notifiers.find(context.id("notifier_id"), of: channel, in: account)
            .notifier
        let message = try await store.notifications.sample(.opened, of: nil, in: channel, of: account)
        return try await mutation.performOutside(store) {
            if mutation.isDryRun {
                return answer(nil, try await letter(message, by: notifier, of: account).rendered)
            }
            // As every message, so that tests are no way around the limits of what goes out.
            return try await store.sends.pass(account) {
                let letter = try await letter(message, by: notifier, of: account)
                return answer(await sender.send(letter, of: account), letter.rendered)
            }
        }
    }

    private func letter(
        _ message: OutboundMessage,
        by notifier: Notifier,
        of account: AccountNumber
    ) async throws -> Sender.Letter {
        try await store.work.run(.calls, of: account) {
            sender.letter(message, to: notifier.settings, template: notifier.template, at: store.now)
        }
    }

    /// `result`: nil when nothing was sent.
    private func answer(_ result: SendResult?, _ shown: Rendered) -> RecordedAnswer {
        Answer.change { object in
            object.field("sent", result.map { $0.failure == nil } ?? false)
            object.field("failure", result?.failure?.rawValue)
            object.field("detail", result?.detail ?? "")
            object.field("status_code", result?.statusCode)
            object.field("response", result?.response ?? "")
            object.field("latency_ms", result?.milliseconds ?? 0)
            object.field("message_title", shown.title)
            object.field("message_text", shown.text)
            object.field("template_problem", shown.problem)
        }
    }

    @Sendable
    func previewNotification(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let channel = try context.id("channel_id", ChannelKind.self)
        let account = context.account.number
        _ = try await store.channels.find(channel, in: account)
        let trial = try await JSONBody.decode(request, context, store, trial)
        if let alert = trial.alert { try await check(alert, in: channel, of: account) }
        let sample = try await store.notifications.sample(
            trial.change,
            of: trial.alert,
            in: channel,
            of: account
        )
        // Without the marks of a test: what would really be sent.
        let message = OutboundMessage(id: sample.id, message: sample.message)
        let shown = try await store.work.run(.calls, of: account) {
            sender.preview(message, kind: trial.kind, template: trial.template)
        }
        return Answer.object { object in
            object.field("title", shown.rendered.title)
            object.field("text", shown.rendered.text)
            object.field("body", shown.body)
            object.field("template_problem", shown.rendered.problem)
        }
    }

    /// What is to be previewed.
    private struct Trial: Sendable {
        let kind: any NotifierKind.Type
        let template: MessageTemplate
        let change: AlertChange
        let alert: AlertID?
    }

    /// A template with errors is taken: the preview says what would become of it.
    private func trial(_ fields: Fields) -> Trial? {
        let kind = fields.required("kind") { $0.kind(of: sender.kinds) }
        let template = fields.optional("template", or: MessageTemplate.standard) { field in
            field.object { $0.template { $0.templateText() } }
        }
        let words = AlertChange.allCases.map(\.name)
        let change = fields.optional("change", or: AlertChange.opened) { field in
            field.word(of: words) { AlertChange(name: $0) }
        }
        let alert = fields.nullable("alert_id") { $0.identifier(AlertKind.self) }
        guard let kind, let template, let change else { return nil }
        return Trial(kind: kind, template: template, change: change, alert: alert)
    }

    private func check(_ alert: AlertID, in channel: ChannelID, of account: AccountNumber) async throws {
        do {
            guard try await store.alerts.find(alert, in: account).alert.channelID != channel else { return }
        } catch StoreError.notFound {}
        throw ValidationErrors([FieldError("/alert_id", "is not an alert of this channel")])
    }
}
