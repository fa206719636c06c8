import Domain
import SQL
import Storage

/// What goes wrong on a connection, and when: the test arms it, the connection asks it on its own thread.
final class Faults: Sendable {
    enum Timing: CaseIterable, Sendable {
        /// Nothing of the call was done.
        case before
        /// Half of the rows of a batch were written, or one row of a result was read; of other calls nothing.
        case partly
        /// All of the call was done, even of a commit.
        case after
        /// The engine took the whole transaction back by itself, as SQLite does when disk or memory run out.
        case takingBack
    }

    enum Call: Hashable, Sendable {
        case begin
        case run
        case batch
        case read
        case beginSavepoint
        case endSavepoint
        case commit
        case maintain
    }

    struct Way: Equatable, Sendable {
        let kind: SQLError.Kind
        let timing: Timing
    }

    /// What a call is, without its values and its place in the order of calls.
    struct Shape: Hashable, Sendable {
        let call: Call
        /// The statement's text; of the end of a savepoint whether what was done since is kept.
        let text: String?
        /// Whether a savepoint was begun and not ended, so that there is something to go back to.
        let isInSavepoint: Bool
    }

    /// The `number`-th call, counted from 1, fails with `kind`; once.
    struct Fault: Sendable, CustomStringConvertible {
        let number: Int
        let kind: SQLError.Kind
        let timing: Timing

        var description: String { "call \(number) fails as \(kind), \(timing)" }
        var error: SQLError { SQLError(kind, code: -1, message: "injected: \(self)") }
    }

    private struct State {
        var fault: Fault?
        var poison: Text?
        var shapes: [Shape] = []
        var isInSavepoint = false
    }

    private let state = Lock(State())

    /// Counts calls from now on. `poison` is a text that the engine can't take: each call with it among its values fails.
    func arm(_ fault: Fault? = nil, poison: Text? = nil) {
        state.withLock { $0 = State(fault: fault, poison: poison) }
    }

    /// Nothing fails any more. Answers the calls since `arm`.
    @discardableResult
    func disarm() -> [Shape] {
        state.withLock { state in
            defer { state = State() }
            return state.shapes
        }
    }

    fileprivate func next(_ call: Call, _ text: String?) -> Fault? {
        state.withLock { state in
            switch call {
            case .begin, .endSavepoint: state.isInSavepoint = false
            default: break
            }
            state.shapes.append(
                Shape(call: call, text: text, isInSavepoint: state.isInSavepoint)
            )
            if call == .beginSavepoint { state.isInSavepoint = true }
            return state.shapes.count == state.fault?.number ? state.fault : nil
        }
    }

    /// Where the poison is in `values`.
    fileprivate func poison(in values: [SQLValue]) -> Int? {
        guard let poison = state.withLock({ $0.poison }) else { return nil }
        return values.firstIndex(of: .text(poison.bytes))
    }
}

/// A real connection on which calls fail as `faults` say. All else is real, the taking back of a transaction too.
final class FaultyConnection: SQLConnection {
    private static let poisoned = SQLError(.other, code: -2, message: "injected: a poisonous value")

    private let real: any SQLConnection
    private let faults: Faults

    init(_ real: any SQLConnection, _ faults: Faults) {
        self.real = real
        self.faults = faults
    }

    private func call<Result>(
        _ call: Faults.Call,
        _ text: String? = nil,
        partly: () throws(SQLError) -> Void = {},
        _ work: () throws(SQLError) -> Result
    ) throws(SQLError) -> Result {
        guard let fault = faults.next(call, text) else { return try work() }
        switch fault.timing {
        case .before: break
        case .partly: try? partly()
        case .after: _ = try? work()
        case .takingBack: real.rollback()
        }
        throw fault.error
    }

    var dialect: SQLDialect { real.dialect }

    func enter(_ scope: SQLScope) {
        real.enter(scope)
    }

    func allow(_ time: Duration?) {
        real.allow(time)
    }

    func flush() throws(SQLError) {
        try real.flush()
    }

    func announce(_ text: String) throws(SQLError) {
        try real.announce(text)
    }

    func run(_ statement: SQLStatement, _ values: [SQLValue]) throws(SQLError) -> Int {
        try call(.run, statement.text) { () throws(SQLError) in
            guard faults.poison(in: values) == nil else { throw Self.poisoned }
            return try real.run(statement, values)
        }
    }

    func batch(_ statement: SQLStatement, _ rows: SQLRows) throws(SQLError) {
        try call(.batch, statement.text) { () throws(SQLError) in
            try real.batch(statement, rows.prefix((rows.count + 1) / 2))
        } _: { () throws(SQLError) in
            guard let place = faults.poison(in: rows.values) else { return try real.batch(statement, rows) }
            try real.batch(statement, rows.prefix(place / rows.columns))
            throw Self.poisoned
        }
    }

    func forEachRow(
        _ statement: SQLStatement,
        _ values: [SQLValue],
        _ body: (any SQLRow) throws(SQLError) -> Bool
    ) throws(SQLError) {
        try call(.read, statement.text) { () throws(SQLError) in
            try real.forEachRow(statement, values) { row throws(SQLError) in
                _ = try body(row)
                return false
            }
        } _: { () throws(SQLError) in
            guard faults.poison(in: values) == nil else { throw Self.poisoned }
            try real.forEachRow(statement, values, body)
        }
    }

    func execute(script: String) throws(SQLError) {
        try real.execute(script: script)
    }

    func begin(_ durability: SQLDurability) throws(SQLError) {
        try call(.begin) { () throws(SQLError) in try real.begin(durability) }
    }

    func commit() throws(SQLError) {
        try call(.commit) { () throws(SQLError) in try real.commit() }
    }

    func rollback() {
        real.rollback()
    }

    func beginSavepoint() throws(SQLError) {
        try call(.beginSavepoint) { () throws(SQLError) in try real.beginSavepoint() }
    }

    func endSavepoint(keep: Bool) throws(SQLError) {
        try call(.endSavepoint, "\(keep)") { () throws(SQLError) in try real.endSavepoint(keep: keep) }
    }

    func maintain() throws(SQLError) {
        try call(.maintain) { () throws(SQLError) in try real.maintain() }
    }
}

extension [Faults.Shape] {
    /// For every shape of call all of its `ways` to fail, which may go by the number of its first call. Calls
    /// of one shape share them, and each call fails in at least one.
    func faults(_ ways: (_ call: Faults.Call, _ first: Int) -> [Faults.Way]) -> [Faults.Fault] {
        Dictionary(grouping: indices) { self[$0] }.values.flatMap { places in
            let ways = ways(self[places[0]].call, places[0] + 1)
            let count = ways.isEmpty ? 0 : Swift.max(ways.count, places.count)
            return (0..<count).map { turn in
                let way = ways[turn % ways.count]
                return Faults.Fault(
                    number: places[turn % places.count] + 1,
                    kind: way.kind,
                    timing: way.timing
                )
            }
        }.sorted { $0.number < $1.number }
    }
}

extension SQLRows {
    /// The first rows.
    fileprivate func prefix(_ count: Int) -> SQLRows {
        var rows = SQLRows(columns: columns)
        for value in values.prefix(count * columns) { rows.append(value) }
        return rows
    }
}
