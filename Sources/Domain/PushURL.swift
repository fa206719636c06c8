import Native

/// An integration's signed ingest address, without its token, which is made anew from this when it is shown.
package struct PushURL: Sendable {
    package let id: PushURLID
    package let integrationID: IntegrationID
    /// At most 500 scalars.
    package let description: Text
    package let kid: UInt8
    package let tag: PushTag
    /// The day in its token; 0 = none.
    package let expiryDay: UInt16
    /// When it ends; at or before the end of `expiryDay`.
    package let expiresAt: UnixTime?
    package let revokedAt: UnixTime?
    package let createdBy: APIKeyID
    /// Written lazily, shown within 2 s.
    package let lastUsedAt: UnixTime?
    package let lastUsedAddress: Text?
    package let useCount: Int64
    package let metadata: Metadata

    package init(
        id: PushURLID,
        integrationID: IntegrationID,
        description: Text,
        kid: UInt8,
        tag: PushTag,
        expiryDay: UInt16,
        expiresAt: UnixTime?,
        revokedAt: UnixTime?,
        createdBy: APIKeyID,
        lastUsedAt: UnixTime?,
        lastUsedAddress: Text?,
        useCount: Int64,
        metadata: Metadata
    ) {
        self.id = id
        self.integrationID = integrationID
        self.description = description
        self.kid = kid
        self.tag = tag
        self.expiryDay = expiryDay
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.createdBy = createdBy
        self.lastUsedAt = lastUsedAt
        self.lastUsedAddress = lastUsedAddress
        self.useCount = useCount
        self.metadata = metadata
    }

    /// `active`, `expired` or `revoked`, as on the wire.
    package func status(at now: UnixTime) -> String {
        if revokedAt != nil { return "revoked" }
        if let expiresAt, expiresAt <= now { return "expired" }
        return "active"
    }
}

/// The addresses under which pushes are taken.
package struct PublicURL: Sendable, Equatable {
    /// Characters that ARMS takes in a webhook address.
    package static let longest = 256

    /// `scheme://host[:port][/path]` without a slash at the end.
    package let base: String

    /// Checks the address; the detail says what is wrong with it.
    package init(_ text: String) throws(FieldError) {
        var base = text
        while base.hasSuffix("/") { base.removeLast() }
        let allowed = base.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7F && !Array("\"<>\\^`{|}?#@".utf8).contains($0)
        }
        let host = base.split(separator: "/", omittingEmptySubsequences: false)
        guard allowed, base.hasPrefix("http://") || base.hasPrefix("https://"), host.count >= 3,
            !host[2].isEmpty,
            !host[2].hasPrefix(":")
        else {
            throw FieldError("", "must be http:// or https:// and a host, such as https://alerts.example.com")
        }
        let length = base.utf8.count + "/p/".utf8.count + PushToken.length
        guard length <= PublicURL.longest else {
            throw FieldError(
                "",
                "makes push URLs of \(length) characters; ARMS takes at most \(PublicURL.longest): use a shorter host name"
            )
        }
        self.base = base
    }

    /// The push URL with `token`.
    package func url(token: [UInt8]) -> String {
        base + "/p/" + String(decoding: token, as: UTF8.self)
    }

    /// The form of address that Flashduty uses, so that a sender moves by changing host and key; nil when it would be longer than ARMS takes.
    package func compatibleURL(type: IntegrationType, token: [UInt8]) -> String? {
        let url = base + "/event/push/alert/\(type)?integration_key=" + String(decoding: token, as: UTF8.self)
        return url.utf8.count <= PublicURL.longest ? url : nil
    }
}
