import Domain
import Native

/// Bytes under AES-256-GCM with a key of one account's own, bound to the place where they are kept.
///
///     1 byte   generation of the root secret
///     the rest what `AESGCM.seal` makes
struct AccountSeal: Sendable {
    private let keys: PushTokenKeys
    private let account: AccountNumber

    init(_ keys: PushTokenKeys, _ account: AccountNumber) {
        self.keys = keys
        self.account = account
    }

    /// `context` is what `open` must be given, too: it names the place.
    func seal(_ plain: [UInt8], context: [UInt8]) -> [UInt8] {
        let kid = keys.newestKid
        guard let cipher = cipher(kid) else { preconditionFailure("the newest root secret is at hand") }
        return [kid] + cipher.seal(plain, context: context)
    }

    /// nil: damaged, from another place, or sealed under a root secret that is gone.
    func open(_ sealed: [UInt8], context: [UInt8]) -> [UInt8]? {
        sealed.first.flatMap { cipher($0)?.open(Array(sealed.dropFirst()), context: context) }
    }

    private func cipher(_ kid: UInt8) -> AESGCM? {
        keys.sealingKey(kid: kid, account: account).flatMap { AESGCM(key: $0) }
    }
}
