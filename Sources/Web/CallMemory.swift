import Domain
import HTTPTypes
import Hummingbird
import Storage

/// The bytes that one management call holds: its body as it comes, then its answer until that is written. Given back at the latest when
/// nobody knows the call any more.
package final class CallMemory: Sendable {
    private struct State {
        var budget: ByteBudget?
        var account = AccountNumber.installation
        var taken = 0
    }

    private let state = Lock(State())

    package init() {}

    deinit { release() }

    /// Says whose the call is, once that is known. Before it nothing may be held.
    package func begin(_ budget: ByteBudget, for account: AccountNumber) {
        state.withLock { state in
            state.budget = budget
            state.account = account
        }
    }

    /// Holds so many more bytes. Throws 429 when the account holds its share already, 503 when all together do.
    package func take(_ bytes: Int) throws(Problem) {
        let shortage = state.withLock { state -> ByteBudget.Shortage? in
            guard bytes > 0, let budget = state.budget else { return nil }
            let shortage = budget.shortage(taking: bytes, for: state.account)
            if shortage == nil { state.taken += bytes }
            return shortage
        }
        if let shortage { throw Problem(shortage) }
    }

    /// Holds the bytes of an answer that can't be refused any more.
    package func force(_ bytes: Int) {
        state.withLock { state in
            state.budget?.force(bytes, for: state.account)
            if state.budget != nil { state.taken += bytes }
        }
    }

    /// Gives everything back: the answer is written.
    package func release() {
        state.withLock { state in
            state.budget?.giveBack(state.taken, of: state.account)
            state.taken = 0
        }
    }

    /// Reads a body of at most `limit` bytes, which are held as they come. Throws 413 for one that is larger.
    package func body(of request: Request, upTo limit: Int) async throws -> [UInt8] {
        let announced = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        guard announced <= limit else { throw Problem(bodyOver: limit) }
        var bytes: [UInt8] = []
        var held = 0
        for try await part in request.body {
            let count = bytes.count + part.readableBytes
            guard count <= limit else { throw Problem(bodyOver: limit) }
            // Nothing is held for a mere announcement; the last doubling would hold up to twice the body.
            if count > bytes.capacity, announced / 4 <= count { bytes.reserveCapacity(max(count, announced)) }
            bytes.append(contentsOf: part.readableBytesView)
            // What is held is the room that the array made for itself.
            if bytes.capacity > held {
                try take(bytes.capacity - held)
                held = bytes.capacity
            }
        }
        return bytes
    }
}

extension Problem {
    /// 413: the body is over the limit.
    package init(bodyOver limit: Int) {
        self.init(.tooLarge, "The body is larger than this operation takes: \(limit) bytes.")
    }

    /// 429 for the account, 503 for all.
    fileprivate init(_ shortage: ByteBudget.Shortage) {
        switch shortage {
        case .share(let limit):
            self.init(
                .rateLimited,
                "The calls of this account that are under way hold \(limit) bytes of bodies and answers: wait for their answers."
            )
            exceeded = Exceeded(bucket: "call-bytes", limit: limit, resetSeconds: 1)
        case .total:
            self.init(.unavailable, "Too much is under way at present: try again.")
        }
        headers[.retryAfter] = "1"
    }
}
