import Domain
import Native
import SQL

extension DeliveryStore {
    /// Runs a stored delivery again under the present configuration.
    ///
    /// Each (event, channel) of a delivery takes effect at most once, however often it is replayed. The time of the replay counts as the
    /// received time. What still can't be decoded, and a test, change nothing. The integration's source rules are not asked: who replays
    /// what they quarantined has looked at it and takes it.
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
        try await store.change(account, by: actor) { write in
            try write.note("delivery.replay", id.description) { $0.field("applied", stored.applied) }
        }
        return (try await find(id, in: account), stored.applied)
    }

    /// What a replay would answer now: the delivery with the results that it would have, and how many (event, channel) pairs would take
    /// effect. Changes nothing.
    ///
    /// - Throws: `notFound`; `bodyPurged`; `conflict` when its integration is gone.
    package func tryReplay(
        _ id: DeliveryID,
        in account: AccountNumber
    ) async throws -> (detail: Detail, applied: Int) {
        let detail = try await find(id, in: account)
        guard let body = detail.body else { throw StoreError.bodyPurged }
        let simulation: Simulation
        do {
            simulation = try await store.simulate(
                body,
                integration: detail.delivery.integrationID,
                draft: Simulation.Draft(routes: nil, severityTable: nil),
                replaying: detail.results.map(\.outcome),
                in: account
            )
        } catch StoreError.notFound {
            throw StoreError.conflict("The integration of this delivery is gone.")
        }
        guard simulation.disposition == .accepted else { return (detail, 0) }
        let result = Detail(delivery: detail.delivery, body: body, results: simulation.results)
        return (result, simulation.applied)
    }
}
