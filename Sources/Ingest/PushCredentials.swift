import Domain
import Storage

/// Steps 1 and 2 of a push: its token, and what that may do.
extension PushIntake {
    /// Checks the MAC. Where the token is carried more than once, all must be the same.
    func token(_ carried: [[UInt8]]) throws(PushRefusal) -> PushToken {
        guard let first = carried.first else { throw .unauthorized(.malformedToken) }
        guard carried.allSatisfy({ $0 == first }) else {
            tellConflict(carried)
            throw .unauthorized(.conflictingTokens)
        }
        guard let token = PushToken(first) else { throw .unauthorized(.malformedToken) }
        guard keys.verify(token) else { throw .unauthorized(.forgedToken) }
        return token
    }

    /// Tells the owners of tokens that came together with another one.
    private func tellConflict(_ carried: [[UInt8]]) {
        let tokens = Set(carried.prefix(Self.mostCarried)).compactMap { PushToken($0) }.filter(keys.verify)
        guard !tokens.isEmpty else { return }
        Task { [store, usage] in
            var told: Set<IntegrationID> = []
            for token in tokens {
                let now = store.now
                guard let account = try? await store.snapshots.snapshot(of: token.account, now: now),
                    let integration = account.integrations[token.integration],
                    integration.admission(of: token, at: now) != nil, told.insert(integration.id).inserted
                else { continue }
                let reason = RefusalReason.conflictingTokens
                usage.refused(reason, integration: integration.id, account: account.number, at: now)
            }
        }
    }

    /// Tokens of a request whose owners are told.
    private static let mostCarried = 4

    /// The configuration of the token's account, when it is at hand. One that does not know the token may be
    /// older than the token, where other nodes issue push URLs, too: then it is to be loaded.
    func cached(_ token: PushToken) -> AccountSnapshot? {
        guard let account = store.snapshots.cached(token.account) else { return nil }
        return !store.isShared || account.knows(token, at: store.now) ? account : nil
    }

    /// Loads the configuration of the token's account and admits the token by it. Where other nodes issue
    /// push URLs, too, one that does not know the token counts only when its load began after the push came,
    /// at `arrival`.
    func load(
        _ token: PushToken,
        type: IntegrationType?,
        arrival: ContinuousClock.Instant
    ) async throws(PushRefusal) -> Admission {
        var account: AccountSnapshot?
        do {
            guard !commit.isDatabaseAway else { throw PushFailure.storeUnavailable }
            let (number, now) = (token.account, store.now)
            account = try await store.snapshots.snapshot(of: number, now: now)
            if store.isShared, account?.knows(token, at: now) != true {
                account = try await store.snapshots.snapshot(of: number, since: arrival, now: now)
            }
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
}

extension AccountSnapshot {
    /// Whether it has the token's push URL, in whatever state.
    fileprivate func knows(_ token: PushToken, at now: UnixTime) -> Bool {
        integrations[token.integration]?.admission(of: token, at: now) != nil
    }
}
