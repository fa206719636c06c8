import Domain
import FoundationEssentials
import SQL
import Storage

/// Real SQLite in the temporary folder, with the real schema.
enum TestDatabase {
    /// A path that no other test uses.
    static func path() -> String {
        FileManager.default.temporaryDirectory.path + "/tocsin-test-\(UInt64.random(in: .min ... .max)).db"
    }

    /// A writing connection on a new database.
    static func connection(at path: String = path()) throws -> SQLiteConnection {
        let connection = try SQLiteConnection(path: path, purpose: .writer)
        try Migrator.migrate(connection, Schema.migrations, now: 0)
        return connection
    }
}
