import Domain
import Logging
import ServiceLifecycle
import Storage

/// Applies the deliveries that were too large for one transaction, a slice at a time: one slice of all accounts together is under way, and
/// after it the writer is left to others for as long as the slice took.
///
/// - Rule: accounts take turns, and a turn ends after some slices. Why: one account with millions of alerts to apply must not hold up the
///   next one's. Otherwise: who sends most is served first.
package final class PendingPushes: Service {
    /// How often it is looked for what waits, where other nodes' signals may be missed.
    private static let interval = Duration.seconds(1)
    private static let turn = Duration.milliseconds(250)
    private static let longestPause = Duration.milliseconds(100)
    /// Decoded deliveries that are kept from one turn to the next.
    private static let kept = 4

    private let store: Store
    private let commit: GroupCommit
    private let lease: WorkerLease
    private let logger: Logger

    /// `owner` names the node.
    package init(store: Store, commit: GroupCommit, owner: [UInt8], logger: Logger) {
        lease = WorkerLease(.pendingPushes, store: store, owner: owner)
        self.store = store
        self.commit = commit
        self.logger = logger
    }

    package func run() async throws {
        let (changes, wake) = store.pendingSignal.changes()
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    while (try? await Task.sleep(for: Self.interval)) != nil { wake() }
                }
                for await _ in changes {
                    if Task.isShuttingDownGracefully || Task.isCancelled { break }
                    await applyAll()
                }
                group.cancelAll()
            }
        } onGracefulShutdown: {
            wake()
        }
    }

    /// Applies until nothing waits that can be applied now.
    private func applyAll() async {
        var works: [AccountNumber: PendingDeliveries.Work] = [:]
        do {
            guard try await lease.hold() else { return }
            var accounts = try await store.pendingDeliveries.accounts()
            while !accounts.isEmpty, !isStopping {
                var left: [AccountNumber] = []
                for account in accounts where !isStopping {
                    let work = works.removeValue(forKey: account)
                    let (isLeft, rest) = try await takeTurn(of: account, with: work)
                    if isLeft { left.append(account) }
                    if works.count < Self.kept { works[account] = rest }
                }
                guard try await lease.hold() else { return }
                // Those that came meanwhile have their turn, too; those that can't go on wait for the next look.
                let news = try await store.pendingDeliveries.accounts().filter { !accounts.contains($0) }
                accounts = left + news
            }
        } catch {
            logger.warning("acknowledged pushes could not be applied", metadata: ["cause": "\(error)"])
        }
    }

    private var isStopping: Bool { Task.isShuttingDownGracefully || Task.isCancelled }

    /// Applies slices of one account for a while. Answers whether there is more to do, and what of it is at hand.
    private func takeTurn(
        of account: AccountNumber,
        with work: PendingDeliveries.Work?
    ) async throws -> (isLeft: Bool, PendingDeliveries.Work?) {
        let end = ContinuousClock.now.advanced(by: Self.turn)
        var work = work
        while !isStopping {
            guard let next = try await now(work, account) else { return (false, nil) }
            let start = ContinuousClock.now
            let step = try await store.pendingDeliveries.apply(next, through: commit)
            let pause = min(start.duration(to: .now), Self.longestPause)
            switch step {
            case .more(let rest): work = rest
            case .finished, .moved: work = nil
            case .suspended: return (false, nil)
            }
            try? await Task.sleep(for: pause)
            if ContinuousClock.now >= end { return (true, work) }
        }
        return (true, work)
    }

    private func now(
        _ work: PendingDeliveries.Work?,
        _ account: AccountNumber
    ) async throws -> PendingDeliveries.Work? {
        if let work { return work }
        return try await store.pendingDeliveries.oldest(of: account)
    }
}
