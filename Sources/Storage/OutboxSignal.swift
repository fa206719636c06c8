import Domain

/// Says which notifiers have something new to send, so that nobody has to look. Only a hint: the outbox itself is in the store.
package final class OutboxSignal: Sendable {
    /// A notifier of an account.
    package struct Key: Hashable, Comparable, Sendable {
        package let account: AccountNumber
        package let notifier: NotifierID

        package init(account: AccountNumber, notifier: NotifierID) {
            self.account = account
            self.notifier = notifier
        }

        package static func < (left: Key, right: Key) -> Bool {
            (left.account, left.notifier) < (right.account, right.notifier)
        }
    }

    private struct State {
        var keys: Set<Key> = []
        /// What other nodes have not been told yet; nil: there are none.
        var unannounced: Set<Key>?
        var listener: AsyncStream<Void>.Continuation?
    }

    private let state = Lock(State())

    package init() {}

    /// Notes what was committed here, or what has to be looked at again.
    package func raise(_ keys: Set<Key>) {
        guard !keys.isEmpty else { return }
        let listener = state.withLock { state in
            // A node that works no outbox only passes it on.
            if state.listener != nil || state.unannounced == nil { state.keys.formUnion(keys) }
            state.unannounced?.formUnion(keys)
            return state.listener
        }
        listener?.yield()
    }

    /// Notes what another node committed.
    package func heard(_ keys: [Key]) {
        let listener = state.withLock { state in
            if state.listener != nil { state.keys.formUnion(keys) }
            return state.listener
        }
        listener?.yield()
    }

    /// What was raised here since the last call, for other nodes. The first call says that there are some.
    package func takeUnannounced() -> Set<Key> {
        state.withLock { state in
            defer { state.unannounced = [] }
            return state.unannounced ?? []
        }
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
