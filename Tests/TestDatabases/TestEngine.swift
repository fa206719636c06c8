import FoundationEssentials
import Testing

/// An engine that tests run on.
package enum TestEngine: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case sqlite
    case postgres

    /// That of the general tests in this run: `TOCSIN_TEST_ENGINE=postgres`, else SQLite.
    package static let general: TestEngine =
        ProcessInfo.processInfo.environment["TOCSIN_TEST_ENGINE"] == "postgres" ? .postgres : .sqlite

    /// Those that tests of both can have in this run.
    package static let available: [TestEngine] = PostgresServer.isThere ? allCases : [.sqlite]

    /// As the tests that run on both are listed.
    package var testDescription: String { self == .sqlite ? "SQLite" : "PostgreSQL" }
}

extension Trait where Self == ConditionTrait {
    /// For a test of several nodes, or of what only PostgreSQL does. It is skipped, and said to be, where no server was given.
    package static var needsPostgres: Self {
        .enabled(if: PostgresServer.isThere, "needs a PostgreSQL server: TOCSIN_TEST_POSTGRES is not set")
    }

    /// For a test that the run on SQLite is for, of what only the embedded store has, say: `reason`.
    package static func needsSQLite(_ reason: Comment) -> Self {
        .enabled(if: TestEngine.general == .sqlite, reason)
    }
}

extension Trait where Self == TimeLimitTrait {
    /// For a test that can hang. That others take the threads counts, too, and on a server that tests wait
    /// until databases are free.
    package static func within(minutes: Int) -> Self {
        .timeLimit(.minutes(5 * minutes))
    }
}
