import Domain
import Native

/// Mail, by a server of the owner's. What a message looks like is in `MailFormat`.
package struct Email: NotifierKind {
    package static let kind = Notifier.Kind("email")
    package static let markup = Markup.plain

    /// How the connection is protected; the raw value is the wire form.
    package enum Security: String, Sendable, CaseIterable {
        /// Upgraded before anything is said.
        case starttls
        /// From the first byte.
        case tls
    }

    /// Who we are to a mail server.
    package struct Login: Sendable, Equatable {
        package let name: Text
        package let password: Text

        package init(name: Text, password: Text) {
            self.name = name
            self.password = password
        }
    }

    package let host: Text
    package let port: Int
    package let security: Security
    /// nil: without authentication.
    package let login: Login?
    package let from: Text
    /// 1 to 20 addresses.
    package let to: [Text]

    package init(host: Text, port: Int, security: Security, login: Login?, from: Text, to: [Text]) {
        self.host = host
        self.port = port
        self.security = security
        self.login = login
        self.from = from
        self.to = to
    }

    // MARK: Forms

    package init?(_ fields: Fields) {
        let host = fields.required("host") { $0.text() }
        let port = fields.required("port") { $0.integer(in: 1...65_535) }
        let security = fields.required("security") { $0.word(Security.self) }
        let username = fields.nullable("username") { $0.text() }
        let password = fields.nullable("password") { $0.text(bytes: 512) }
        let from = fields.required("from") { $0.text(bytes: 320) }
        let to = fields.required("to") { $0.array(count: Self.receivers) { $0.text(bytes: 320) } }
        if username == nil, password != nil { fields.refuse("username", "is required with a password") }
        if username != nil, password == nil { fields.refuse("password", "is required with a username") }
        guard let host, let port, let security, let from, let to else { return nil }
        var login: Login?
        if let username, let password { login = Login(name: username, password: password) }
        self.init(host: host, port: Int(port), security: security, login: login, from: from, to: to)
    }

    package init?(stored object: JSONValue) {
        guard let host = object.text("host"), let port = object.member("port")?.int64Value,
            let security = object.text("security").flatMap({ Security(rawValue: $0.string) }),
            let from = object.text("from"), let list = object.member("to")
        else { return nil }
        let password = object.text("password")
        // Blanks and line ends around them were taken once; they would be lines of a mail's head.
        self.init(
            host: host.trimmed,
            port: Int(port),
            security: security,
            login: object.text("username").map { Login(name: $0, password: password ?? Text("")) },
            from: from.trimmed,
            to: list.elements.compactMap { $0.string.map { Text(trusted: $0.bytes).trimmed } }
        )
    }

    package func store(to object: inout JSONWriter) {
        // Without a meaning, but it was always there.
        object.null("url")
        object.field("host", host)
        object.field("port", port)
        object.field("security", security.rawValue)
        object.field("username", login?.name)
        object.field("password", login?.password)
        object.field("from", from)
        object.array("to") { list in for address in to { list.value(utf8: address.bytes) } }
    }

    package func show(to object: inout JSONWriter, at now: UnixTime) {
        object.field("host", host)
        object.field("port", port)
        object.field("security", security.rawValue)
        object.field("username", login?.name)
        object.field("has_password", login != nil)
        object.field("from", from)
        object.array("to") { list in for address in to { list.value(utf8: address.bytes) } }
    }

    package var secrets: [String] {
        guard let login else { return [] }
        let plain = Base64.text([0] + login.name.bytes + [0] + login.password.bytes)
        return [login.password.string, Base64.text(login.password.bytes), plain]
    }

    // MARK: Sending

    package func outgoing(_ message: OutboundMessage, _ rendered: Rendered, at now: UnixTime) -> Outgoing {
        .mail(MailFormat(settings: self).message(message, rendered, at: now), self)
    }

    /// The text, as a person reads it.
    package static func body(_ message: OutboundMessage, _ rendered: Rendered) -> [UInt8] {
        Array(MailFormat.text(message, rendered).utf8)
    }
}

// MARK: - Check

extension Email {
    /// Receivers of a mail.
    private static let receivers = 1...20

    package func problems(under policy: AddressPolicy) -> [FieldError] {
        var errors: [FieldError] = []
        do throws(FieldError) {
            let (_, literal) = try EndpointURL.host(host.bytes)
            if let verdict = policy.verdict(named: literal, port: port, isTLS: true, isMail: true) {
                errors.append(FieldError(literal == nil ? "/port" : "/host", verdict))
            }
        } catch {
            errors.append(FieldError("/host", error.detail))
        }
        if let mismatch { errors.append(FieldError("/security", mismatch)) }
        if !MailAddress.isValid(from) { errors.append(FieldError("/from", Self.badAddress)) }
        if !Self.receivers.contains(to.count) {
            errors.append(FieldError("/to", "must have 1 to 20 addresses"))
        }
        for (index, address) in to.enumerated() where !MailAddress.isValid(address) {
            errors.append(FieldError("/to/\(index)", Self.badAddress))
        }
        return errors + loginProblems
    }

    /// What the port's convention (RFC 8314) says against how the connection is to be protected.
    private var mismatch: String? {
        switch (port, security) {
        case (465, .starttls):
            "port 465 speaks TLS from the first byte: set tls, or take port 587 with starttls"
        case (25, .tls), (587, .tls):
            "port \(port) begins without TLS: set starttls, or take port 465 with tls"
        default: nil
        }
    }

    private static let badAddress = "must be an address such as ops@example.com, in ASCII"

    private var loginProblems: [FieldError] {
        guard let login else { return [] }
        let parts = [("/username", login.name), ("/password", login.password)]
        return parts.filter { _, text in
            !(1...512).contains(text.bytes.count) || text.bytes.contains { $0 < 0x20 || $0 == 0x7F }
        }.map { pointer, _ in FieldError(pointer, "must have 1 to 512 bytes without controls") }
    }
}
