import Domain
import Storage

/// Changes that are a transaction of their own, as most tests want them. The program itself makes them inside `Store.perform`.
extension AccountStore {
    func insert(_ draft: Draft, by actor: Actor) async throws -> Account {
        try await store.change(.installation, by: actor) { try insert(draft, $0) }
    }

    func update(
        _ account: AccountNumber,
        _ patch: Patch,
        if precondition: Precondition,
        by actor: Actor
    ) async throws -> Account {
        try await store.change(account, by: actor) { try update(patch, if: precondition, $0) }
    }

    @discardableResult
    func delete(
        _ account: AccountNumber,
        if precondition: Precondition,
        by actor: Actor
    ) async throws -> Deletion {
        try await store.change(account, by: actor) { try delete(if: precondition, $0) }
    }
}

extension APIKeyStore {
    func insert(
        _ draft: Draft,
        for owner: APIKey.Owner,
        by actor: Actor
    ) async throws -> (key: APIKey, secret: APIKeySecret) {
        try await store.change(owner.account, by: actor) { try insert(draft, for: owner, $0) }
    }
}

extension APIKeyStore {
    func delete(
        _ id: APIKeyID,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) { try delete(id, if: precondition, $0) }
    }
}

extension APIKeyStore {
    func rotate(
        _ id: APIKeyID,
        _ rotation: Rotation,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> (key: APIKey, secret: APIKeySecret) {
        try await store.change(account, by: actor) { try rotate(id, rotation, if: .none, $0) }
    }
}

extension ChannelStore {
    @discardableResult
    func insert(_ draft: Draft, in account: AccountNumber, by actor: Actor) async throws -> Channel {
        try await store.change(account, by: actor) { try insert(draft, $0) }
    }

    @discardableResult
    func update(
        _ id: ChannelID,
        _ patch: Patch,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> Channel {
        try await store.change(account, by: actor) { try update(id, patch, if: precondition, $0) }
    }

    func delete(
        _ id: ChannelID,
        cascade: Bool,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) {
            try delete(id, cascade: cascade, if: precondition, $0)
        }
    }
}

extension IntegrationStore {
    @discardableResult
    func insert(
        _ draft: Draft,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> (report: IntegrationReport, first: IssuedPushURL) {
        try await store.change(account, by: actor) { try insert(draft, $0) }
    }

    @discardableResult
    func update(
        _ id: IntegrationID,
        _ patch: Patch,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> IntegrationReport {
        try await store.change(account, by: actor) { try update(id, patch, if: precondition, $0) }
    }

    func delete(
        _ id: IntegrationID,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) { try delete(id, if: precondition, $0) }
    }
}

extension PushURLStore {
    @discardableResult
    func insert(
        _ draft: Draft,
        for integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> IssuedPushURL {
        try await store.change(account, by: actor) { try insert(draft, for: integration, $0) }
    }

    func revoke(
        _ id: PushURLID,
        if precondition: Precondition,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) {
            try revoke(id, if: precondition, of: integration, $0)
        }
    }

    @discardableResult
    func reveal(
        _ id: PushURLID,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> PushAddresses {
        try await store.change(account, by: actor) { try reveal(id, of: integration, $0) }
    }
}

extension PushURLStore {
    func update(
        _ id: PushURLID,
        _ patch: Patch,
        if precondition: Precondition,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> MaskedPushURL {
        try await store.change(account, by: actor) {
            try update(id, patch, if: precondition, of: integration, $0)
        }
    }
}

extension RouteStore {
    @discardableResult
    func insert(
        _ draft: Draft,
        at position: Int?,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> PlacedRoute {
        try await store.change(account, by: actor) {
            try insert(draft, at: position, of: integration, $0)
        }
    }

    @discardableResult
    func update(
        _ id: RouteID,
        _ patch: Patch,
        if precondition: Precondition,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> PlacedRoute {
        try await store.change(account, by: actor) {
            try update(id, patch, if: precondition, of: integration, $0)
        }
    }

    @discardableResult
    func replace(
        with entries: [Entry],
        if precondition: Precondition,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> RouteList {
        try await store.change(account, by: actor) {
            try replace(with: entries, if: precondition, of: integration, $0)
        }
    }

    func delete(
        _ id: RouteID,
        if precondition: Precondition,
        of integration: IntegrationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) {
            try delete(id, if: precondition, of: integration, $0)
        }
    }
}

extension SeverityTableStore {
    func update(
        _ type: IntegrationType,
        _ changes: [EntryChange],
        fallback: Severity?,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> AccountSeverityTable {
        try await store.change(account, by: actor) {
            try update(type, changes, fallback: fallback, if: precondition, $0)
        }
    }

    func reset(
        _ type: IntegrationType,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) { try reset(type, if: precondition, $0) }
    }

    @discardableResult
    func replace(
        _ type: IntegrationType,
        with table: SeverityTable,
        if precondition: Precondition,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> AccountSeverityTable {
        try await store.change(account, by: actor) { try replace(type, with: table, if: precondition, $0) }
    }
}

extension NotifierStore {
    func rotateSecret(
        of id: NotifierID,
        of channel: ChannelID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> NewSecret {
        try await store.change(account, by: actor) { try rotateSecret(of: id, of: channel, $0) }
    }

    @discardableResult
    func insert(
        _ draft: Draft,
        of channel: ChannelID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> Report {
        try await store.change(account, by: actor) { try insert(draft, of: channel, $0) }
    }

    @discardableResult
    func update(
        _ id: NotifierID,
        _ patch: Patch,
        if precondition: Precondition,
        of channel: ChannelID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> Report {
        try await store.change(account, by: actor) {
            try update(id, patch, if: precondition, of: channel, $0)
        }
    }

    func delete(
        _ id: NotifierID,
        if precondition: Precondition,
        of channel: ChannelID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        try await store.change(account, by: actor) { try delete(id, if: precondition, of: channel, $0) }
    }
}

extension NotificationStore {
    func replayDead(
        of notifier: NotifierID,
        since: UnixTime?,
        until: UnixTime?,
        limit: Int,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> Int {
        try await store.change(account, by: actor, holding: .usage) {
            try replayDead(of: notifier, since: since, until: until, limit: limit, $0)
        }
    }

    @discardableResult
    func replay(
        _ id: NotificationID,
        in account: AccountNumber,
        by actor: Actor
    ) async throws -> Notification {
        try await store.change(account, by: actor, holding: .usage) { try replay(id, $0) }
    }
}

extension AlertStore {
    @discardableResult
    func close(_ id: AlertID, in account: AccountNumber, by actor: Actor) async throws -> Shown {
        try await store.change(account, by: actor, holding: .usage) { try close(id, $0) }
    }
}

extension HealthAlertStore {
    func put(_ channel: ChannelID?, in account: AccountNumber, by actor: Actor) async throws {
        _ = try await store.change(account, by: actor) { try put(channel, if: .none, $0) }
    }
}
