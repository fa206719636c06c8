import Logging
import Native

extension Installation {
    /// Opens the data directory, in turn: while the process before this one still finishes its work, waits for it.
    ///
    /// So an upgrade is to start the new program and then to stop the old one: all of the start that needs no data is over by then.
    package static func openInTurn(
        _ settings: Settings,
        patience: Duration = .seconds(10),
        logger: Logger,
        failStop: @escaping @Sendable (String) -> Void = { _ in endProcess(code: 70) }
    ) async throws -> Installation {
        let end = ContinuousClock.now + patience
        var hasWaited = false
        while true {
            do {
                return try open(settings, logger: logger, failStop: failStop)
            } catch let problem as Problem where problem.isInUse && ContinuousClock.now < end {
                if !hasWaited { logger.notice("waiting for the process that has the data directory") }
                hasWaited = true
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}
