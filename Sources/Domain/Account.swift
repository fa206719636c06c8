/// A tenant.
package struct Account: Sendable {
    /// Whether its keys and push URLs work.
    package enum Status: String, Sendable, CaseIterable {
        case active
        /// Its configuration can be read and changed by the operator; pushes are refused and its keys do not work.
        case suspended
    }

    package let id: AccountID
    package let number: AccountNumber
    package let name: Name
    package let status: Status
    /// Bytes of raw deliveries that it may keep.
    package let storedBytesLimit: Int64
    /// Bytes of raw deliveries that it keeps.
    package let storedBytes: Int64
    package let retention: Retention
    package let limits: AccountLimits
    /// Whether changes of its resources must say by `If-Match` which version they change.
    package let requiresIfMatch: Bool
    package let metadata: Metadata

    package init(
        id: AccountID,
        number: AccountNumber,
        name: Name,
        status: Status,
        storedBytesLimit: Int64,
        storedBytes: Int64,
        retention: Retention,
        limits: AccountLimits,
        requiresIfMatch: Bool,
        metadata: Metadata
    ) {
        self.id = id
        self.number = number
        self.name = name
        self.status = status
        self.storedBytesLimit = storedBytesLimit
        self.storedBytes = storedBytes
        self.retention = retention
        self.limits = limits
        self.requiresIfMatch = requiresIfMatch
        self.metadata = metadata
    }
}
