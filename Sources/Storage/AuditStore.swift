import Domain
import SQL

/// One entry of the record of changes.
package struct AuditEntry: Sendable {
    package let id: AuditID
    package let at: UnixTime
    /// nil: the command line, or Tocsin itself.
    package let actorID: APIKeyID?
    package let actorRole: String
    package let address: Text?
    /// Noun and verb: `channel.create`.
    package let action: String
    /// The id of what was changed, or the name of what has none.
    package let resource: String
    package let requestID: String
    /// The account's after it; nil: no configuration was changed.
    package let revision: Revision?
    /// A JSON object; nil: it was not there.
    package let before: Text?
    /// A JSON object; nil: it is no more.
    package let after: Text?
    /// A JSON object.
    package let detail: Text
    package let note: Text?

    /// About how many bytes of memory it takes.
    var byteCount: Int {
        [before, after, detail, note].reduce(512) { $0 + ($1?.bytes.count ?? 0) }
    }
}

/// The record of changes: written by `Mutation`, and never changed.
package struct AuditStore: Sendable {
    let store: Store

    private static let columns = """
        id, at, actor_id, actor_role, address, action, resource, request_id, revision, state_before, state_after, detail, note
        """
    static let list = SQLStatement(
        "SELECT \(columns) FROM audit WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    )
    static let after = SQLStatement(
        """
        SELECT \(columns) FROM audit WHERE account_id = $1 AND revision > $2 ORDER BY revision DESC, id DESC
        """
    )
    static let ofRevision = SQLStatement(
        "SELECT \(columns) FROM audit WHERE account_id = $1 AND revision = $2 ORDER BY id LIMIT $3"
    )
    static let ofRevisionAfter = SQLStatement(
        "SELECT \(columns) FROM audit WHERE account_id = $1 AND revision = $2 AND id > $3 ORDER BY id LIMIT $4"
    )
    static let count = SQLStatement(
        "SELECT COUNT(*) FROM audit WHERE account_id = $1 AND revision = $2"
    )
    static let revisions = SQLStatement(
        """
        SELECT DISTINCT revision FROM audit WHERE account_id = $1 AND revision < $2 ORDER BY revision DESC LIMIT $3
        """
    )

    static let statements = [list, after, ofRevision, ofRevisionAfter, count, revisions]

    /// Which entries a list shows; nil lets everything through.
    package struct Filter: Sendable {
        package var actorID: APIKeyID?
        /// A verb with its noun, or a noun.
        package var action: Text?
        package var resource: Text?
        package var revision: Revision?
        /// At or after.
        package var since: UnixTime?
        /// Before.
        package var until: UnixTime?

        package init() {}

        var isEmpty: Bool {
            actorID == nil && action == nil && resource == nil && revision == nil && since == nil
                && until == nil
        }

        /// An action may be asked for by its noun alone: `channel`.
        func matches(_ entry: AuditEntry) -> Bool {
            if let actorID, entry.actorID != actorID { return false }
            if let action {
                let own = entry.action.utf8
                let isNoun = own.dropFirst(action.bytes.count).first == UInt8(ascii: ".")
                guard own.starts(with: action.bytes), own.count == action.bytes.count || isNoun else {
                    return false
                }
            }
            if let resource, !entry.resource.utf8.elementsEqual(resource.bytes) { return false }
            if let revision, entry.revision != revision { return false }
            if let since, entry.at < since { return false }
            if let until, entry.at >= until { return false }
            return true
        }
    }

    /// A page of the entries, newest first. `account` may be the installation, whose record is the operator's.
    package func list(
        _ request: PageRequest<AuditKind>,
        filter: Filter,
        in account: AccountNumber
    ) async throws -> Page<AuditEntry, AuditKind> {
        // Identifiers carry the time, but for a clock that went back: a second is left over.
        let oldest = filter.since.map { AuditID.lowest(at: $0.adding(seconds: -1)) }
        return try await PageScan.page(
            request,
            isFiltered: !filter.isEmpty,
            id: \.id,
            oldest: oldest,
            weight: \.byteCount,
            in: account,
            of: store.database
        ) { connection, before, limit in
            try connection.rows(Self.list, [.account(account), .id(before), .int(limit)], Self.decode)
        } matches: {
            filter.matches($0)
        }
    }

    static func decode(_ row: any SQLRow) throws(SQLError) -> AuditEntry {
        AuditEntry(
            id: try row.id(0),
            at: row.time(1),
            actorID: try row.optionalID(2),
            actorRole: row.text(3).string,
            address: row.optionalText(4),
            action: row.text(5).string,
            resource: row.text(6).string,
            requestID: row.text(7).string,
            revision: row.isNull(8) ? nil : Revision(row.integer(8)),
            before: row.optionalText(9),
            after: row.optionalText(10),
            detail: row.text(11),
            note: row.optionalText(12)
        )
    }
}
