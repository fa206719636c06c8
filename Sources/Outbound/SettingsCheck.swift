import Domain

/// Looks at a notifier's settings when they are saved. What a name resolves to is looked at whenever something is sent.
struct SettingsCheck: Sendable {
    /// Headers of an owner, and bytes of a value.
    static let maximumHeaders = 20
    static let maximumValueBytes = 2_048
    /// Receivers of a mail.
    static let receivers = 1...20

    let policy: AddressPolicy

    /// What is wrong, with pointers into the settings: `/url`, `/headers/0/name`, `/secret`, `/host`, `/port`, `/security`, `/from`, `/to/0`,
    /// `/username`, `/password`.
    func problems(in settings: NotifierSettings) -> [FieldError] {
        var errors = settings.url.map { problems(in: $0) } ?? []
        switch settings {
        case .webhook(_, let headers, _): errors += problems(in: headers)
        case .dingtalk(_, let secret), .feishu(_, let secret):
            if let secret, secret.isBlank || secret.bytes.count > 256 {
                errors.append(FieldError("/secret", "must have 1 to 256 bytes"))
            }
        case .wecom, .slack: break
        case .email(let mail): errors += problems(in: mail)
        }
        return errors
    }

    private func problems(in url: EndpointURL) -> [FieldError] {
        var verdict: String?
        if let address = url.address {
            verdict = policy.verdict(address: address, port: url.port, isTLS: url.isTLS, isMail: false)
        } else if !policy.allowsMore {
            verdict = Self.verdict(policy, port: url.port, isTLS: url.isTLS, isMail: false)
        }
        return verdict.map { [FieldError("/url", $0)] } ?? []
    }

    /// What scheme and port alone say, of a name that may well be public.
    private static func verdict(_ policy: AddressPolicy, port: Int, isTLS: Bool, isMail: Bool) -> String? {
        guard let somewhere = IPAddress(octets: [1, 1, 1, 1]) else { return nil }
        return policy.verdict(address: somewhere, port: port, isTLS: isTLS, isMail: isMail)
    }

    private func problems(in headers: [NotifierSettings.Header]) -> [FieldError] {
        var errors: [FieldError] = []
        if headers.count > Self.maximumHeaders {
            errors.append(FieldError("/headers", "must have at most \(Self.maximumHeaders) entries"))
        }
        var seen: Set<Text> = []
        for (index, header) in headers.enumerated() {
            if let problem = Self.problem(inName: header.name) {
                errors.append(FieldError("/headers/\(index)/name", problem))
            } else if !seen.insert(header.name.folded).inserted {
                errors.append(FieldError("/headers/\(index)/name", "is there twice"))
            }
            let isVisible = header.value.bytes.allSatisfy { (0x20..<0x7F).contains($0) }
            if !isVisible || header.value.bytes.count > Self.maximumValueBytes
                || header.value.trimmed != header.value
            {
                let detail = "must be at most 2,048 visible ASCII characters, without blanks at the ends"
                errors.append(FieldError("/headers/\(index)/value", detail))
            }
        }
        return errors
    }

    private static func problem(inName name: Text) -> String? {
        let isToken = name.bytes.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
        guard (1...128).contains(name.bytes.count), isToken else {
            return "must be 1 to 128 letters, digits and !#$%&'*+-.^_`|~"
        }
        let folded = name.folded.string
        let isOurs =
            ownNames.contains(folded)
            || ["content-", "transfer-", "webhook-", "proxy-"].contains { folded.hasPrefix($0) }
        return isOurs ? "is a header that this service sets itself or never sends" : nil
    }

    private static let ownNames: Set = [
        "host", "connection", "keep-alive", "te", "trailer", "upgrade", "expect", "cookie", "user-agent",
        "accept",
        "accept-encoding", "forwarded", "via", "http2-settings", "date",
    ]

    private func problems(in mail: NotifierSettings.Mail) -> [FieldError] {
        var errors: [FieldError] = []
        do throws(FieldError) {
            let (_, literal) = try EndpointURL.host(mail.host.bytes)
            let verdict =
                if let literal {
                    policy.verdict(address: literal, port: mail.port, isTLS: true, isMail: true)
                } else if policy.allowsMore {
                    (1...65_535).contains(mail.port) ? nil : "must be 1 to 65535"
                } else {
                    Self.verdict(policy, port: mail.port, isTLS: true, isMail: true)
                }
            if let verdict { errors.append(FieldError(literal == nil ? "/port" : "/host", verdict)) }
        } catch {
            errors.append(FieldError("/host", error.detail))
        }
        if let problem = Self.mismatch(mail) { errors.append(FieldError("/security", problem)) }
        if !MailAddress.isValid(mail.from) { errors.append(FieldError("/from", Self.badAddress)) }
        if !Self.receivers.contains(mail.to.count) {
            errors.append(FieldError("/to", "must have 1 to 20 addresses"))
        }
        for (index, address) in mail.to.enumerated() where !MailAddress.isValid(address) {
            errors.append(FieldError("/to/\(index)", Self.badAddress))
        }
        return errors + problems(in: mail.login)
    }

    /// What the port's convention (RFC 8314) says against how the connection is to be protected.
    private static func mismatch(_ mail: NotifierSettings.Mail) -> String? {
        switch (mail.port, mail.security) {
        case (465, .starttls):
            "port 465 speaks TLS from the first byte: set tls, or take port 587 with starttls"
        case (25, .tls), (587, .tls):
            "port \(mail.port) begins without TLS: set starttls, or take port 465 with tls"
        default: nil
        }
    }

    private static let badAddress = "must be an address such as ops@example.com, in ASCII"

    private func problems(in login: NotifierSettings.Login?) -> [FieldError] {
        guard let login else { return [] }
        let parts = [("/username", login.name), ("/password", login.password)]
        return parts.filter { _, text in
            !(1...512).contains(text.bytes.count) || text.bytes.contains { $0 < 0x20 || $0 == 0x7F }
        }.map { pointer, _ in FieldError(pointer, "must have 1 to 512 bytes without controls") }
    }
}
