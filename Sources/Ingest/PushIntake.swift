import Domain
import HTTPTypes
import Hummingbird
import NIOCore
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
package struct PushIntake: Sendable {
    private let keys: PushTokenKeys
    private let store: Store
    private let commit: GroupCommit
    private let usage: UsageTracker
    private let shares: ShareMeter
    private let bodies: BodyBudget

    package init(keys: PushTokenKeys, store: Store, commit: GroupCommit, usage: UsageTracker) {
        self.keys = keys
        self.store = store
        self.commit = commit
        self.usage = usage
        shares = ShareMeter()
        bodies = BodyBudget(bytes: 256 << 20)
    }

    /// What a token with a right MAC belongs to.
    private struct Admission {
        let account: AccountSnapshot
        let integration: IntegrationSnapshot
        let credential: IntegrationSnapshot.Credential
        let format: any PushFormat
        /// Why it is kept but not applied.
        let refusal: RefusalReason?
    }

    /// Takes one push; returns when it is on disk.
    func take(
        _ token: PushToken,
        type: IntegrationType?,
        _ request: Request,
        arrival: ContinuousClock.Instant,
        address: Text?,
        connection: any NIOCore.Channel
    ) async throws -> AcceptedPush {
        guard keys.verify(token) else { throw PushRefusal.unauthorized(.forgedToken) }
        let now = store.now
        let admission = try await admit(token, type: type, at: now)
        if let refusal = admission.refusal {
            await keepRefused(token, admission, request, arrival: arrival, at: now, address, connection)
            throw PushRefusal.unauthorized(refusal.result)
        }
        let push = try await prepare(admission, request, at: now, address, connection)
        let isOverShare = shares.isOver(token, limit: admission.integration.rateLimit, at: now)
        let stored = try await store(
            push.prepared,
            admission,
            arrival: arrival,
            isOverShare: isOverShare,
            at: now
        )
        return try push.answer(stored)
    }

    /// Keeps a push that its owner may want to see and replay, if it can be kept: whatever comes of that, the answer is the one 401.
    private func keepRefused(
        _ token: PushToken,
        _ admission: Admission,
        _ request: Request,
        arrival: ContinuousClock.Instant,
        at now: UnixTime,
        _ address: Text?,
        _ connection: any NIOCore.Channel
    ) async {
        guard shares.mayKeepRefused(token, at: now),
            let push = try? await prepare(admission, request, at: now, address, connection)
        else { return }
        _ = try? await commit.store(push.prepared, arrival: arrival)
    }

    // MARK: Credential

    private func admit(_ token: PushToken, type: IntegrationType?, at now: UnixTime) async throws -> Admission
    {
        let snapshot: AccountSnapshot?
        do {
            snapshot = try await store.snapshots.snapshot(of: token.account, now: now)
        } catch {
            throw PushRefusal(.storeUnavailable)
        }
        guard let account = snapshot, let integration = account.integrations[token.integration],
            let (credential, refusal) = integration.admission(of: token, at: now),
            let format = store.format(of: integration.type)
        else { throw PushRefusal.unauthorized(.unknownToken) }
        let reason: RefusalReason? = account.isActive ? refusal : .accountSuspended
        let final = reason ?? (type.map { $0 != integration.type } == true ? .wrongType : nil)
        if let final {
            usage.refused(final, integration: integration.id, account: account.number, at: now)
            guard final == .expired || final == .integrationDisabled else {
                throw PushRefusal.unauthorized(final.result)
            }
        }
        return Admission(
            account: account,
            integration: integration,
            credential: credential,
            format: format,
            refusal: final
        )
    }

    // MARK: Body and decoding

    /// A push ready for the writer and what to answer once it is stored.
    private struct Push {
        let prepared: PreparedPush
        let failure: DecodeError?

        func answer(_ stored: StoredPush) throws(PushRefusal) -> AcceptedPush {
            if let failure {
                let code: PushRefusal.Code = failure == .tooManyAlerts ? .entityTooLarge : .invalidParameter
                throw PushRefusal(code, failure.detail, .quarantined, deliveryID: stored.deliveryID)
            }
            let isTest = if case .test = prepared.content { true } else { false }
            return AcceptedPush(
                deliveryID: stored.deliveryID,
                isTest: isTest,
                eventCount: prepared.events.count,
                alertKeys: prepared.events.prefix(100).map(\.event.alertKey)
            )
        }
    }

    private func prepare(
        _ admission: Admission,
        _ request: Request,
        at now: UnixTime,
        _ address: Text?,
        _ connection: any NIOCore.Channel
    ) async throws -> Push {
        let body = try await body(of: request, admission, at: now, connection)
        let contentType = request.headers[.contentType].map { Text($0) }
        let mark = CrashGuard.mark(of: body)
        let (content, failure) = decode(body, mark, admission)
        let prepared = PreparedPush(
            account: admission.account,
            integration: admission.integration,
            credential: admission.credential.id,
            vocabulary: admission.format.severities,
            receivedAt: now,
            contentType: contentType,
            remoteAddress: address,
            body: body,
            mark: mark,
            content: content
        )
        return Push(prepared: prepared, failure: failure)
    }

    private func decode(
        _ body: [UInt8],
        _ mark: UInt64,
        _ admission: Admission
    ) -> (PreparedPush.Content, DecodeError?) {
        if let refusal = admission.refusal { return (.refused(reason: refusal.name), nil) }
        do {
            switch try store.decode(body, mark: mark, as: admission.format) {
            case .test: return (.test, nil)
            case .events(let events):
                let vocabulary = admission.format.severities
                return (
                    .events(
                        events.map {
                            PreparedEvent(
                                $0,
                                integration: admission.integration,
                                account: admission.account,
                                vocabulary: vocabulary
                            )
                        }
                    ), nil
                )
            }
        } catch {
            return (.quarantined(reason: error.reason), error)
        }
    }

    private func body(
        of request: Request,
        _ admission: Admission,
        at now: UnixTime,
        _ connection: any NIOCore.Channel
    ) async throws -> [UInt8] {
        func refuse(_ reason: RefusalReason, _ code: PushRefusal.Code, _ message: String) -> PushRefusal {
            // One that is refused anyway was counted as such.
            guard admission.refusal == nil else { return PushRefusal(code, message, reason.result) }
            usage.refused(
                reason,
                integration: admission.integration.id,
                account: admission.account.number,
                at: now
            )
            return PushRefusal(code, message, reason.result)
        }
        if let encoding = request.headers[.contentEncoding], encoding != "identity" {
            throw refuse(.contentEncoding, .invalidContentType, "Send the body without Content-Encoding.")
        }
        let tooLarge = "The body is larger than \(Limits.pushBytes) bytes: send fewer alerts at a time."
        let announced = request.headers[.contentLength].flatMap { Int($0) }
        if let announced, announced > Limits.pushBytes { throw refuse(.tooLarge, .entityTooLarge, tooLarge) }
        guard let reservation = bodies.reserve(announced ?? Limits.pushBytes) else {
            throw refuse(.overloaded, .serviceUnavailable, "Too much to do at present: try again.")
        }
        defer { bodies.giveBack(reservation) }
        if request.headers[.expect] == "100-continue" { try await Continue.send(on: connection) }
        do {
            let buffer = try await request.body.collect(upTo: Limits.pushBytes)
            return Array(buffer.readableBytesView)
        } catch is NIOTooManyBytesError {
            throw refuse(.tooLarge, .entityTooLarge, tooLarge)
        } catch {
            throw PushRefusal(.invalidParameter, "The body did not come whole.", .badRequest)
        }
    }

    // MARK: Commit

    private func store(
        _ push: PreparedPush,
        _ admission: Admission,
        arrival: ContinuousClock.Instant,
        isOverShare: Bool,
        at now: UnixTime
    ) async throws -> StoredPush {
        let (account, integration) = (admission.account.number, admission.integration.id)
        do {
            let stored = try await commit.store(push, arrival: arrival, isOverShare: isOverShare)
            usage.delivered(
                admission.credential.id,
                integration: integration,
                account: account,
                at: now,
                from: push.remoteAddress
            )
            return stored
        } catch let failure as PushFailure {
            let refusal = PushRefusal(failure)
            if let reason = RefusalReason(refusal.result) {
                usage.refused(reason, integration: integration, account: account, at: now)
            }
            throw refusal
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
