import Domain
import SQL

enum SnapshotLoader {
    static func load(_ account: AccountNumber, on connection: any SQLConnection) throws -> AccountSnapshot? { nil }
}
