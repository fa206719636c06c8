import Domain
import Storage

/// Bounds the memory that requests hold at one time, as their bytes come: all together, and those of one account, so that a tenant who holds
/// many back leaves room for the others.
package final class ByteBudget: Sendable {
    /// What there is no room in.
    package enum Shortage: Sendable, Equatable {
        /// The share of the account, of so many bytes.
        case share(Int)
        /// The whole.
        case total
    }

    private struct State {
        /// Below 0 when answers that could not be refused took more.
        var free: Int
        var taken: [AccountNumber: Int] = [:]
    }

    private let state: Lock<State>
    private let share: Int

    /// `bytes` in all, of which one account may have `share`.
    package init(bytes: Int, share: Int) {
        state = Lock(State(free: bytes))
        self.share = share
    }

    /// Takes room for so many more bytes; nil: they were taken.
    package func shortage(taking bytes: Int, for account: AccountNumber) -> Shortage? {
        state.withLock { state in
            let taken = state.taken[account, default: 0] + bytes
            guard taken <= share else { return .share(share) }
            guard bytes <= state.free else { return .total }
            state.free -= bytes
            state.taken[account] = taken
            return nil
        }
    }

    /// Takes room for so many more bytes; false when there is none.
    package func take(_ bytes: Int, for account: AccountNumber) -> Bool {
        shortage(taking: bytes, for: account) == nil
    }

    /// Counts bytes that are held already, whether there is room or not.
    package func force(_ bytes: Int, for account: AccountNumber) {
        state.withLock { state in
            state.free -= bytes
            state.taken[account, default: 0] += bytes
        }
    }

    /// Gives back what was taken.
    package func giveBack(_ bytes: Int, of account: AccountNumber) {
        guard bytes > 0 else { return }
        state.withLock { state in
            state.free += bytes
            let left = (state.taken[account] ?? 0) - bytes
            state.taken[account] = left > 0 ? left : nil
        }
    }

    /// Bytes that are taken now.
    package func taken(by account: AccountNumber) -> Int {
        state.withLock { $0.taken[account] ?? 0 }
    }
}
