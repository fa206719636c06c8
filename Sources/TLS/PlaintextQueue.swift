import NIOCore

/// What was written and is not encrypted, in order, with the promises of who wrote it.
struct PlaintextQueue {
    private var waiting = CircularBuffer<(buffer: ByteBuffer, promise: EventLoopPromise<Void>?)>()
    /// Bytes that wait.
    private(set) var bytes = 0

    var isEmpty: Bool { waiting.isEmpty }

    mutating func append(_ buffer: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        bytes += buffer.readableBytes
        waiting.append((buffer, promise))
    }

    /// The next piece, of at most `limit` bytes: small buffers are put together, large ones are cut up. The
    /// promise is that of all the buffers that end in it; nil: nothing waits.
    mutating func next(atMost limit: Int) -> (ByteBuffer, EventLoopPromise<Void>?)? {
        guard var (piece, promise) = waiting.popFirst() else { return nil }
        if piece.readableBytes > limit, let part = piece.readSlice(length: limit) {
            waiting.prepend((piece, promise))
            bytes -= limit
            return (part, nil)
        }
        while let next = waiting.first, piece.readableBytes + next.buffer.readableBytes <= limit {
            waiting.removeFirst()
            piece.writeImmutableBuffer(next.buffer)
            promise.setOrCascade(to: next.promise)
        }
        bytes -= piece.readableBytes
        return (piece, promise)
    }

    /// Forgets all of it.
    mutating func drop(_ error: any Error) {
        let dropped = waiting
        (waiting, bytes) = ([], 0)
        for (_, promise) in dropped { promise?.fail(error) }
    }
}
