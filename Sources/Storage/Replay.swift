import Domain
import Native
import SQL

extension DeliveryStore {
    /// Runs a stored delivery again under the present configuration.
    ///
    /// Each (event, channel) of a delivery takes effect at most once, however often it is replayed. The time of the replay counts as the
    /// received time. What still can't be decoded, and a test, change nothing.
    ///
    /// - Returns: the delivery as it is now, and how many (event, channel) pairs took effect now.
    /// - Throws: `notFound`; `bodyPurged`; `conflict` when its integration is gone; `PushFailure`.
    package func replay(
        _ id: DeliveryID,
        in account: AccountNumber,
        by actor: Actor,
        through commit: GroupCommit
    ) async throws -> (detail: Detail, applied: Int) {
        let detail = try await find(id, in: account)
        guard let body = detail.body else { throw StoreError.bodyPurged }
        let now = store.now
        guard let number = try await number(of: detail.delivery.integrationID, in: account),
            let snapshot = try await store.snapshots.snapshot(of: account, now: now),
            let integration = snapshot.integrations[number],
            let format = store.format(of: integration.type)
        else { throw StoreError.conflict("The integration of this delivery is gone.") }
        guard case .events(let events) = try? store.decode(body, as: format) else { return (detail, 0) }
        let prepared = events.map {
            PreparedEvent(
                $0,
                integration: integration,
                account: snapshot,
                vocabulary: format.severities,
                known: store.knownContents
            )
        }
        let push = PreparedPush(
            account: snapshot,
            integration: integration,
            credential: nil,
            vocabulary: format.severities,
            receivedAt: now,
            contentType: detail.delivery.contentType,
            remoteAddress: detail.delivery.remoteAddress,
            body: body,
            content: .events(prepared),
            replay: .init(deliveryID: id, earlier: detail.results.map(\.outcome))
        )
        let stored = try await commit.store(push, arrival: .now)
        try await audit(id, applied: stored.applied, in: account, by: actor)
        return (try await find(id, in: account), stored.applied)
    }

    private func audit(
        _ id: DeliveryID,
        applied: Int,
        in account: AccountNumber,
        by actor: Actor
    ) async throws {
        let identifiers = store.identifiers
        try await store.database.transaction(.of(account)) { connection in
            try ConfigurationWrite.audit(
                "delivery.replay",
                id.description,
                account: account,
                actor: actor,
                at: identifiers.now,
                id: identifiers.next(),
                on: connection
            ) { $0.field("applied", applied) }
        }
    }
}
