import FoundationEssentials
import SQL
import TestDatabases

/// Runs `body` with connections to one new database that has two tables, as many as it opens.
func withDatabase(
    _ engine: TestEngine,
    _ body: (() throws -> any SQLConnection) async throws -> Void
)
    async throws
{
    switch engine {
    case .sqlite:
        let path = FileManager.default.temporaryDirectory.path + "/tocsin-sql-\(UUID()).db"
        defer { for end in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + end) } }
        try SQLiteConnection(path: path, purpose: .writer).execute(script: tables)
        try await body { try SQLiteConnection(path: path, purpose: .writer) }
    case .postgres:
        try await PostgresDatabase.with(.empty) { database in
            try database.administrator().execute(script: tables)
            try await body { try database.connection(for: .writer) }
        }
    }
}

/// Runs `body` with one connection.
func withConnection(_ engine: TestEngine, _ body: (any SQLConnection) throws -> Void) async throws {
    try await withDatabase(engine) { connect in try body(try connect()) }
}

/// In the types of the schema.
let tables = """
    CREATE TABLE things (
        id BIGINT NOT NULL PRIMARY KEY, number BIGINT, code SMALLINT, words TEXT, bytes BYTEA, UNIQUE (number, code));
    CREATE TABLE parts (id BIGINT NOT NULL PRIMARY KEY, thing_id BIGINT NOT NULL REFERENCES things (id));
    """

/// Statements on the tables: constants, because a connection knows them by identity.
enum Things {
    static let insert = SQLStatement(
        "INSERT INTO things (id, number, code, words, bytes) VALUES ($1, $2, $3, $4, $5)"
    )
    static let insertOrAdd = SQLStatement(
        """
        INSERT INTO things (id, number, code, words, bytes) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET number = things.number + excluded.number
        """
    )
    static let all = SQLStatement("SELECT id, number, code, words, bytes FROM things ORDER BY id")
    static let numbers = SQLStatement("SELECT number FROM things ORDER BY id")
    static let ids = SQLStatement("SELECT id FROM things ORDER BY id")
    static let one = SQLStatement("SELECT id, number, code, words, bytes FROM things WHERE id = $1")
    static let set = SQLStatement("UPDATE things SET number = $2 WHERE id = $1")
    static let setEach = SQLStatement(
        "UPDATE things SET number = $2, words = $3 WHERE id = $1",
        isRowwise: true
    )
    static let above = SQLStatement("UPDATE things SET code = 7 WHERE id > $1")
    static let delete = SQLStatement("DELETE FROM things WHERE id > $1")
    static let part = SQLStatement("INSERT INTO parts (id, thing_id) VALUES ($1, $2)")
    static let deleteParts = SQLStatement("DELETE FROM parts")

    /// A row with nothing but its id and number.
    static func row(_ id: Int64, _ number: Int64? = nil) -> [SQLValue] {
        [.integer(id), number.map { .integer($0) } ?? .null, .null, .null, .null]
    }

    static func ids(_ connection: any SQLConnection) throws(SQLError) -> [Int64] {
        try connection.rows(ids, []) { row throws(SQLError) in row.integer(0) }
    }

    static func numbers(_ connection: any SQLConnection) throws(SQLError) -> [Int64] {
        try connection.rows(numbers, []) { row throws(SQLError) in row.integer(0) }
    }
}

/// What kind of error `body` throws; nil: none.
func kind(_ body: () throws -> Void) -> SQLError.Kind? {
    do {
        try body()
        return nil
    } catch {
        return (error as? SQLError)?.kind ?? .other
    }
}
