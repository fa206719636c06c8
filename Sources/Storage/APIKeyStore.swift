import Domain
import SQL

/// The keys of the management API.
package struct APIKeyStore: Sendable {
    let store: Store

    /// The key with this secret; nil when there is none or it is over. Same work for a known and an unknown public id.
    package func authenticate(_ secret: APIKeySecret) async throws -> APIKey? { nil }
}
