import Domain
import Logging
import ServiceLifecycle
import Storage

/// Removes what deleted accounts left behind, in batches so small that no push notices.
package struct AccountPurger: Service {
    private static let batch = 500
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
            while !Task.isCancelled {
                let removed = await purge()
                try? await Task.sleep(for: removed == 0 ? .seconds(5) : .milliseconds(20))
            }
        }
    }

    private func purge() async -> Int {
        do {
            guard try await lease.hold() else { return 0 }
            return try await store.accounts.purgeDeleted(limit: Self.batch)
        } catch {
            logger.warning("a deleted account could not be purged", metadata: ["cause": "\(error)"])
            return 0
        }
    }
}
