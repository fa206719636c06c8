import Domain
import Native
import SQL

/// The configuration of an account as a whole, and its history.
///
/// - Each change of configuration has a revision, a number that rises; the changes of one call share it. The record of changes
///   (`AuditStore`) holds what each was before and after, so that any revision that it still knows can be had again.
package struct ConfigurationStore: Sendable {
    let store: Store

    /// Changes of a revision that are read at once.
    private static let mostChanges = 1_000

    /// A revision and who made it.
    package struct RevisionHead: Sendable {
        package let revision: Revision
        /// The first of its changes.
        package let first: AuditEntry
        package let changes: Int
    }

    /// A document and the revision that it is of.
    package struct Export: Sendable {
        /// JSON.
        package let document: [UInt8]
        package let revision: Revision
    }

    /// The present configuration. Throws `notFound`.
    package func export(of account: AccountNumber) async throws -> Export {
        let found = try await store.database.read(.of(account)) { connection in
            try SteadyRead.of(account, on: connection) { () -> (ConfigurationState, Revision)? in
                guard let revision = try SteadyRead.revision(of: account, on: connection) else { return nil }
                return (try ConfigurationState.load(of: account, on: connection), revision)
            }
        }
        guard let (state, revision) = found else { throw StoreError.notFound }
        return try await store.work.run(.calls, of: account) {
            Export(document: state.document(), revision: revision)
        }
    }

    /// The configuration as it was at `revision`. Throws `notFound` when the record does not know it.
    package func export(of account: AccountNumber, at revision: Revision) async throws -> [UInt8] {
        let found = try await store.database.read(.of(account)) { connection in
            try SteadyRead.of(account, on: connection) {
                try Self.state(of: account, at: revision, on: connection)
            }
        }
        guard let found else { throw StoreError.notFound }
        return try await store.work.run(.calls, of: account) { found.document() }
    }

    /// What a change of the configuration does.
    package struct Changed: Sendable {
        /// In their order, from the first.
        package let changes: [AuditEntry]
        /// How many there are.
        package let total: Int
        /// The account's after it; without a change it stays the same.
        package let revision: Revision

        fileprivate init(changes: [AuditEntry], total: Int, revision: Revision) {
            self.changes = changes
            self.total = total
            self.revision = revision
        }
    }

    /// Works out how the configuration becomes what the document says: in the account's turn, and outside of any transaction. Throws
    /// `preconditionFailed` when the revision is none of those demanded, and `invalid`, `limitReached`, `referenced`.
    package func plan(
        _ document: ConfigurationDocument,
        if precondition: Precondition,
        of account: AccountNumber,
        by actor: Actor,
        note: Text?
    ) async throws -> Planned<Changed> {
        let found = try await store.database.read(.of(account)) { connection in
            try SteadyRead.of(account, on: connection) {
                try PresentConfiguration.load(of: account, on: connection)
            }
        }
        guard let present = found else { throw StoreError.notFound }
        try precondition.check(Version(present.revision.value))
        let author = Author(
            account: account,
            actor: actor,
            now: store.now,
            identifiers: store.identifiers,
            note: note
        )
        return try await store.work.run(.calls, of: account) { [store] in
            var plan = ConfigurationPlan(store, from: present, author)
            try plan.plan(document)
            let entries = plan.change.entries
            let revision = entries.isEmpty ? present.revision : plan.change.revision
            return Planned(
                result: Changed(changes: entries, total: entries.count, revision: revision),
                change: plan.change
            )
        }
    }

    // MARK: History

    /// Revisions below `before`, newest first.
    package func revisions(
        of account: AccountNumber,
        before: Revision?,
        limit: Int
    ) async throws -> (items: [RevisionHead], next: Revision?) {
        try await store.database.read(.of(account)) { connection in
            let values: [SQLValue] = [
                .account(account), .integer(before?.value ?? .max), .int(limit + 1),
            ]
            let found = try connection.rows(AuditStore.revisions, values) { row throws(SQLError) in
                Revision(row.integer(0))
            }
            let heads = try found.prefix(limit).compactMap { revision in
                try Self.head(of: account, at: revision, on: connection)
            }
            return (heads, found.count > limit ? heads.last?.revision : nil)
        }
    }

    /// A revision and its changes after `place`, in their order: as many as `PageScan.bytes` hold, at least one. Throws `notFound`.
    package func find(
        _ revision: Revision,
        after place: AuditID? = nil,
        of account: AccountNumber
    ) async throws -> (head: RevisionHead, diff: [AuditEntry], hasMore: Bool) {
        try await store.database.read(.of(account)) { connection in
            guard let head = try Self.head(of: account, at: revision, on: connection) else {
                throw StoreError.notFound
            }
            var (diff, bytes, hasMore) = ([AuditEntry](), 0, false)
            let start = place ?? AuditID(high: 0, low: 0)
            let key: [SQLValue] = [
                .account(account), .integer(revision.value), .id(start), .int(Self.mostChanges),
            ]
            try connection.forEachRow(AuditStore.ofRevisionAfter, key) { row throws(SQLError) in
                hasMore = bytes >= PageScan.bytes
                guard !hasMore else { return false }
                let entry = try AuditStore.decode(row)
                bytes += entry.byteCount
                diff.append(entry)
                return true
            }
            return (head, diff, hasMore || diff.count == Self.mostChanges)
        }
    }

    /// The changes of a revision as the call that made them told them, at least `limit` bytes of them. Throws `notFound`.
    package func changes(
        of revision: Revision,
        in account: AccountNumber,
        bytes limit: Int
    ) async throws -> Changed {
        var (changes, bytes, place) = ([AuditEntry](), 0, AuditID?.none)
        while true {
            let found = try await find(revision, after: place, of: account)
            changes += found.diff
            bytes += found.diff.reduce(0) { $0 + $1.byteCount }
            place = found.diff.last?.id
            guard found.hasMore, place != nil, bytes < limit else {
                return Changed(changes: changes, total: found.head.changes, revision: revision)
            }
        }
    }

    private static func head(
        of account: AccountNumber,
        at revision: Revision,
        on connection: any SQLConnection
    ) throws -> RevisionHead? {
        let key: [SQLValue] = [.account(account), .integer(revision.value)]
        let first = try connection.row(AuditStore.ofRevision, key + [.int(1)], AuditStore.decode)
        let count = try connection.row(AuditStore.count, key) { row throws(SQLError) in row.int(0) }
        return first.map { RevisionHead(revision: revision, first: $0, changes: count ?? 0) }
    }

    /// nil when the record does not reach so far back, or there never was such a revision.
    private static func state(
        of account: AccountNumber,
        at revision: Revision,
        on connection: any SQLConnection
    ) throws -> ConfigurationState? {
        guard try head(of: account, at: revision, on: connection) != nil else { return nil }
        var state = try ConfigurationState.load(of: account, on: connection)
        let key: [SQLValue] = [.account(account), .integer(revision.value)]
        try connection.forEachRow(AuditStore.after, key) { row throws(SQLError) in
            state.undo(try AuditStore.decode(row))
            return true
        }
        return state
    }
}
