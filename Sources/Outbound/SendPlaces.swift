import Domain
import Synchronization

/// How many messages may be under way: so many of an account, and of it so many to one receiver. What is more
/// waits, in its order.
///
/// - Rule: places at a receiver are counted for each account. Why: many tenants share the large receivers.
///   Otherwise: one whose messages are answered slowly would hold up all the others' there.
package final class SendPlaces: Sendable {
    private struct Receiver: Hashable {
        let account: AccountNumber
        let site: Site
    }

    private let accounts: Places<AccountNumber>
    private let receivers: Places<Receiver>

    /// `perReceiver`: messages of one account to one receiver; `perAccount`: to all of them; `total`: of all
    /// accounts.
    package init(perReceiver: Int, perAccount: Int = 64, total: Int = 512) {
        accounts = Places(total: total, perKey: perAccount)
        receivers = Places(total: .max, perKey: perReceiver)
    }

    /// Runs `body` in a place. Throws what it throws, and `CancellationError` when the task is cancelled
    /// while it waits.
    package func with<Result>(
        _ account: AccountNumber,
        _ site: Site,
        _ body: () async throws -> Result
    ) async throws -> Result {
        let receiver = Receiver(account: account, site: site)
        try await receivers.enter(receiver)
        defer { receivers.leave(receiver) }
        try await accounts.enter(account)
        defer { accounts.leave(account) }
        return try await body()
    }
}

/// Places that tasks wait for.
private final class Places<Key: Hashable & Sendable>: Sendable {
    private let turnstile: Mutex<Turnstile<Key, Ticket<Key>>>

    init(total: Int, perKey: Int) {
        turnstile = Mutex(Turnstile(total: total, perKey: perKey, waiting: .max))
    }

    func enter(_ key: Key) async throws {
        let ticket = Ticket(key: key)
        if case .goesOn = turnstile.withLock({ $0.enter(key, ticket) }) { return }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { ticket.wait($0) }
        } onCancel: {
            ticket.giveUp()
        }
    }

    /// Leaves the place to the next one that still waits.
    func leave(_ key: Key) {
        var key = key
        while let next = turnstile.withLock({ $0.leave(key) }), !next.pass() { key = next.key }
    }
}

/// One that waits for a place.
private final class Ticket<Key: Sendable>: Sendable {
    private enum State {
        case new
        case waits(CheckedContinuation<Void, any Error>)
        case passed
        case gone
    }

    let key: Key
    private let state = Mutex(State.new)

    init(key: Key) {
        self.key = key
    }

    /// It is its turn. False: it went away before.
    func pass() -> Bool {
        state.withLock { state in
            switch state {
            case .waits(let continuation): continuation.resume()
            case .new, .passed: break
            case .gone: return false
            }
            state = .passed
            return true
        }
    }

    func wait(_ continuation: CheckedContinuation<Void, any Error>) {
        state.withLock { state in
            switch state {
            case .new, .waits: state = .waits(continuation)
            case .passed: continuation.resume()
            case .gone: continuation.resume(throwing: CancellationError())
            }
        }
    }

    /// Goes away, unless it is through already.
    func giveUp() {
        state.withLock { state in
            if case .passed = state { return }
            if case .waits(let continuation) = state { continuation.resume(throwing: CancellationError()) }
            state = .gone
        }
    }
}
