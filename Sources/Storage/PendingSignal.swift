/// Says that a delivery was stored that is to be applied in slices, so that nobody has to look. Only a hint: what waits is in the store.
package final class PendingSignal: Sendable {
    private let listener = Lock<AsyncStream<Void>.Continuation?>(nil)

    package init() {}

    /// Wakes whoever applies.
    package func raise() {
        listener.withLock { $0 }?.yield()
    }

    /// An element each time it is raised, several at once as one. For one listener.
    package func changes() -> (stream: AsyncStream<Void>, wake: @Sendable () -> Void) {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        listener.withLock { $0 = continuation }
        return (stream, { continuation.yield() })
    }
}
