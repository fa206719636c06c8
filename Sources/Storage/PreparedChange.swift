import Domain
import SQL

/// A change of an account's configuration that was worked out before the transaction that writes it, so that the writer has nothing left to do
/// but to write rows.
///
/// - Rule: it is written only where the configuration is the one that it was made for: the revision that the writing raises is
///   `revision`. Why: what was checked holds. Otherwise: references to what is gone, counts beyond a limit.
package struct PreparedChange: Sendable {
    /// The configuration has changed since: work it out again.
    package struct Outdated: Error {}

    /// Statements in the order in which they are run: what is referred to is there before, and goes after what refers to it.
    private static let order = [
        ChannelStore.insert, ChannelStore.update, IntegrationStore.deleteRefusals,
        IntegrationStore.deleteActivity,
        IntegrationStore.delete, IntegrationStore.keepNumber, IntegrationStore.insert,
        IntegrationStore.update,
        IntegrationStore.deleteDefaults, IntegrationStore.insertDefault, PushURLStore.add, RouteStore.delete,
        RouteStore.update, RouteStore.deleteChannels, RouteStore.insert, RouteStore.insertChannel,
        RouteStore.raiseVersions, SeverityTableStore.put, ChannelStore.deleteNotifierStates,
        ChannelStore.delete,
    ]

    let author: Author
    /// The account's after it.
    let revision: Revision
    /// What it changes, in order.
    private(set) var entries: [AuditEntry] = []
    /// What its record takes up.
    private(set) var bytes: Int64 = 0
    private var batches: [ObjectIdentifier: SQLRows] = [:]
    private var records: SQLRows?
    /// What it writes and removes of conditions.
    private(set) var meter = ConditionMeter()

    /// Nothing yet, of what raises the account's revision to `revision`.
    init(_ author: Author, making revision: Revision) {
        self.author = author
        self.revision = revision
    }

    /// Runs `statement`, one of `order`, with these values.
    mutating func run(_ statement: SQLStatement, _ values: [SQLValue]) {
        assert(Self.order.contains { $0 === statement }, "the statement has no place in the order")
        batches[ObjectIdentifier(statement), default: SQLRows(columns: values.count)].append(values)
    }

    /// Records a change, as `Mutation.record` does.
    mutating func record(
        _ action: String,
        _ resource: String,
        before: JSONState? = nil,
        after: JSONState? = nil
    ) {
        let entry = author.entry(action, resource, revision: revision, before, after)
        entries.append(entry)
        bytes += entry.bytes
        let row = entry.row(of: author.account)
        var rows = records ?? SQLRows(columns: row.count)
        records = nil
        rows.append(row)
        records = rows
    }

    /// The same.
    mutating func record(_ change: Mutation.Change) {
        record(change.action, change.resource, before: change.before, after: change.after)
    }

    /// Counts a list of conditions that takes the place of another one.
    mutating func meter(_ old: [ConditionCost?], to new: [ConditionCost?], of list: String) {
        meter.remove(old)
        meter.add(new.map { $0 ?? ConditionCost() }, of: list)
    }

    /// Throws `costLimitReached` when the account would have more than `limits` allow, and more than the `present` cost.
    func checkCost(after present: ConditionCost, within limits: AccountLimits) throws(StoreError) {
        try meter.check(before: present, after: present + meter.added - meter.removed, within: limits)
    }

    /// Throws `Outdated` when a number or tag that it chose was taken meanwhile.
    func write(on connection: any SQLConnection) throws {
        do throws(SQLError) {
            for statement in Self.order {
                guard let rows = batches[ObjectIdentifier(statement)] else { continue }
                try connection.batch(statement, rows)
            }
            if let records { try connection.batch(Mutation.audit, records) }
            try connection.flush()
        } catch {
            guard error.kind == .uniqueViolation else { throw error }
            throw Outdated()
        }
    }
}

/// A change that was worked out, and what is to be answered once it is written.
package struct Planned<Result: Sendable>: Sendable {
    package let result: Result
    let change: PreparedChange
}

extension Store {
    /// How often a change is worked out anew because the configuration moved meanwhile.
    private static let planTries = 8

    /// Runs `plan` outside of any transaction, and writes what it worked out in a short one; again when the configuration moved in between.
    /// A dry run, and a plan that changes nothing, need no writer. A call that comes again gets the answer that it got, as with `perform`;
    /// of a long one only the head is kept, and `again` makes it anew.
    ///
    /// - Throws: `conflict` when the configuration moved again and again; what `perform` and `plan` throw.
    package func perform<Result: Sendable>(
        _ call: Call,
        on account: AccountNumber,
        planning plan: @Sendable () async throws -> Planned<Result>,
        again: @Sendable (RecordedAnswer) async throws -> RecordedAnswer,
        _ answer: @escaping @Sendable (Result) -> RecordedAnswer
    ) async throws -> RecordedAnswer {
        if let earlier = try await earlierAnswer(to: call, on: account) {
            return try await whole(earlier, again)
        }
        for _ in 0..<Self.planTries {
            let planned = try await plan()
            let answered = try await work.run(.calls, of: account) {
                var answer = answer(planned.result)
                answer.canBeMadeAgain = true
                return answer
            }
            let isNothing = planned.change.entries.isEmpty && call.claim == nil
            guard !call.isDryRun, !isNothing else { return answered }
            do {
                let given = try await perform(call, on: account) { write in
                    try write.write(planned.change)
                    return answered
                }
                return try await whole(given, again)
            } catch is PreparedChange.Outdated {
                continue
            }
        }
        throw StoreError.conflict(
            "The configuration of the account was changed again and again while this change was worked out: send it again when the others are done."
        )
    }

    private func whole(
        _ answer: RecordedAnswer,
        _ again: @Sendable (RecordedAnswer) async throws -> RecordedAnswer
    ) async throws -> RecordedAnswer {
        guard answer.isAbridged else { return answer }
        var made = try await again(answer)
        made.isRepeated = answer.isRepeated
        return made
    }
}
