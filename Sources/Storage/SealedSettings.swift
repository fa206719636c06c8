import Domain
import Native

/// The settings of notifiers as the database holds them: JSON under AES-256-GCM, with a key of the account's own, bound to the account and the
/// row, so that a row copied to another place can't be opened there.
///
///     1 byte   generation of the root secret
///     the rest what `AESGCM.seal` makes
struct SealedSettings: Sendable {
    private let seal: AccountSeal
    private let account: AccountNumber

    init(_ keys: PushTokenKeys, _ account: AccountNumber) {
        seal = AccountSeal(keys, account)
        self.account = account
    }

    func seal(_ settings: NotifierSettings, of notifier: NotifierID) -> [UInt8] {
        seal.seal(Self.encode(settings), context: context(of: notifier))
    }

    /// nil: damaged, or sealed under a root secret that is gone.
    func open(_ sealed: [UInt8], of notifier: NotifierID) -> NotifierSettings? {
        seal.open(sealed, context: context(of: notifier)).flatMap { PackedJSON.read($0, Self.decode) }
    }

    private func context(of notifier: NotifierID) -> [UInt8] {
        var bytes = Array("tocsin/notifier/v1".utf8)
        bytes.appendBigEndian(UInt64(account.value), count: 4)
        bytes.appendBigEndian(notifier.high, count: 8)
        bytes.appendBigEndian(notifier.low, count: 8)
        return bytes
    }

    // MARK: JSON

    private static func encode(_ settings: NotifierSettings) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.object { object in
                object.field("kind", settings.kind.rawValue)
                object.field("url", settings.url?.secretText)
                switch settings {
                case .webhook(_, let headers, let secrets): write(headers, secrets, to: &object)
                case .dingtalk(_, let secret), .feishu(_, let secret):
                    object.field("secret", utf8: secret?.bytes)
                case .wecom, .slack: break
                case .email(let mail): write(mail, to: &object)
                }
            }
        }
    }

    private static func write(
        _ headers: [NotifierSettings.Header],
        _ secrets: [NotifierSettings.SigningSecret],
        to object: inout JSONWriter
    ) {
        object.array("headers") { list in
            for header in headers {
                list.object {
                    $0.field("name", utf8: header.name.bytes)
                    $0.field("value", utf8: header.value.bytes)
                }
            }
        }
        object.array("secrets") { list in
            for secret in secrets {
                list.object {
                    $0.field("key", utf8: Hexadecimal.encode(secret.bytes))
                    if let end = secret.endsAt { $0.field("ends_at", end.milliseconds) }
                }
            }
        }
    }

    private static func write(_ mail: NotifierSettings.Mail, to object: inout JSONWriter) {
        object.field("host", utf8: mail.host.bytes)
        object.field("port", Int64(mail.port))
        object.field("security", mail.security.rawValue)
        object.field("username", utf8: mail.login?.name.bytes)
        object.field("password", utf8: mail.login?.password.bytes)
        object.field("from", utf8: mail.from.bytes)
        object.array("to") { list in
            for address in mail.to { list.value(utf8: address.bytes) }
        }
    }

    private static func decode(_ root: JSONValue) -> NotifierSettings? {
        guard let kind = PackedJSON.text(root, "kind").flatMap({ Notifier.Kind(rawValue: $0.string) }) else {
            return nil
        }
        if kind == .email { return mail(root) }
        guard let text = PackedJSON.text(root, "url"), let url = try? EndpointURL(text) else { return nil }
        let secret = PackedJSON.text(root, "secret")
        switch kind {
        case .webhook: return webhook(url, root)
        case .dingtalk: return .dingtalk(url: url, secret: secret)
        case .feishu: return .feishu(url: url, secret: secret)
        case .wecom: return .wecom(url: url)
        case .slack: return .slack(url: url)
        case .email: return nil
        }
    }

    private static func webhook(_ url: EndpointURL, _ root: JSONValue) -> NotifierSettings? {
        guard let headers = root.member("headers"), let secrets = root.member("secrets") else { return nil }
        return .webhook(
            url: url,
            headers: headers.elements.compactMap { header in
                guard let name = PackedJSON.text(header, "name"), let value = PackedJSON.text(header, "value")
                else {
                    return nil
                }
                return NotifierSettings.Header(name: name, value: value)
            },
            secrets: secrets.elements.compactMap { secret in
                guard let key = PackedJSON.text(secret, "key").flatMap({ Hexadecimal.decode($0.bytes) })
                else {
                    return nil
                }
                let end = secret.member("ends_at")?.int64Value
                return NotifierSettings.SigningSecret(
                    bytes: key,
                    endsAt: end.map { UnixTime(milliseconds: $0) }
                )
            }
        )
    }

    private static func mail(_ root: JSONValue) -> NotifierSettings? {
        guard let host = PackedJSON.text(root, "host"), let port = root.member("port")?.int64Value,
            let security = PackedJSON.text(root, "security")
                .flatMap({ NotifierSettings.Mail.Security(rawValue: $0.string) }),
            let from = PackedJSON.text(root, "from"), let list = root.member("to")
        else { return nil }
        // Blanks and line ends around them were taken once; they would be lines of a mail's head.
        let name = PackedJSON.text(root, "username")
        let password = PackedJSON.text(root, "password")
        return .email(
            NotifierSettings.Mail(
                host: host.trimmed,
                port: Int(port),
                security: security,
                login: name.map { NotifierSettings.Login(name: $0, password: password ?? Text("")) },
                from: from.trimmed,
                to: list.elements.compactMap { $0.string.map { Text(trusted: $0.bytes).trimmed } }
            )
        )
    }
}
