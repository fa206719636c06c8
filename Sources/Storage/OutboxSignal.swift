import Domain

/// Says which notifiers have something new to send, so that nobody has to look. Only a hint: the outbox itself is in the store.
package final class OutboxSignal: Sendable {
    /// A notifier of an account.
    package struct Key: Hashable, Sendable {
        package let account: AccountNumber
        package let notifier: NotifierID

        package init(account: AccountNumber, notifier: NotifierID) {
            self.account = account
            self.notifier = notifier
        }
    }

    private struct State {
        var keys: Set<Key> = []
        var listener: AsyncStream<Void>.Continuation?
    }

    private let state = Lock(State())

    package init() {}

    /// Notes what was committed, or what has to be looked at again.
    package func raise(_ keys: Set<Key>) {
        guard !keys.isEmpty else { return }
        let listener = state.withLock { state in
            state.keys.formUnion(keys)
            return state.listener
        }
        listener?.yield()
    }

    /// An element each time something is noted, several at once as one. For one listener.
    package func changes() -> (stream: AsyncStream<Void>, wake: @Sendable () -> Void) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        state.withLock { $0.listener = continuation }
        return (stream, { continuation.yield() })
    }

    /// What was noted since the last call.
    package func take() -> Set<Key> {
        state.withLock { state in
            defer { state.keys = [] }
            return state.keys
        }
    }
}
