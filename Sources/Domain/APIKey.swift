import Native

/// What a caller of the management API may do. A later one may do all that an earlier one may.
package enum Role: UInt8, Comparable, CaseIterable, Sendable {
    /// Reads; sees no push URL.
    case viewer = 1
    /// Channels, integrations, push URLs, routes, severity tables, simulate, replay, close.
    case editor = 2
    /// Everything in its account.
    case admin = 3

    /// The wire spelling.
    package var name: String {
        switch self {
        case .viewer: "viewer"
        case .editor: "editor"
        case .admin: "admin"
        }
    }

    /// Reads the exact wire spelling.
    package init?(name: String) {
        guard let match = Role.allCases.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
            return nil
        }
        self = match
    }

    package static func < (left: Role, right: Role) -> Bool { left.rawValue < right.rawValue }
}

/// The text that a caller of the management API holds.
///
/// `tak_` (account) or `tok_` (operator), 10 base62 digits of public id, 32 of secret, 6 of the CRC-32 of what is before. Kept
/// only as its SHA-256: with 190 random bits a slow hash would protect nothing more. A key keeps its public id when it gets a new secret,
/// so that both secrets are found by one look-up.
package struct APIKeySecret: Sendable, CustomStringConvertible {
    /// Whose key it is.
    package enum Kind: String, Sendable {
        case account = "tak_"
        case `operator` = "tok_"
    }

    /// Characters of every key.
    package static let length = 52

    package let kind: Kind
    /// 10 digits by which the key is found.
    package let publicID: Text
    /// The whole text.
    package let bytes: [UInt8]

    /// Makes a new one; `known` is the public id of a key that has one already.
    package init(kind: Kind, publicID known: Text? = nil, random: inout some RandomNumberGenerator) {
        func digits(_ count: Int) -> [UInt8] {
            (0..<count).flatMap { _ in
                Base62.encode(UInt128(UInt64.random(in: 0..<62, using: &random)), width: 1)
            }
        }
        self.kind = kind
        let publicID = known?.bytes ?? digits(10)
        self.publicID = Text(trusted: publicID)
        let text = Array(kind.rawValue.utf8) + publicID + digits(32)
        bytes = text + CRC32.digits(text)
    }

    /// Reads the text form; nil unless prefix, length, alphabet and checksum are right.
    package init?(_ text: some Collection<UInt8>) {
        let text = Array(text)
        guard text.count == Self.length,
            let kind = Kind(rawValue: String(decoding: text[..<4], as: UTF8.self)),
            Base62.isValid(text[4...]), text[46...].elementsEqual(CRC32.digits(text[..<46]))
        else { return nil }
        self.kind = kind
        publicID = Text(trusted: Array(text[4..<14]))
        bytes = text
    }

    /// What the database holds instead of the text.
    package var digest: Digest256 {
        Digest256.hash(of: Array("tocsin/api-key/v1".utf8) + [0] + bytes)
    }

    /// The text itself, to be shown once to its owner.
    package var revealed: String { String(decoding: bytes, as: UTF8.self) }

    /// Never the secret: `tak_***`.
    package var description: String { kind.rawValue + "***" }
}

/// A key of the management API, without its secret.
package struct APIKey: Sendable {
    /// What it opens.
    package enum Owner: Sendable, Equatable {
        /// One account, with a role in it.
        case account(AccountNumber, Role)
        /// The installation.
        case `operator`
    }

    package let id: APIKeyID
    package let owner: Owner
    package let name: Name
    package let scopes: Scopes
    package let metadata: Metadata
    package let expiresAt: UnixTime
    /// Until when the secret before the present one goes on, too; nil: there is none. May be over.
    package let previousSecretEndsAt: UnixTime?
    /// Written lazily, with the address.
    package let lastUsedAt: UnixTime?
    package let lastUsedAddress: Text?

    package init(
        id: APIKeyID,
        owner: Owner,
        name: Name,
        scopes: Scopes,
        metadata: Metadata,
        expiresAt: UnixTime,
        previousSecretEndsAt: UnixTime? = nil,
        lastUsedAt: UnixTime? = nil,
        lastUsedAddress: Text? = nil
    ) {
        self.id = id
        self.owner = owner
        self.name = name
        self.scopes = scopes
        self.metadata = metadata
        self.expiresAt = expiresAt
        self.previousSecretEndsAt = previousSecretEndsAt
        self.lastUsedAt = lastUsedAt
        self.lastUsedAddress = lastUsedAddress
    }

    /// Whether it may do all that a key of `other` with `scopes` may: what goes beyond it is not its to give, to change or to take away.
    package func covers(_ other: Owner, _ scopes: Scopes) -> Bool {
        let isWithinRole =
            switch (owner, other) {
            case (.operator, _): true
            case (.account(let account, let role), .account(let otherAccount, let otherRole)):
                account == otherAccount && otherRole <= role
            case (.account, .operator): false
            }
        return isWithinRole && self.scopes.cover(scopes)
    }
}

/// What every configuration resource carries.
package struct Metadata: Sendable, Equatable {
    /// The caller's own id for it, 1 to 255 bytes.
    package let externalID: Text?
    /// The caller's own labels.
    package let labels: Labels
    package let version: Version
    package let createdAt: UnixTime
    package let updatedAt: UnixTime

    package init(
        externalID: Text?,
        labels: Labels,
        version: Version,
        createdAt: UnixTime,
        updatedAt: UnixTime
    ) {
        self.externalID = externalID
        self.labels = labels
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    /// Of a resource made at `now`.
    package static func new(externalID: Text?, labels: Labels, at now: UnixTime) -> Metadata {
        Metadata(externalID: externalID, labels: labels, version: Version(1), createdAt: now, updatedAt: now)
    }

    /// After a change at `now`.
    package func changed(externalID: Change<Text>, labels newLabels: Labels?, at now: UnixTime) -> Metadata {
        Metadata(
            externalID: externalID.applied(to: self.externalID),
            labels: newLabels ?? labels,
            version: version.next,
            createdAt: createdAt,
            updatedAt: now
        )
    }
}
