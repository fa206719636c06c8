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
    let keys: PushTokenKeys
    let store: Store
    let commit: GroupCommit
    let usage: UsageTracker
    let shares: ShareMeter
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
        let coding: BodyCoding
        let body: [UInt8]

        /// The same with its body unpacked.
        func unpacked(_ body: [UInt8]) -> Received {
            Received(arrival: arrival, contentType: contentType, address: address, coding: .none, body: body)
        }
    }

    /// The present time.
    var now: UnixTime { store.now }

    // MARK: Body

    /// Admits the body by its head.
    func admitBody(_ head: PushHead, _ admission: Admission) throws(PushRefusal) {
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
    ///
    /// `problem`: why its body could not be unpacked.
    private func prepare(
        _ received: Received,
        _ admission: Admission,
        _ owner: Owner,
        _ problem: DecodeError?
    ) -> Push {
        let mark = CrashGuard.mark(of: received.body)
        let found = store.received(
            received.body,
            contentType: received.contentType,
            mark: mark,
            as: owner.format,
            integration: owner.integration,
            from: received.address,
            refusal: admission.refusal,
            problem: problem
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
        let account = admission.token.account
        let isTaken: Bool
        if !received.coding.isNone {
            isTaken = store.work.submit(.pushes, of: account, bytes: received.body.count) {
                do throws(DecodeError) {
                    let body = try received.coding.unpacked(received.body)
                    self.store(received.unpacked(body), admission, problem: nil, done)
                } catch {
                    self.store(received, admission, problem: error, done)
                }
            }
        } else if let owner = admission.owner,
            !PushEffort.isSmall(received.body, received.contentType, owner.integration, owner.account)
        {
            isTaken = store.work.submit(.pushes, of: account, bytes: received.body.count) {
                self.store(received, admission, problem: nil, done)
            }
        } else {
            return store(received, admission, problem: nil, done)
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
        problem: DecodeError?,
        _ done: @escaping @Sendable (Result<AcceptedPush, PushRefusal>) -> Void
    ) {
        guard let owner = admission.owner else {
            // What can't be unpacked could only wait there to be kept as something else.
            if let problem {
                return done(.failure(PushRefusal(.invalidContentType, problem.detail, .failed)))
            }
            return spool(received, admission, done: done)
        }
        let push = prepare(received, admission, owner, problem)
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
    var result: PushResult { PushResult(rawValue: name) ?? .failed }

    /// What the owner is told; nil for what is not the integration's business.
    fileprivate init?(_ result: PushResult) {
        guard let reason = RefusalReason.allCases.first(where: { $0.name == result.rawValue }) else {
            return nil
        }
        self = reason
    }
}
