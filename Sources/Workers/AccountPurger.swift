import Domain
import Logging
import ServiceLifecycle
import Storage

/// Removes what deleted accounts left behind, in batches and with pauses that no push notices (`PurgePace`).
package struct AccountPurger: Service {
    private static let interval = Duration.seconds(2)
    private let store: Store
    private let lease: WorkerLease
    private let logger: Logger

    /// `owner` names the node.
    package init(store: Store, owner: [UInt8], logger: Logger) {
        self.store = store
        lease = WorkerLease(.accountPurge, store: store, owner: owner)
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var pace = PurgePace(workGoal: .microseconds(300))
            while !Task.isCancelled {
                let pause = await purge(&pace)
                try? await Task.sleep(for: pause)
            }
        }
    }

    /// One transaction; answers how long to rest.
    private func purge(_ pace: inout PurgePace) async -> Duration {
        do {
            guard try await lease.hold() else { return Self.interval }
            let start = ContinuousClock.now
            let batch = try await store.deletions.purge(limit: pace.limit)
            if batch.isIdle { return Self.interval }
            if let account = batch.finished {
                logger.info("nothing is left of a deleted account", metadata: ["account_id": "\(account)"])
            }
            return pace.pause(after: batch.work, in: start.duration(to: .now))
        } catch {
            logger.warning("a deleted account could not be purged", metadata: ["cause": "\(error)"])
            return Self.interval
        }
    }
}
