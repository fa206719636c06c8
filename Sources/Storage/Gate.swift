import Domain

/// Lets so many through at the same time, in all and of one account; the others wait, in turn by account.
package final class Gate: Sendable {
    private typealias Enter = CheckedContinuation<Void, any Error>

    private let state: Lock<Turnstile<AccountNumber, Enter>>

    /// `waiting`: how many of one account may wait.
    package init(total: Int, perAccount: Int, waiting: Int) {
        state = Lock(Turnstile(total: total, perKey: perAccount, waiting: waiting))
    }

    /// Runs `body` once there is room. Throws `WorkPool.Full` when too many of the account wait, and what `body` throws.
    package func pass<Result: Sendable>(
        _ account: AccountNumber,
        _ body: () async throws -> Result
    ) async throws -> Result {
        try await enter(account)
        defer { leave(account) }
        return try await body()
    }

    private func enter(_ account: AccountNumber) async throws {
        try await withCheckedThrowingContinuation { (caller: Enter) in
            switch state.withLock({ $0.enter(account, caller) }) {
            case .goesOn: caller.resume()
            case .waits: break
            case .isRefused: caller.resume(throwing: WorkPool.Full())
            }
        }
    }

    private func leave(_ account: AccountNumber) {
        state.withLock { $0.leave(account) }?.resume()
    }
}
