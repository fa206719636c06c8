#if PostgreSQL

/// A connection to a PostgreSQL database, which is made when it is first used and again when it was lost.
///
/// - Rule: `synchronous_commit` is on, or stronger, but for transactions that are synced later. Why: a commit that returns must survive a power cut. Otherwise: acknowledged pushes
///   are lost.
/// - Rule: what is lost while a commit is on its way is `inDoubt`, even when the server said that it shuts down. Why: a server ends a session
///   also between the commit and its answer. Otherwise: what is there would be written twice.
/// - A server that is away costs its callers nothing: between two attempts to connect every call fails at once.
package final class PostgresConnection: SQLConnection {
    /// What a connection is for.
    package enum Purpose: Sendable {
        /// Writes pushes: gives up so early that a sender still gets an answer.
        case pushes
        /// Writes everything else.
        case writer
        /// Only reads; a statement that takes longer than 2 s ends as busy.
        case reader
        /// Makes and moves tables, for as long as it takes.
        case administrator
    }

    private struct Limits {
        /// For one statement, at the server, in milliseconds; 0: none.
        let statement: Int
        let lock: Int
        /// For what a transaction may hold while the server hears nothing of it, in milliseconds.
        let idle: Int
        /// For one wait, here.
        let wait: Duration
        /// For connecting.
        var connect = Duration.seconds(3)
    }

    private static let pauses = Duration.milliseconds(50)...Duration.seconds(1)
    private static let planAges = Duration.seconds(1)...Duration.seconds(600)
    /// Rows of a batch that are sent as one statement.
    private static let batchRows = 1_024

    private let url: String
    private let purpose: Purpose
    private let limits: Limits
    private var link: PostgresLink?
    private var prepared: [ObjectIdentifier: PostgresStatement] = [:]
    private var preparedCount = 0
    private var scope = SQLScope.nobody
    /// What the session was told; nil: not known.
    private var sessionScope: SQLScope?
    private var isInTransaction = false
    private var nextForgetting = ContinuousClock.now
    private var planAge = PostgresConnection.planAges.lowerBound
    /// When the time is over that `allow` gave; nil: it gave none.
    private var end: ContinuousClock.Instant?
    private var nextAttempt = ContinuousClock.now
    private var pause = PostgresConnection.pauses.lowerBound

    /// Connects at first use. `url` is a connection string of libpq, never to be logged.
    package init(url: String, purpose: Purpose) {
        self.url = url
        self.purpose = purpose
        limits =
            switch purpose {
            case .pushes:
                Limits(
                    statement: 2_000,
                    lock: 2_000,
                    idle: 3_000,
                    wait: .milliseconds(2_500),
                    connect: .seconds(1)
                )
            case .writer:
                Limits(
                    statement: 3_000,
                    lock: 3_000,
                    idle: 10_000,
                    wait: .milliseconds(3_500),
                    connect: .seconds(2)
                )
            case .reader:
                Limits(
                    statement: 2_000,
                    lock: 2_000,
                    idle: 10_000,
                    wait: .milliseconds(2_500),
                    connect: .seconds(2)
                )
            case .administrator: Limits(statement: 0, lock: 0, idle: 0, wait: .seconds(86_400))
            }
    }

    package var dialect: SQLDialect { .postgres }

    package func enter(_ scope: SQLScope) {
        self.scope = scope
    }

    // MARK: Session

    /// The session; makes a new one unless a transaction went down with the old one.
    private func session() throws(SQLError) -> PostgresLink {
        if let link, !link.isBroken { return link }
        if isInTransaction { throw .unavailable("the connection was lost inside a transaction") }
        link = nil
        prepared = [:]
        sessionScope = nil
        guard ContinuousClock.now >= nextAttempt else {
            throw .unavailable("the database server was away a moment ago")
        }
        do throws(SQLError) {
            let new = try PostgresLink(url: url, within: time(limits.connect))
            try new.run(script: settings, within: time(limits.connect))
            try new.sendPrepare("scope", "SELECT set_config('tocsin.account', $1, false)")
            _ = try new.sync(within: time(limits.connect))
            link = new
            planAge = Self.planAges.lowerBound
            nextForgetting = .now.advanced(by: planAge)
            pause = Self.pauses.lowerBound
            return new
        } catch {
            nextAttempt = .now.advanced(by: pause)
            pause = min(pause * 2, Self.pauses.upperBound)
            throw error.isAway ? error : .unavailable(error.message)
        }
    }

    /// Every statement finds its rows by an index, in any table of any size: a plan made while a table was small must not stay with it.
    private var settings: String {
        """
        SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
        SET statement_timeout = \(limits.statement); SET lock_timeout = \(limits.lock);
        SET idle_in_transaction_session_timeout = \(limits.idle);
        SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = \(purpose == .reader ? "on" : "off");
        SET plan_cache_mode = force_generic_plan; SET jit = off;
        SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
        """
    }

    package func allow(_ time: Duration?) {
        end = time.map { .now.advanced(by: $0) }
    }

    /// How long a call may wait that could otherwise wait for `limit`.
    private func time(_ limit: Duration) -> Duration {
        guard let end else { return limit }
        return min(limit, ContinuousClock.now.duration(to: end))
    }

    /// A command that fails takes back what the session was told of its scope since the last wait, or since the transaction began.
    private func sync(_ link: PostgresLink) throws(SQLError) -> PostgresResult {
        do throws(SQLError) {
            return try link.sync(within: time(limits.wait))
        } catch {
            sessionScope = nil
            throw error
        }
    }

    private func prepare(
        _ statement: SQLStatement,
        _ link: PostgresLink
    ) throws(SQLError) -> PostgresStatement {
        if let known = prepared[ObjectIdentifier(statement)] { return known }
        let name = nextName()
        try link.sendPrepare(name, statement.text)
        let new = try PostgresStatement(statement, name: name, parameterTypes: try sync(link).parameterTypes)
        prepared[ObjectIdentifier(statement)] = new
        return new
    }

    private func nextName() -> String {
        preparedCount += 1
        return "s\(preparedCount)"
    }

    /// Forgets all plans now and then, more often while the session is young. *Why:* a plan that was made while a table had ten rows reads all of
    /// them; it would stay until the server looks at the table by itself, a minute later or never.
    private func forgetPlans(_ link: PostgresLink) throws(SQLError) {
        guard ContinuousClock.now > nextForgetting else { return }
        try link.send("DISCARD PLANS")
        planAge = min(planAge * 2, Self.planAges.upperBound)
        nextForgetting = .now.advanced(by: planAge)
    }

    /// Tells the session whose rows it may touch, when that is news to it.
    private func applyScope(_ link: PostgresLink) throws(SQLError) {
        guard sessionScope != scope else { return }
        let text: SQLValue =
            switch scope {
            case .account(let number): .text(String(number))
            case .platform: .text("platform")
            case .nobody: .text("")
            }
        try link.send("scope", try PostgresArguments([text], [.text]))
        sessionScope = scope
    }

    // MARK: Statements

    private func query(_ statement: SQLStatement, _ values: [SQLValue]) throws(SQLError) -> PostgresResult {
        let link = try session()
        if !isInTransaction { try forgetPlans(link) }
        let prepared = try prepare(statement, link)
        try applyScope(link)
        try link.send(prepared.name, try PostgresArguments(values[...], prepared.types))
        return try sync(link)
    }

    @discardableResult
    package func run(_ statement: SQLStatement, _ values: [SQLValue]) throws(SQLError) -> Int {
        try query(statement, values).changes
    }

    package func forEachRow(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        _ body: (any SQLRow) throws(SQLError) -> Bool
    ) throws(SQLError) {
        let result = try query(statement, values)
        for index in 0..<result.rowCount {
            result.index = index
            guard try body(result) else { return }
        }
    }

    /// Sent now, waited for at the next call that reads.
    package func batch(_ statement: SQLStatement, _ rows: SQLRows) throws(SQLError) {
        guard !rows.isEmpty else { return }
        let link = try session()
        let prepared = try prepare(statement, link)
        if rows.count > 1, let form = try batchForm(of: prepared, link) {
            try applyScope(link)
            for start in stride(from: 0, to: rows.count, by: Self.batchRows) {
                let range = start..<min(start + Self.batchRows, rows.count)
                try link.send(form, try PostgresArguments(columnsOf: rows, range, prepared.types))
                try link.handOver(within: time(limits.wait))
            }
        } else {
            try applyScope(link)
            for start in stride(from: 0, to: rows.values.count, by: rows.columns) {
                let row = rows.values[start..<start + rows.columns]
                try link.send(prepared.name, try PostgresArguments(row, prepared.types))
                try link.handOver(within: time(limits.wait))
            }
        }
        if !isInTransaction { _ = try sync(link) }
    }

    private func batchForm(
        of statement: PostgresStatement,
        _ link: PostgresLink
    ) throws(SQLError) -> String? {
        switch statement.batch {
        case .prepared(let name): return name
        case .none: return nil
        case .unknown: break
        }
        guard let text = statement.batchText else {
            statement.batch = .none
            return nil
        }
        let name = nextName()
        try link.sendPrepare(name, text)
        _ = try sync(link)
        statement.batch = .prepared(name)
        return name
    }

    package func flush() throws(SQLError) {
        guard isInTransaction else { return }
        let link = try session()
        try link.send("SELECT 1")
        _ = try sync(link)
    }

    private static let notify = SQLStatement("SELECT pg_notify('tocsin', $1)")

    package func announce(_ text: String) throws(SQLError) {
        try run(Self.notify, [.text(text)])
    }

    package func execute(script: String) throws(SQLError) {
        let link = try session()
        if isInTransaction { try flush() }
        try link.run(script: script, within: time(limits.wait))
    }

    // MARK: Transactions

    package func begin(_ durability: SQLDurability) throws(SQLError) {
        let link = try session()
        try forgetPlans(link)
        try link.send("BEGIN")
        isInTransaction = true
        if durability == .later { try link.send("SET LOCAL synchronous_commit = off") }
    }

    package func commit() throws(SQLError) {
        let link = try session()
        let result: PostgresResult
        do throws(SQLError) {
            try link.send("COMMIT")
            result = try sync(link)
        } catch {
            guard error.kind == .unavailable else { throw error }
            throw SQLError(.inDoubt, code: error.code, message: error.message)
        }
        isInTransaction = false
        guard result.tag == "COMMIT" else {
            throw SQLError(.other, code: 0, message: "the transaction had failed before", isUndone: true)
        }
    }

    package func rollback() {
        isInTransaction = false
        sessionScope = nil
        guard let link, !link.isBroken else { return }
        do throws(SQLError) {
            try link.send("ROLLBACK")
            _ = try sync(link)
        } catch {
            // What was sent before failed, and the rollback was passed over with it: once more.
            guard !link.isBroken, link.isInTransaction else { return }
            do throws(SQLError) {
                try link.send("ROLLBACK")
                _ = try sync(link)
            } catch {
                self.link = nil
            }
        }
    }

    package func beginSavepoint() throws(SQLError) {
        try session().send("SAVEPOINT step")
    }

    package func endSavepoint(keep: Bool) throws(SQLError) {
        let link = try session()
        if !keep {
            sessionScope = nil
            try link.send("ROLLBACK TO step")
        }
        try link.send("RELEASE step")
        _ = try sync(link)
    }

    /// The server keeps house by itself.
    package func maintain() throws(SQLError) {}
}
#endif
