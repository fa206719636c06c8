import Domain
import Logging
import ServiceLifecycle
import Storage

/// Raises Tocsin's own troubles as alerts of the accounts that they concern, and recovers them: an alerting product whose messages go nowhere
/// must say so.
///
/// What is to be told is the difference between what goes wrong and what is open, so that nothing is told twice, not even after a restart.
package struct HealthWatch: Service {
    private static let interval = Duration.seconds(5)

    private let store: Store
    private let commit: GroupCommit
    private let lease: WorkerLease
    private let logger: Logger

    /// `owner` names the node.
    package init(store: Store, commit: GroupCommit, owner: [UInt8], logger: Logger) {
        lease = WorkerLease(.healthWatch, store: store, owner: owner)
        self.store = store
        self.commit = commit
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.interval)) != nil { await watch() }
        }
    }

    /// Looks at every account that wants to be told, once.
    package func watch() async {
        do {
            guard try await lease.hold() else { return }
            for subject in try await store.healthAlerts.subjects() {
                if Task.isCancelled { return }
                try await watch(subject)
            }
        } catch {
            logger.warning("Tocsin's own troubles could not be told", metadata: ["cause": "\(error)"])
        }
    }

    private func watch(_ subject: HealthAlertStore.Subject) async throws {
        let look = try await store.healthAlerts.look(at: subject)
        let began = look.troubles.filter { !look.open.contains($0.key) }
        let over = look.open.subtracting(look.troubles.map(\.key))
        guard !began.isEmpty || !over.isEmpty else { return }
        try await store.healthAlerts.tell(subject, began: began, over: over.sorted(), through: commit)
    }
}
