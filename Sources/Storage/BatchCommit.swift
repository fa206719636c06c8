import Domain
import Logging
import SQL

/// Writes a batch of pushes in one transaction and sees to what goes wrong with it. Runs on the thread of the connection.
struct BatchCommit: Sendable {
    /// What came of a batch.
    enum Outcome {
        /// The transaction was committed: what came of each push.
        case committed(PushWriter.Results)
        /// The store failed, and none of them was stored for sure; where `mayBeStored`, all of them may have been.
        case failed(any Error)
    }

    let identifiers: IdentifierSource
    let logger: Logger
    let failStop: @Sendable (String) -> Void

    /// Writes all pushes.
    func write(_ pushes: [PreparedPush], _ connection: any SQLConnection) -> Outcome {
        let start = ContinuousClock.now
        var hasTriedAgain = false
        while true {
            let outcome = writeOnce(pushes, connection)
            guard case .failed(let error as SQLError) = outcome, !hasTriedAgain else { return outcome }
            let isSoon = start.duration(to: .now) < SQLError.soon
            guard error.kind == .conflict || error.kind == .unavailable && isSoon else { return outcome }
            hasTriedAgain = true
        }
    }

    private func writeOnce(_ pushes: [PreparedPush], _ connection: any SQLConnection) -> Outcome {
        let writer = PushWriter(connection: connection, identifiers: identifiers, now: identifiers.now)
        defer { connection.enter(.nobody) }
        var isWritten = false
        do {
            let results = try connection.transaction {
                let results = try writer.write(pushes)
                isWritten = true
                return results
            }
            return .committed(results)
        } catch {
            // A commit that fails may have taken effect all the same: written again, the pushes would be there twice.
            let isUndone = (error as? SQLError)?.isUndone == true
            if isWritten && !isUndone || error.isDisk { return failed(error) }
            logFailure("a batch failed; its pushes are tried one by one", error)
            return writeEach(pushes, writer)
        }
    }

    /// Each push under a savepoint of its own, so that one that makes the store fail fails alone.
    private func writeEach(_ pushes: [PreparedPush], _ writer: PushWriter) -> Outcome {
        do {
            return .committed(
                try writer.connection.transaction { try pushes.map { try writeAlone($0, writer) } }
            )
        } catch {
            return failed(error)
        }
    }

    /// - Rule: when the savepoint itself fails, the whole transaction does. Why: SQLite takes the transaction back by itself when disk or
    ///   memory run out, and what a failed push left behind can't be told from the rest. Otherwise: pushes are answered as stored that
    ///   are gone, and others as refused that are there.
    private func writeAlone(
        _ push: PreparedPush,
        _ writer: PushWriter
    ) throws -> Result<StoredPush, PushFailure> {
        try writer.connection.beginSavepoint()
        let result: Result<StoredPush, PushFailure>
        do {
            result = try writer.write([push])[0]
            try writer.connection.flush()
        } catch {
            if error.isDisk { throw error }
            try writer.connection.endSavepoint(keep: false)
            logFailure("a push could not be stored", error)
            return .failure(.unacceptable)
        }
        try writer.connection.endSavepoint(keep: true)
        return result
    }

    private func failed(_ error: any Error) -> Outcome {
        noteFailure("the store could not commit", error)
        return .failed(error)
    }

    /// Says it, and ends the process when the disk did not confirm a sync.
    func noteFailure(_ message: Logger.Message, _ error: any Error) {
        logFailure(message, error)
        if let error = error as? SQLError, error.kind == .syncFailed {
            failStop("the disk did not confirm a sync: what was written may be gone")
        }
    }

    private func logFailure(_ message: Logger.Message, _ error: any Error) {
        logger.error(message, metadata: ["cause": "\(error)"])
    }
}

extension Error {
    /// Whether the store is at fault and not a push.
    fileprivate var isDisk: Bool { (self as? SQLError)?.isDisk == true }
}
