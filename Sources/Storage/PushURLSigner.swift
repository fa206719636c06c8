import Domain

/// A push URL as lists show it: its token masked.
package struct MaskedPushURL: Sendable {
    /// The push URL itself.
    package let pushURL: PushURL
    /// `tpu_...` and the last four characters.
    package let maskedToken: String
}

/// A push URL that was just issued, with its addresses.
package struct IssuedPushURL: Sendable {
    /// As lists show it.
    package let pushURL: MaskedPushURL
    /// What its owner fills into the sender.
    package let addresses: PushAddresses
}

/// The addresses of a push URL. They hold its token: to be answered to those who may see it, and never
/// logged.
package struct PushAddresses: Sendable {
    /// The form to use.
    package let url: String
    /// Flashduty's form; nil when it would be longer than ARMS takes.
    package let compatibleURL: String?
    /// Why `compatibleURL` is nil; else nil.
    package let compatibleURLNote: String?
}

/// Makes the tokens and addresses of one account's push URLs from their rows.
struct PushURLSigner: Sendable {
    private let keys: PushTokenKeys
    private let publicURL: PublicURL
    private let account: AccountNumber

    init(_ store: Store, _ account: AccountNumber) {
        keys = store.pushTokenKeys
        publicURL = store.publicURL
        self.account = account
    }

    /// The generation of the root secret that new tokens are signed with.
    var newestKid: UInt8 { keys.newestKid }

    func token(of pushURL: PushURL, _ parent: PushURLStore.Parent) -> [UInt8] {
        keys.issue(
            kid: pushURL.kid,
            account: account,
            integration: parent.number,
            tag: pushURL.tag,
            expiryDay: pushURL.expiryDay
        )
    }

    func masked(_ pushURL: PushURL, _ parent: PushURLStore.Parent) -> MaskedPushURL {
        let end = String(decoding: token(of: pushURL, parent).suffix(4), as: UTF8.self)
        return MaskedPushURL(pushURL: pushURL, maskedToken: "tpu_..." + end)
    }

    func addresses(_ token: [UInt8], _ parent: PushURLStore.Parent) -> PushAddresses {
        let compatibleURL = publicURL.compatibleURL(type: parent.type, token: token)
        let note =
            "It would be longer than the \(PublicURL.longest) characters that ARMS takes: use url, or a shorter host name."
        return PushAddresses(
            url: publicURL.url(token: token),
            compatibleURL: compatibleURL,
            compatibleURLNote: compatibleURL == nil ? note : nil
        )
    }
}
