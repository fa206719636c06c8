import Domain
import SQL

/// The installation itself: one row.
package enum Deployment {
    static let find = SQLStatement(
        "SELECT deployment_id, key_check, newest_at FROM deployment WHERE singleton = 1"
    )
    static let create = SQLStatement(
        "INSERT INTO deployment (singleton, deployment_id, key_check, created_at, newest_at) VALUES (1, $1, $2, $3, $3)"
    )
    static let note = SQLStatement(
        "UPDATE deployment SET newest_at = $1 WHERE singleton = 1 AND newest_at < $1"
    )

    static let statements = [find, create, note]

    /// What the row holds.
    package struct Row: Sendable {
        /// 16 random bytes: the audience of push tokens.
        package let id: [UInt8]
        /// The generation of a root secret and what `PushTokenKeys.keyCheck` makes of it.
        package let keyCheck: [UInt8]
        /// The newest time that the store saw, at most some seconds behind.
        package let newestAt: UnixTime
    }

    /// The row; nil before the first start.
    package static func find(on connection: any SQLConnection) throws -> Row? {
        try connection.row(find, []) { row throws(SQLError) in
            Row(id: row.bytes(0), keyCheck: row.bytes(1), newestAt: row.time(2))
        }
    }

    /// Writes the row of a new installation.
    package static func create(
        id: [UInt8],
        keyCheck: [UInt8],
        at now: UnixTime,
        on connection: any SQLConnection
    ) throws {
        try connection.run(create, [.blob(id), .blob(keyCheck), .time(now)])
    }
}
