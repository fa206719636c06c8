import Domain
import Logging
import ServiceLifecycle
import Storage

/// Keeps a node in step with the others on its database: hears what they announce, looks for what it may have missed, announces what was
/// committed here, and finds out whether the database is there.
///
/// - A change of configuration reaches every node by its announcement within milliseconds, and by the look within a second.
/// - When the database is back, what waits in the spool is applied.
package struct NodeLink: Service {
    /// Waits for announcements of other nodes, at most for so many milliseconds; whether some may have been missed.
    package typealias Listen =
        @Sendable (_ milliseconds: Int32) async throws -> (texts: [String], isNew: Bool)

    private static let look = Duration.milliseconds(500)
    private static let pace = Duration.milliseconds(20)
    private static let pause = Duration.milliseconds(250)

    private let watch: NodeWatch
    private let commit: GroupCommit
    private let reachability: Reachability
    private let prepare: (@Sendable () async throws -> Bool)?
    private let listen: Listen
    private let logger: Logger

    /// `prepare`: what must be done before the database is used, because it was away at the start; answers whether it was, and throws when the
    /// database can't be used by this program.
    package init(
        store: Store,
        commit: GroupCommit,
        reachability: Reachability,
        logger: Logger,
        prepare: (@Sendable () async throws -> Bool)?,
        listen: @escaping Listen
    ) {
        self.prepare = prepare
        watch = NodeWatch(store: store)
        self.commit = commit
        self.reachability = reachability
        self.logger = logger
        self.listen = listen
    }

    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            if let prepare {
                while !Task.isCancelled, try await !prepare() { try? await Task.sleep(for: .seconds(1)) }
            }
            await withDiscardingTaskGroup { group in
                group.addTask { await self.lookOften() }
                group.addTask { await self.hear() }
                group.addTask { await self.announce() }
            }
        }
    }

    private func lookOften() async {
        while !Task.isCancelled {
            do {
                try await watch.refresh()
                if reachability.note(isAway: false) { logger.notice("the database is back") }
            } catch {
                if !Task.isCancelled, reachability.note(isAway: true) {
                    logger.error("the database is away", metadata: ["cause": "\(error)"])
                }
            }
            commit.applySpool()
            try? await Task.sleep(for: reachability.isAway ? Self.pause : Self.look)
        }
    }

    private func hear() async {
        while !Task.isCancelled {
            do {
                let news = try await listen(500)
                for text in news.texts { await watch.hear(text) }
                if news.isNew { try await watch.refresh() }
            } catch {
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    private func announce() async {
        while !Task.isCancelled {
            do {
                try await watch.announce()
            } catch {
                logger.debug("other nodes could not be told", metadata: ["cause": "\(error)"])
            }
            try? await Task.sleep(for: Self.pace)
        }
    }
}
