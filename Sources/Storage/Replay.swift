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
        guard detail.delivery.appliedTo == nil else {
            throw StoreError.conflict("This delivery is still being applied: ask again in a moment.")
        }
        let now = store.now
        guard let number = try await number(of: detail.delivery.integrationID, in: account),
            let snapshot = try await store.snapshots.snapshot(of: account, now: now),
            let integration = snapshot.integrations[number],
            let format = store.format(of: integration.type)
        else { throw StoreError.conflict("The integration of this delivery is gone.") }
        let decoded: DecodedDelivery
        do {
            decoded = try await store.decode(
                body,
                contentType: detail.delivery.contentType,
                as: format,
                in: account
            )
        } catch is DecodeError {
            return (detail, 0)
        }
        guard case .events(let events) = decoded else { return (detail, 0) }
        let replay = SlicedReplay(
            detail: detail,
            body: body,
            events: events,
            account: snapshot,
            integration: integration,
            vocabulary: format.severities,
            now: now
        )
        let applied = try await run(replay, through: commit)
        try await store.change(account, by: actor) { write in
            try write.note("delivery.replay", id.description) { $0.field("applied", applied) }
        }
        return (try await find(id, in: account), applied)
    }

    /// A delivery that is run again, as many events at a time as go into one transaction.
    private struct SlicedReplay: Sendable {
        let detail: Detail
        let body: [UInt8]
        let events: [DecodedEvent]
        let account: AccountSnapshot
        let integration: IntegrationSnapshot
        let vocabulary: SeverityVocabulary
        let now: UnixTime

        /// What is to be applied from `position` on.
        func push(_ events: [PreparedEvent], from position: Int) -> PreparedPush {
            PreparedPush(
                account: account,
                integration: integration,
                credential: nil,
                vocabulary: vocabulary,
                receivedAt: now,
                contentType: detail.delivery.contentType,
                remoteAddress: detail.delivery.remoteAddress,
                body: body,
                content: .events(events),
                replay: .init(deliveryID: detail.delivery.id, earlier: detail.results.map(\.outcome)),
                eventCount: self.events.count,
                firstPosition: position
            )
        }
    }

    /// Answers how many (event, channel) pairs took effect.
    private func run(_ replay: SlicedReplay, through commit: GroupCommit) async throws -> Int {
        var (position, applied) = (0, 0)
        while position < replay.events.count {
            let start = position
            let push = try await store.work.run(.calls, of: replay.account.number) { [store] in
                let decided = DeliverySlices.decide(
                    replay.events[start...],
                    integration: replay.integration,
                    account: replay.account,
                    vocabulary: replay.vocabulary,
                    known: store.knownContents
                )
                return replay.push(decided, from: start)
            }
            let stored = try await commit.store(push, arrival: .now)
            applied += stored.applied
            position = stored.appliedTo ?? replay.events.count
        }
        return applied
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
                contentType: detail.delivery.contentType,
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
