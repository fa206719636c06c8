import Logging
import NIOCore
import NIOPosix
import Native
import SQL
import ServiceLifecycle
import Storage

/// Tells the service manager that the process is alive, for as long as each of its parts makes progress: so that a hang becomes a restart.
///
/// Every third of the manager's patience each part is asked for an answer, and when all of them gave it the process is reported alive and
/// they are asked again. That runs on a thread that does nothing else, because Swift's own threads are among the parts.
package struct Watchdog: Service {
    /// What must not stand still.
    package struct Part: Sendable {
        let name: String
        let ask: @Sendable (_ answer: @escaping @Sendable () -> Void) -> Void
        let completed: @Sendable () -> UInt64

        /// `ask` gives the part a piece of work that calls `answer`, and returns at once. `completed`: pieces of work that the part has done,
        /// where the answer may have to wait for many others.
        package init(
            _ name: String,
            completed: @escaping @Sendable () -> UInt64 = { 0 },
            ask: @escaping @Sendable (_ answer: @escaping @Sendable () -> Void) -> Void
        ) {
            self.name = name
            self.ask = ask
            self.completed = completed
        }
    }

    private struct State {
        var round = 0
        /// The parts that have not answered in this round, by their places.
        var silent: Set<Int> = []
        /// What each part had done when it was asked.
        var completed: [UInt64] = []
    }

    private let manager: ServiceManager
    private let parts: [Part]
    private let logger: Logger
    private let state = Lock(State())

    package init(_ manager: ServiceManager, parts: [Part], logger: Logger) {
        self.manager = manager
        self.parts = parts
        self.logger = logger
    }

    /// The parts of a process that works on `store`: the event loops, Swift's threads, those of tenants' work, and that of each connection to
    /// the database. Whether the database itself answers is another matter.
    package static func parts(of store: Store) -> [Part] {
        var parts = [
            Part("tasks") { answer in Task { answer() } },
            Part("work", completed: Self.completed(store.work)) { answer in
                _ = store.work.submit(.background, of: .installation, answer)
            },
        ]
        for loop in MultiThreadedEventLoopGroup.singleton.makeIterator() {
            parts.append(Part("event loop") { answer in loop.execute(answer) })
        }
        for thread in store.database.threads {
            parts.append(Part("database", completed: { thread.completed }, ask: thread.ask))
        }
        return parts
    }

    private static func completed(_ work: WorkPool) -> @Sendable () -> UInt64 {
        { work.status.completed }
    }

    /// Reports until the process is told to stop, which it says, too.
    package func run() async throws {
        guard let patience = manager.watchdogMicroseconds else {
            try? await gracefulShutdown()
            manager.say("STOPPING=1")
            return
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let pause = TimeAmount.microseconds(max(1, patience / 3))
        let task = group.next().scheduleRepeatedTask(initialDelay: .zero, delay: pause) { _ in look() }
        try? await gracefulShutdown()
        task.cancel()
        manager.say("STOPPING=1")
        try await group.shutdownGracefully()
    }

    /// Reports when all parts have answered, and asks them again.
    private func look() {
        let completed = parts.map { $0.completed() }
        let (round, silent) = state.withLock { state -> (Int, Set<Int>) in
            let silent = state.silent.filter { state.completed[$0] == completed[$0] }
            guard silent.isEmpty else { return (state.round, silent) }
            state.round += 1
            state.silent = Set(parts.indices)
            state.completed = completed
            return (state.round, [])
        }
        guard silent.isEmpty else {
            let names = Set(silent.map { parts[$0].name }).sorted().joined(separator: ", ")
            logger.warning("a part of the process makes no progress", metadata: ["parts": "\(names)"])
            return
        }
        if round > 1 { manager.say("WATCHDOG=1") }
        for (place, part) in parts.enumerated() {
            part.ask {
                state.withLock { state in
                    if state.round == round { state.silent.remove(place) }
                }
            }
        }
    }
}
