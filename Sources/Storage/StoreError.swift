import Domain
import SQL

/// Why the store refused a management call. `Problem` turns each case into one answer.
package enum StoreError: Error, Sendable, Equatable {
    /// There is no such thing in the account: nothing tells it from one of another account.
    case notFound
    /// Bad fields, among them references to what is not in the account.
    case invalid(ValidationErrors)
    /// The name folds to the same key as that of another resource.
    case nameTaken
    /// The resource is no longer at the version that the caller saw.
    case preconditionFailed
    /// Other resources name it.
    case referenced([Reference])
    /// The last key that can manage the installation.
    case lastOperatorKey
    /// The push URL is revoked.
    case revoked
    /// The raw body is no longer kept.
    case bodyPurged
    /// An idempotency key stands for another call.
    case keyReused
    /// The same call is under way.
    case stillRunning
    /// The account has as many as it may; so many are allowed.
    case limitReached(AccountLimits.Kind, Int)
    /// What the account stores would be more than its limit, in bytes.
    case storageFull(Int64)
    /// Its conditions have more of something than the account may: how much is allowed, how much it would be, and where the body goes beyond
    /// it first.
    case costLimitReached(AccountLimits.Kind, Int, Int, at: [String])
    /// It goes beyond what the caller's own key may; the text says how.
    case beyondCaller(String)
    /// It can't be done in the present state; the text says why.
    case conflict(String)

    /// A resource that stands in the way.
    package struct Reference: Sendable, Equatable {
        /// `integration` or `route`.
        package let type: String
        package let id: String
        package let name: String

        package init(type: String, id: String, name: String) {
            self.type = type
            self.id = id
            self.name = name
        }
    }
}

/// What a caller demands of the version that it changes.
package enum Precondition: Sendable, Equatable {
    /// No `If-Match`, or `*`.
    case none
    /// One of these.
    case oneOf([Version])
    /// It is not there yet.
    case absent

    /// Throws unless `version`, that of something that is there, is allowed. `exists`: whether it counts as there.
    package func check(_ version: Version, exists: Bool = true) throws(StoreError) {
        switch self {
        case .none: return
        case .oneOf(let versions): if !versions.contains(version) { throw .preconditionFailed }
        case .absent: if exists { throw .preconditionFailed }
        }
    }
}

/// Who made a management call, for the audit.
package struct Actor: Sendable {
    /// nil: the command line.
    package let key: APIKeyID?
    /// What it may hand out is bounded by this, the key itself; nil: by nothing.
    package let holder: APIKey?
    /// `operator`, `admin`, `editor`, `viewer`, `command-line`, or `credential` for who ends a credential by holding it.
    package let role: String
    package let requestID: String
    /// The client's address; nil: the command line.
    package let address: Text?

    package init(key: APIKeyID?, role: String, requestID: String, address: Text? = nil, holder: APIKey? = nil)
    {
        self.key = key
        self.holder = holder
        self.role = role
        self.requestID = requestID
        self.address = address
    }
}

extension Error {
    /// Whether something that is stored can't be read: the account whose it is is out of service, and no other.
    package var isUnreadable: Bool { (self as? SQLError)?.kind == .unreadable }
}
