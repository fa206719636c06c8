import Domain
import SQL

/// How what waited in the spool is applied once the database is back.
extension GroupCommit {
    /// Applies what waits in the spool, if something does and the database is there. To be called now and then.
    package func applySpool() {
        guard let spooling, spooling.begin() else { return }
        applyNext(spooling)
    }

    /// Applies a part, then queues itself again behind what came meanwhile. What waits is taken and applied on the thread of the writer, and
    /// read away from it.
    private func applyNext(_ spooling: SpoolLane) {
        store.database.enqueuePushes { [self] _ in
            guard let waiting = spooling.next(committing) else { return }
            Task {
                guard let reader = await spooling.read(waiting, committing) else { return }
                store.database.enqueuePushes { connection in self.apply(waiting, reader, spooling, connection)
                }
            }
        }
    }

    private func apply(
        _ waiting: [Spool.Waiting],
        _ reader: SpoolReader,
        _ spooling: SpoolLane,
        _ connection: any SQLConnection
    ) {
        connection.allow(bounds.work)
        guard let stored = spooling.apply(waiting, reader, committing, connection) else { return }
        setHealth(true)
        var told: Set<OutboxSignal.Key> = []
        for push in stored { count(push, &told) }
        store.outboxSignal.raise(told)
        applyNext(spooling)
    }
}
