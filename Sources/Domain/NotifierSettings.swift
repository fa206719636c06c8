import Native

/// Where and how a notifier sends: the settings of one kind. They hold secrets, are kept sealed and never
/// shown whole.
///
/// What is sent by them is for `NotifierKind` in Outbound to say, where each kind has its file.
package protocol NotifierSettings: Sendable, Equatable {
    static var kind: Notifier.Kind { get }

    /// Reads settings as the API takes them. nil: errors were noted.
    init?(_ fields: Fields)

    /// Reads what `store` wrote, today or in any version before. nil: it can't be read.
    init?(stored object: JSONValue)

    /// Writes the fields of the stored form, all but `kind`.
    func store(to object: inout JSONWriter)

    /// Writes the fields of the form that is shown, at `now`: nothing that is secret.
    func show(to object: inout JSONWriter, at now: UnixTime)

    /// The secrets of this service's making that sign each request, the newest first; at most two, the second
    /// while a rotation lasts. Empty for kinds that have none.
    var signingSecrets: [SigningSecret] { get }

    /// The same with other signing secrets, where the kind has any.
    func signed(by secrets: [SigningSecret]) -> Self
}

extension NotifierSettings {
    package var kind: Notifier.Kind { Self.kind }

    package var signingSecrets: [SigningSecret] { [] }

    /// Of a kind that signs nothing.
    package func signed(by secrets: [SigningSecret]) -> Self { self }

    /// Whether both are of one kind and equal.
    package func isEqual(to other: any NotifierSettings) -> Bool { other as? Self == self }
}

/// A key of Standard Webhooks: 24 to 64 bytes.
package struct SigningSecret: Sendable, Equatable {
    package let bytes: [UInt8]
    /// From then on it signs no more; nil: the present one.
    package let endsAt: UnixTime?

    package init(bytes: [UInt8], endsAt: UnixTime?) {
        self.bytes = bytes
        self.endsAt = endsAt
    }

    /// Whether it signs at `now`.
    package func isInForce(at now: UnixTime) -> Bool { endsAt.map { $0 > now } ?? true }
}
