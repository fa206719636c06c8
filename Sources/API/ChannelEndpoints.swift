import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/channels`
struct ChannelEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("channels")
            .operation(.post, .configuration(.editor), use: createChannel)
            .operation(.get, .configuration(.viewer), use: listChannels)
        account.group("channels/{channel_id}")
            .operation(.get, .configuration(.viewer), use: getChannel)
            .operation(.patch, .configuration(.editor), use: updateChannel)
            .operation(.delete, .configuration(.editor), use: deleteChannel)
    }

    @Sendable
    func createChannel(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let draft = try await mutation.decode(store) { fields in
            ChannelFields.draft(fields, name: fields.required("name") { $0.name() })
        }
        return try await mutation.perform(store) { change in
            let channel = try store.channels.insert(draft, change)
            let location = "/v1/accounts/\(context.account.id)/channels/\(channel.id)"
            return Answer.change(.created, version: channel.metadata.version, location: location) {
                ChannelFields.write(channel, of: context.account.id, &$0)
            }
        }
    }

    @Sendable
    func listChannels(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let (page, filter) = (query.page(ChannelKind.self), query.configurationFilter())
        try query.finish()
        let channels = try await store.channels.list(page, filter: filter, in: context.account.number)
        return Answer.page(channels, id: \.id) { ChannelFields.write($0, of: context.account.id, &$1) }
    }

    @Sendable
    func getChannel(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let channel = try await store.channels.find(context.id("channel_id"), in: context.account.number)
        if ETag.isCurrent(channel.metadata.version, for: request) {
            return ETag.notModified(channel.metadata.version)
        }
        return Answer.object(version: channel.metadata.version) {
            ChannelFields.write(channel, of: context.account.id, &$0)
        }
    }

    @Sendable
    func updateChannel(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let id = try context.id("channel_id", ChannelKind.self)
        let patch = try await mutation.decode(store) { fields in
            ChannelStore.Patch(
                name: fields.changed("name") { $0.name() },
                description: fields.changed("description") { $0.description() },
                status: fields.changed("status") { $0.word(Enablement.self) },
                externalID: fields.clearable("external_id") { $0.text() },
                labels: fields.changed("labels") { $0.labels() }
            )
        }
        return try await mutation.perform(store) { change in
            let channel = try store.channels.update(
                id,
                patch,
                if: mutation.precondition,
                change
            )
            return Answer.change(version: channel.metadata.version) {
                ChannelFields.write(channel, of: context.account.id, &$0)
            }
        }
    }

    @Sendable
    func deleteChannel(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let cascade = query.flag("cascade") ?? false
        let mutation = try await MutationRequest(request, context, query)
        return try await mutation.perform(store) { change in
            try store.channels.delete(
                context.id("channel_id"),
                cascade: cascade,
                if: mutation.precondition,
                change
            )
            return Answer.nothing
        }
    }
}

/// Reads channels from bodies: those of this resource, and those of whole configurations.
enum ChannelFields {
    /// All but the name.
    static func draft(_ fields: Fields, name: Name?) -> ChannelStore.Draft? {
        let description = fields.optional("description", or: Text("")) { $0.description() }
        let status = fields.optional("status", or: Enablement.enabled) { $0.word(Enablement.self) }
        let externalID = fields.nullable("external_id") { $0.text() }
        let labels = fields.optional("labels", or: Labels()) { $0.labels() }
        guard let name, let description, let status, let labels else { return nil }
        return ChannelStore.Draft(
            name: name,
            description: description,
            status: status,
            externalID: externalID,
            labels: labels
        )
    }

    static func write(_ channel: Channel, of account: AccountID, _ object: inout JSONWriter) {
        object.field("id", channel.id)
        object.field("account_id", account)
        object.channel(channel)
        object.metadata(channel.metadata)
    }
}
