import Domain
import Storage

/// Lets so many through at the same time, in all and of one account; the others wait in order.
final class Gate: Sendable {
    private struct Waiter {
        let account: AccountNumber
        let enter: CheckedContinuation<Void, Never>
    }

    private struct State {
        var total = 0
        var byAccount: [AccountNumber: Int] = [:]
        var waiters: [Waiter] = []
    }

    private let state = Lock(State())
    private let total: Int
    private let perAccount: Int

    init(total: Int, perAccount: Int) {
        self.total = total
        self.perAccount = perAccount
    }

    /// Runs `body` once there is room.
    func pass<Result: Sendable>(
        _ account: AccountNumber,
        _ body: () async throws -> Result
    ) async throws -> Result {
        await enter(account)
        defer { leave(account) }
        return try await body()
    }

    private func enter(_ account: AccountNumber) async {
        await withCheckedContinuation { enter in
            let isFree = state.withLock { state in
                let isFree = hasRoom(for: account, state)
                if isFree {
                    take(account, &state)
                } else {
                    state.waiters.append(Waiter(account: account, enter: enter))
                }
                return isFree
            }
            if isFree { enter.resume() }
        }
    }

    private func leave(_ account: AccountNumber) {
        let next = state.withLock { state -> Waiter? in
            state.total -= 1
            let left = (state.byAccount[account] ?? 1) - 1
            state.byAccount[account] = left == 0 ? nil : left
            guard let index = state.waiters.firstIndex(where: { hasRoom(for: $0.account, state) }) else {
                return nil
            }
            let waiter = state.waiters.remove(at: index)
            take(waiter.account, &state)
            return waiter
        }
        next?.enter.resume()
    }

    private func hasRoom(for account: AccountNumber, _ state: State) -> Bool {
        state.total < total && (state.byAccount[account] ?? 0) < perAccount
    }

    private func take(_ account: AccountNumber, _ state: inout State) {
        state.total += 1
        state.byAccount[account, default: 0] += 1
    }
}
