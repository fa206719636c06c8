import Domain
import Native
import SQL

/// The deliveries that were acknowledged and are not applied to their end, and how they go on. For one worker at a time.
package struct PendingDeliveries: Sendable {
    let store: Store

    /// The oldest such delivery of an account, at hand.
    package struct Work: Sendable {
        package let account: AccountNumber
        let id: DeliveryID
        let integrationID: IntegrationID
        let receivedAt: UnixTime
        let contentType: Text?
        let remoteAddress: Text?
        let events: [DecodedEvent]
        /// How many of them were applied.
        var appliedTo: Int
    }

    /// What came of a step.
    package enum Step: Sendable {
        /// There is more of this delivery.
        case more(Work)
        /// It is applied to its end.
        case finished
        /// Another process moved it meanwhile, or it is gone: look anew.
        case moved
        /// The account takes nothing at present: it is suspended.
        case suspended
    }

    /// The accounts that have one: one search of an index for each.
    package func accounts() async throws -> [AccountNumber] {
        try await store.database.read(.platform) { connection in
            var accounts: [AccountNumber] = []
            var last = AccountNumber.installation
            while let next = try Self.account(after: last, on: connection) {
                accounts.append(next)
                last = next
            }
            return accounts
        }
    }

    private static func account(
        after last: AccountNumber,
        on connection: any SQLConnection
    ) throws(SQLError) -> AccountNumber? {
        try connection.row(DeliverySlices.nextAccount, [.account(last)]) { row throws(SQLError) in
            AccountNumber(UInt32(truncatingIfNeeded: row.integer(0)))
        }
    }

    /// The oldest of an account, decoded; nil: there is none. One that can't be gone on with is ended: it keeps what was applied.
    package func oldest(of account: AccountNumber) async throws -> Work? {
        while true {
            guard let found = try await find(account) else { return nil }
            if let work = try await work(found, of: account) { return work }
        }
    }

    private struct Found: Sendable {
        let id: DeliveryID
        let appliedTo: Int
        /// nil: the delivery is no longer kept, or its body is not.
        let rest: Rest?
    }

    private struct Rest: Sendable {
        let integrationID: IntegrationID
        let receivedAt: UnixTime
        let contentType: Text?
        let remoteAddress: Text?
        let packedBody: [UInt8]
    }

    private func find(_ account: AccountNumber) async throws -> Found? {
        try await store.database.read(.of(account)) { connection in
            try connection.row(DeliverySlices.oldest, [.account(account)]) { row throws(SQLError) in
                let isKept = !row.isNull(2) && !row.isNull(6)
                let rest =
                    isKept
                    ? Rest(
                        integrationID: try row.id(2),
                        receivedAt: row.time(3),
                        contentType: row.optionalText(4),
                        remoteAddress: row.optionalText(5),
                        packedBody: row.bytes(6)
                    ) : nil
                return Found(id: try row.id(0), appliedTo: row.int(1), rest: rest)
            }
        }
    }

    private func work(_ found: Found, of account: AccountNumber) async throws -> Work? {
        guard let rest = found.rest else {
            try await end(found.id, of: account)
            return nil
        }
        guard let snapshot = try await store.snapshots.snapshot(of: account, now: store.now) else {
            // Deleted: what it holds goes with the account.
            return nil
        }
        guard let integration = snapshot.integrations.values.first(where: { $0.id == rest.integrationID }),
            let format = store.format(of: integration.type)
        else {
            try await end(found.id, of: account)
            return nil
        }
        let size = rest.packedBody.count
        let decoded = try await store.work.run(.background, of: account, bytes: size) { [store] in
            Packing.unpack(rest.packedBody).flatMap {
                try? store.decode($0, contentType: rest.contentType, as: format)
            }
        }
        guard case .events(let events)? = decoded, found.appliedTo < events.count else {
            try await end(found.id, of: account)
            return nil
        }
        return Work(
            account: account,
            id: found.id,
            integrationID: rest.integrationID,
            receivedAt: rest.receivedAt,
            contentType: rest.contentType,
            remoteAddress: rest.remoteAddress,
            events: events,
            appliedTo: found.appliedTo
        )
    }

    /// Applies a slice. Throws what the store throws.
    package func apply(_ work: Work, through commit: GroupCommit) async throws -> Step {
        guard let account = try await store.snapshots.snapshot(of: work.account, now: store.now),
            let integration = account.integrations.values.first(where: { $0.id == work.integrationID }),
            let format = store.format(of: integration.type)
        else { return .moved }
        let push = try await store.work.run(.background, of: work.account) { [store] in
            let decided = DeliverySlices.decide(
                work.events[work.appliedTo...],
                budget: DeliverySlices.laterBudget,
                integration: integration,
                account: account,
                vocabulary: format.severities,
                known: store.knownContents
            )
            return work.push(decided, integration: integration, account: account, format.severities)
        }
        do {
            let stored = try await commit.store(push, arrival: .now)
            guard let appliedTo = stored.appliedTo else { return .finished }
            var rest = work
            rest.appliedTo = appliedTo
            return .more(rest)
        } catch PushFailure.accountUnavailable {
            return .suspended
        } catch PushFailure.noLongerAdmitted {
            return .moved
        }
    }

    /// Nothing more is to be applied of it.
    private func end(_ id: DeliveryID, of account: AccountNumber) async throws {
        try await store.database.transaction(.of(account)) { connection in
            try AccountLock.usage(of: account, on: connection)
            try connection.run(DeliverySlices.removePending, [.account(account), .id(id)])
        }
    }
}

extension PendingDeliveries.Work {
    fileprivate func push(
        _ decided: [PreparedEvent],
        integration: IntegrationSnapshot,
        account: AccountSnapshot,
        _ vocabulary: SeverityVocabulary
    ) -> PreparedPush {
        PreparedPush(
            account: account,
            integration: integration,
            credential: nil,
            vocabulary: vocabulary,
            receivedAt: receivedAt,
            contentType: contentType,
            remoteAddress: remoteAddress,
            body: [],
            content: .events(decided),
            deliveryID: id,
            eventCount: events.count,
            firstPosition: appliedTo,
            isContinued: true
        )
    }
}
