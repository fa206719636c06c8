import Domain
import SQL

/// The accounts of the installation.
package struct AccountStore: Sendable {
    let store: Store

    /// The account. Throws `notFound`; a deleted account is not found.
    package func find(_ id: AccountID) async throws -> Account { throw StoreError.notFound }
}
