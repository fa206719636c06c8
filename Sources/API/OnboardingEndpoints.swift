import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/onboarding`: all that a new tenant needs to push its first alert, at once or not at all.
struct OnboardingEndpoints {
    let store: Store

    func add(to base: RouterGroup<AppContext>) {
        base.group("onboarding").post(use: onboard)
    }

    @Sendable
    func onboard(_ request: Request, _ context: AppContext) async throws -> Response {
        let mutation = try await MutationRequest(request, operatorIn: context)
        let channelID = store.identifiers.next(ChannelKind.self)
        let wanted = try await mutation.decode(store) { (fields: Fields) -> Draft? in draft(fields, channelID)
        }
        return try await mutation.perform(store) { change in
            let account = try part("/account") { try store.accounts.insert(wanted.account, change) }
            let inside = change.on(account.number)
            let (key, secret) = try part("/api_key") {
                try store.apiKeys.insert(wanted.key, for: .account(account.number, wanted.role), inside)
            }
            let channel = try part("/channel") {
                try store.channels.insert(wanted.channel, id: channelID, inside)
            }
            let (report, first) = try part("/integration") {
                try store.integrations.insert(wanted.integration, inside)
            }
            return Answer.change(.created, location: "/v1/accounts/\(account.id)") { object in
                object.object("account") { AccountEndpoints(store: store).write(account, &$0) }
                object.object("api_key") {
                    APIKeyFields.write(key, account: account.id, at: change.now, &$0)
                    if !mutation.isDryRun { $0.field("secret", secret.revealed) }
                }
                object.object("channel") { ChannelFields.write(channel, of: account.id, &$0) }
                object.object("integration") {
                    let fields = IntegrationEndpoints(store: store)
                    fields.write(report, of: account.id, &$0)
                    fields.write(first, isShown: !mutation.isDryRun, &$0)
                }
            }
        }
    }

    /// Makes one part; what is wrong with it is told where the part stands in the body.
    private func part<Made>(_ pointer: String, _ body: () throws -> Made) throws -> Made {
        do {
            return try body()
        } catch StoreError.invalid(let errors) {
            let placed = errors.items.map { FieldError(pointer + $0.pointer, $0.detail) }
            throw StoreError.invalid(ValidationErrors(placed, omitted: errors.omitted))
        }
    }

    /// What is to be made. The integration is dedicated to the channel.
    private struct Draft: Sendable {
        let account: AccountStore.Draft
        let key: APIKeyStore.Draft
        let role: Role
        let channel: ChannelStore.Draft
        let integration: IntegrationStore.Draft
    }

    private func draft(_ fields: Fields, _ channelID: ChannelID) -> Draft? {
        let account = fields.required("account") { $0.object(AccountEndpoints(store: store).draft) }
        let key = fields.required("api_key") { $0.object(APIKeyFields.accountDraft) }
        let channel = fields.required("channel") { field in
            field.object { ChannelFields.draft($0, name: $0.required("name") { $0.name() }) }
        }
        let integration = fields.required("integration") { field in
            field.object { fields in
                let name = fields.required("name") { $0.name() }
                return IntegrationEndpoints(store: store).draft(
                    fields,
                    mode: .dedicated(channelID),
                    name: name
                )
            }
        }
        guard let account, let key, let channel, let integration else { return nil }
        return Draft(
            account: account,
            key: key.draft,
            role: key.role,
            channel: channel,
            integration: integration
        )
    }
}
