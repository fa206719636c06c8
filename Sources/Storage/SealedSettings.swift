import Domain
import Native

/// The settings of notifiers as the database holds them: JSON under AES-256-GCM, with a key of the account's
/// own, bound to the account and the row, so that a row copied to another place can't be opened there. `kind`
/// comes first; what follows is for the kind to say.
///
///     1 byte   generation of the root secret
///     the rest what `AESGCM.seal` makes
struct SealedSettings: Sendable {
    private let seal: AccountSeal
    private let account: AccountNumber
    private let kinds: [any NotifierSettings.Type]

    init(_ store: Store, _ account: AccountNumber) {
        seal = AccountSeal(store.pushTokenKeys, account)
        kinds = store.notifierKinds
        self.account = account
    }

    func seal(_ settings: any NotifierSettings, of notifier: NotifierID) -> [UInt8] {
        seal.seal(Self.encode(settings), context: context(of: notifier))
    }

    /// nil: damaged, of a kind that does not exist, or sealed under a root secret that is gone.
    func open(_ sealed: [UInt8], of notifier: NotifierID) -> (any NotifierSettings)? {
        seal.open(sealed, context: context(of: notifier)).flatMap { PackedJSON.read($0, decode) }
    }

    private func context(of notifier: NotifierID) -> [UInt8] {
        var bytes = Array("tocsin/notifier/v1".utf8)
        bytes.appendBigEndian(UInt64(account.value), count: 4)
        bytes.appendBigEndian(notifier.high, count: 8)
        bytes.appendBigEndian(notifier.low, count: 8)
        return bytes
    }

    // MARK: JSON

    private static func encode(_ settings: any NotifierSettings) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.object { object in
                object.field("kind", settings.kind.name)
                settings.store(to: &object)
            }
        }
    }

    private func decode(_ root: JSONValue) -> (any NotifierSettings)? {
        guard let name = root.text("kind")?.string, let kind = kinds.first(where: { $0.kind.name == name })
        else { return nil }
        return kind.init(stored: root)
    }
}
