import Domain
import Native
import Storage
import Web

/// Steps 1 to 8 of a push, from its token to the disk.
///
///     1 token       MAC in constant time, before the body is read, without the store
///     2 credential  issued, expired, revoked? integration and account enabled? type?    (snapshot)
///     3 admission   size of the body, share of the integration                          (memory)
///     4 decode      bytes to events                                                     (pure)
///     5 severity, 6 route: `PreparedEvent`                                              (pure)
///     7 reduce, 8 commit: `GroupCommit`
///
/// No step blocks or awaits but the load of a snapshot that is not at hand; `PushDoor` calls them on the event loop. What may take longer than
/// some microseconds of 4 to 6 is done in the account's turn of `WorkPool`.
package struct PushIntake: Sendable {
    private let keys: PushTokenKeys
    private let store: Store
    private let commit: GroupCommit
    private let usage: UsageTracker
    private let shares: ShareMeter
    let bodies: ByteBudget

    package init(keys: PushTokenKeys, store: Store, commit: GroupCommit, usage: UsageTracker) {
        self.keys = keys
        self.store = store
        self.commit = commit
        self.usage = usage
        shares = ShareMeter()
        bodies = ByteBudget(bytes: 256 << 20, share: 64 << 20)
    }

    /// Whose push it is.
    struct Owner: Sendable {
        let account: AccountSnapshot
        let integration: IntegrationSnapshot
        let credential: IntegrationSnapshot.Credential
        let format: any PushFormat
    }

    /// What a token with a right MAC may do.
    struct Admission: Sendable {
        let token: PushToken
        /// nil: the account's configuration is not at hand and the database is away. Whether the token is good is found out when the push
        /// is applied.
        let owner: Owner?
        /// When the push came.
        let now: UnixTime
        /// Why it is kept but not applied.
        let refusal: RefusalReason?
    }

    /// What of a request is kept beside its events.
    struct Received: Sendable {
        let arrival: ContinuousClock.Instant
        let contentType: Text?
        let address: Text?
        let body: [UInt8]
    }

    /// The present time.
    var now: UnixTime { store.now }

    // MARK: Token and credential

    /// Checks the MAC. Where the token is carried more than once, all must be the same.
    func token(_ carried: [[UInt8]]) throws(PushRefusal) -> PushToken {
        guard let first = carried.first, carried.allSatisfy({ $0 == first }), let token = PushToken(first)
        else { throw .unauthorized(.malformedToken) }
        guard keys.verify(token) else { throw .unauthorized(.forgedToken) }
        return token
    }

    /// The configuration of the token's account, when it is at hand. One that does not know the token may be older than the token, where
    /// other nodes issue push URLs, too: then it is to be loaded.
    func cached(_ token: PushToken) -> AccountSnapshot? {
        guard let account = store.snapshots.cached(token.account) else { return nil }
        if account.integrations[token.integration]?.admission(of: token, at: store.now) != nil {
            return account
        }
        return store.isShared && store.snapshots.dropOld(token.account) ? nil : account
    }

    /// Loads the configuration of the token's account and admits the token by it.
    func load(_ token: PushToken, type: IntegrationType?) async throws(PushRefusal) -> Admission {
        let account: AccountSnapshot?
        do {
            guard !commit.isDatabaseAway else { throw PushFailure.storeUnavailable }
            account = try await store.snapshots.snapshot(of: token.account, now: store.now)
        } catch {
            // One whose configuration can't be read would wait in the spool for nothing.
            guard commit.canSpool, !error.isUnreadable else { throw PushRefusal(.storeUnavailable) }
            return Admission(token: token, owner: nil, now: store.now, refusal: nil)
        }
        return try admit(token, to: account, type: type)
    }

    /// What a token with a right MAC may do.
    func admit(
        _ token: PushToken,
        to account: AccountSnapshot?,
        type: IntegrationType?
    ) throws(PushRefusal) -> Admission {
        let now = store.now
        guard let account, let integration = account.integrations[token.integration],
            let (credential, refusal) = integration.admission(of: token, at: now),
            let format = store.format(of: integration.type)
        else { throw .unauthorized(.unknownToken) }
        let reason: RefusalReason? = account.isActive ? refusal : .accountSuspended
        let final = reason ?? (type.map { $0 != integration.type } == true ? .wrongType : nil)
        if let final {
            usage.refused(final, integration: integration.id, account: account.number, at: now)
            guard final == .expired || final == .integrationDisabled, shares.mayKeepRefused(token, at: now)
            else { throw .unauthorized(final.result) }
        }
        let owner = Owner(
            account: account,
            integration: integration,
            credential: credential,
            format: format
        )
        return Admission(token: token, owner: owner, now: now, refusal: final)
    }

    /// Admits the body by its head.
    func admitBody(_ head: PushHead, _ admission: Admission) throws(PushRefusal) {
        if let encoding = head.contentEncoding, encoding != "identity" {
            throw refuse(
                .contentEncoding,
                PushRefusal(.invalidContentType, "Send the body without Content-Encoding.", .contentEncoding),
                admission
            )
        }
        if let announced = head.contentLength, announced > Limits.pushBytes { throw tooLarge(admission) }
    }

    /// Admits a body of which `count` bytes came, for which `taken` are taken already: how many are taken now, to be given back to
    /// `bodies` when it was read.
    func admitBody(of count: Int, taken: Int, _ admission: Admission) throws(PushRefusal) -> Int {
        if count > Limits.pushBytes { throw tooLarge(admission) }
        let needed = max(0, count - ByteBudget.freeBytes)
        guard needed > taken else { return taken }
        guard bodies.take(needed - taken, for: admission.token.account) else {
            throw refuse(
                .overloaded,
                PushRefusal(.serviceUnavailable, "Too much to do at present: try again.", .overloaded),
                admission
            )
        }
        return needed
    }

    /// The refusal of a body of more than `Limits.pushBytes`.
    private func tooLarge(_ admission: Admission) -> PushRefusal {
        let message = "The body is larger than \(Limits.pushBytes) bytes: send fewer alerts at a time."
        return refuse(.tooLarge, PushRefusal(.entityTooLarge, message, .tooLarge), admission)
    }

    /// Tells the owner. One that is refused anyway was counted as such, and its answer is the one 401.
    private func refuse(
        _ reason: RefusalReason,
        _ refusal: PushRefusal,
        _ admission: Admission
    ) -> PushRefusal {
        if let earlier = admission.refusal { return .unauthorized(earlier.result) }
        if let owner = admission.owner {
            usage.refused(
                reason,
                integration: owner.integration.id,
                account: owner.account.number,
                at: admission.now
            )
        }
        return refusal
    }

    // MARK: Decoding

    /// A push ready for the writer and what to answer once it is stored.
    private struct Push: Sendable {
        let prepared: PreparedPush
        /// Of its first 100 events.
        let alertKeys: [Text]
        let owner: Owner
        let admission: Admission

        /// What the writer found, which may know newer rules; where it was not asked, what was found before.
        func quarantine(_ stored: StoredPush) -> Quarantine? { stored.quarantine ?? prepared.quarantine }

        func answer(_ stored: StoredPush) throws(PushRefusal) -> AcceptedPush {
            if let refusal = admission.refusal { throw .unauthorized(refusal.result) }
            if let quarantine = quarantine(stored) { throw PushRefusal(quarantine, stored.deliveryID) }
            let isTest = if case .test = prepared.content { true } else { false }
            return AcceptedPush(
                deliveryID: stored.deliveryID,
                isTest: isTest,
                eventCount: prepared.eventCount,
                alertKeys: alertKeys
            )
        }
    }

    /// Decodes the body and decides on its first events. Costs about 10 us an alert, and what the account's configuration costs.
    private func prepare(_ received: Received, _ admission: Admission, _ owner: Owner) -> Push {
        let mark = CrashGuard.mark(of: received.body)
        let found = store.received(
            received.body,
            mark: mark,
            as: owner.format,
            integration: owner.integration,
            from: received.address,
            refusal: admission.refusal
        )
        let (content, eventCount) = store.prepared(
            found,
            integration: owner.integration,
            account: owner.account,
            vocabulary: owner.format.severities
        )
        let prepared = PreparedPush(
            account: owner.account,
            integration: owner.integration,
            credential: owner.credential.id,
            vocabulary: owner.format.severities,
            receivedAt: admission.now,
            contentType: received.contentType,
            remoteAddress: received.address,
            body: received.body,
            mark: mark,
            content: content,
            eventCount: eventCount
        )
        var keys: [Text] = []
        if case .events(let events) = found { keys = events.prefix(100).map(\.alertKey) }
        return Push(prepared: prepared, alertKeys: keys, owner: owner, admission: admission)
    }

    // MARK: Commit

    /// Stores a push. `done` gets the answer, once it is on disk or refused, on the writer's thread: it must be quick.
    ///
    /// What takes microseconds is done at once, on the caller's event loop; what may take longer in the account's turn, on threads for such
    /// work.
    func store(
        _ received: Received,
        _ admission: Admission,
        done: @escaping @Sendable (Result<AcceptedPush, PushRefusal>) -> Void
    ) {
        guard let owner = admission.owner else { return spool(received, admission, done: done) }
        guard !PushEffort.isSmall(received.body, owner.integration, owner.account) else {
            return store(received, admission, owner, done)
        }
        let bytes = received.body.count
        let isTaken = store.work.submit(.pushes, of: owner.account.number, bytes: bytes) {
            self.store(received, admission, owner, done)
        }
        guard !isTaken else { return }
        done(
            .failure(
                refuse(
                    .overloaded,
                    PushRefusal(.serviceUnavailable, "Too much to do at present: try again.", .overloaded),
                    admission
                )
            )
        )
    }

    private func store(
        _ received: Received,
        _ admission: Admission,
        _ owner: Owner,
        _ done: @escaping @Sendable (Result<AcceptedPush, PushRefusal>) -> Void
    ) {
        let push = prepare(received, admission, owner)
        let isOverShare =
            admission.refusal == nil
            && shares.isOver(admission.token, limit: owner.integration.rateLimit, at: admission.now)
        commit.submit(push.prepared, arrival: received.arrival, isOverShare: isOverShare) { [usage] result in
            done(Self.answer(result, push, usage))
        }
    }

    /// Keeps a push whose owner is not known yet.
    private func spool(
        _ received: Received,
        _ admission: Admission,
        done: @escaping @Sendable (Result<AcceptedPush, PushRefusal>) -> Void
    ) {
        let entry = Spool.Entry(
            id: store.identifiers.next(),
            token: admission.token,
            receivedAt: admission.now,
            contentType: received.contentType,
            remoteAddress: received.address,
            body: received.body
        )
        commit.submit(entry, arrival: received.arrival) { result in
            done(
                result
                    .map {
                        AcceptedPush(deliveryID: $0.deliveryID, isTest: false, eventCount: 0, alertKeys: [])
                    }
                    .mapError { PushRefusal($0) }
            )
        }
    }

    private static func answer(
        _ result: Result<StoredPush, PushFailure>,
        _ push: Push,
        _ usage: UsageTracker
    ) -> Result<AcceptedPush, PushRefusal> {
        let admission = push.admission
        let (account, integration) = (push.owner.account.number, push.owner.integration.id)
        switch result {
        case .success(let stored):
            if admission.refusal == nil {
                usage.stored(
                    push.owner.credential.id,
                    integration: integration,
                    account: account,
                    at: admission.now,
                    from: push.prepared.remoteAddress,
                    quarantine: push.quarantine(stored)
                )
            }
            return Result { () throws(PushRefusal) in try push.answer(stored) }
        case .failure(let failure):
            if let refusal = admission.refusal { return .failure(.unauthorized(refusal.result)) }
            let refusal = PushRefusal(failure)
            if let reason = RefusalReason(refusal.result) {
                usage.refused(reason, integration: integration, account: account, at: admission.now)
            }
            return .failure(refusal)
        }
    }
}

extension RefusalReason {
    /// As the metric counts it.
    fileprivate var result: PushResult { PushResult(rawValue: name) ?? .failed }

    /// What the owner is told; nil for what is not the integration's business.
    fileprivate init?(_ result: PushResult) {
        guard let reason = RefusalReason.allCases.first(where: { $0.name == result.rawValue }) else {
            return nil
        }
        self = reason
    }
}
