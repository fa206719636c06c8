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
        try await store.database.read(.of(account)) { connection in
            let found = try SteadyRead.of(account, on: connection) { () -> Export? in
                guard let revision = try SteadyRead.revision(of: account, on: connection) else { return nil }
                let state = try ConfigurationState.load(of: account, on: connection)
                return Export(document: state.document(), revision: revision)
            }
            guard let found else { throw StoreError.notFound }
            return found
        }
    }

    /// The configuration as it was at `revision`. Throws `notFound` when the record does not know it.
    package func export(of account: AccountNumber, at revision: Revision) async throws -> [UInt8] {
        try await store.database.read(.of(account)) { connection in
            let found = try SteadyRead.of(account, on: connection) {
                try Self.document(of: account, at: revision, on: connection)
            }
            guard let found else { throw StoreError.notFound }
            return found
        }
    }

    /// The same inside a change that goes back to it.
    package func document(at revision: Revision, _ write: Mutation) throws -> [UInt8] {
        let found = try Self.document(of: write.account, at: revision, on: write.connection)
        guard let found else { throw StoreError.notFound }
        return found
    }

    /// Makes the configuration what the document says. Answers the changes in their order and the revision after them; without a change it
    /// stays the same. Throws `preconditionFailed` when the revision is none of those demanded, and `invalid`, `referenced`.
    package func apply(
        _ document: ConfigurationDocument,
        if precondition: Precondition,
        _ write: Mutation
    ) throws -> (changes: [AuditEntry], revision: Revision) {
        let present = try SteadyRead.revision(of: write.account, on: write.connection)
        guard let present else { throw StoreError.notFound }
        try precondition.check(Version(present.value))
        var application = ConfigurationApplication(store: store, write)
        try application.apply(document)
        return (write.effects.entries, write.effects.revisions[write.account] ?? present)
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
    private static func document(
        of account: AccountNumber,
        at revision: Revision,
        on connection: any SQLConnection
    ) throws -> [UInt8]? {
        guard try head(of: account, at: revision, on: connection) != nil else { return nil }
        var state = try ConfigurationState.load(of: account, on: connection)
        let key: [SQLValue] = [.account(account), .integer(revision.value)]
        try connection.forEachRow(AuditStore.after, key) { row throws(SQLError) in
            state.undo(try AuditStore.decode(row))
            return true
        }
        return state.document()
    }
}
