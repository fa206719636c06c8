import Domain
import Native

/// What a mail server made of a message.
struct MailResult: Sendable {
    let code: Int
    /// Its words, and how many receivers it refused.
    let text: String
}

/// Hands mails to a server by SMTP, always inside TLS, at a checked address.
///
/// A server that takes the mail for some receivers and not for others has taken it: a retry would come to the former again and again.
struct MailSender: Sendable {
    /// Mails under way of one account, and of all: each has a thread.
    private static let perAccount = 32
    private static let total = 256

    private let guardian: AddressGuard
    private let engine: TransferEngine
    private let places: SendPlaces
    private let limits: SendLimits

    init(guardian: AddressGuard, engine: TransferEngine, limits: SendLimits) {
        self.guardian = guardian
        self.engine = engine
        places = SendPlaces(perReceiver: limits.connections, perAccount: Self.perAccount, total: Self.total)
        self.limits = limits
    }

    /// Hands over one mail: whole lines, dots not doubled yet. Throws `SendFailure` or `CancellationError`.
    func send(
        _ message: [UInt8],
        by settings: Email,
        of account: AccountNumber
    ) async throws -> MailResult {
        let conversation = MailConversation(settings)
        do {
            let site = Site(host: settings.host.string, port: settings.port, isTLS: settings.security == .tls)
            // Waiting for a place is no fault of the server's.
            _ = try await places.with(account, site) {
                try await within(limits.mail) {
                    try await attempt(message, settings, account, conversation)
                }
            }
        } catch {
            // An error after the mail was taken, in saying good-bye, is none.
            if let result = conversation.result { return result }
            if let failure = conversation.failure { throw failure }
            if case .malformed? = error as? TransferError { throw conversation.malformed }
            throw Self.failure(of: error, settings.security)
        }
        if let result = conversation.result { return result }
        throw conversation.failure ?? SendFailure(.broken, "The mail server closed the connection.")
    }

    private func attempt(
        _ message: [UInt8],
        _ settings: Email,
        _ account: AccountNumber,
        _ conversation: MailConversation
    ) async throws -> TransferAnswer {
        guard let (host, literal) = try? EndpointURL.host(settings.host.bytes) else {
            throw SendFailure(.unresolved, "The host of the mail server is not valid.")
        }
        let isTLS = settings.security == .tls
        let address = try await guardian.address(
            of: .init(host: host, literal: literal, port: settings.port, isTLS: isTLS, isMail: true),
            for: account
        )
        let place = (host.contains(":") ? "[\(host)]" : host) + ":\(settings.port)"
        let transfer = Transfer(
            url: "\(isTLS ? "smtps" : "smtp")://\(place)/\(Self.ourName(toward: address))",
            message: .mail(
                .init(
                    from: settings.from.string,
                    to: settings.to.map(\.string),
                    login: settings.login.map { ($0.name.string, $0.password.string) },
                    text: message,
                    observer: conversation
                )
            ),
            address: address.text,
            // From the look-up to the login: many servers greet late on purpose.
            connectLimit: limits.mail,
            limit: limits.mail,
            answerBytes: 0
        )
        return try await engine.perform(transfer)
    }

    /// Our end of the connection as an address literal (RFC 5321, 4.1.3), for the path of a URL: a machine
    /// need not have a name.
    private static func ourName(toward address: IPAddress) -> String {
        let own = localAddress(toward: address.text) ?? "127.0.0.1"
        return "%5B\(own.contains(":") ? "IPv6:" : "")\(own)%5D"
    }

    /// Says, too, what a wrong kind of protection looks like from here.
    private static func failure(
        of error: any Error,
        _ security: Email.Security
    ) -> any Error {
        switch error {
        case is TimeIsUp: late(security)
        case let error as TransferError: failure(of: error, security)
        default: error
        }
    }

    private static func failure(
        of error: TransferError,
        _ security: Email.Security
    ) -> SendFailure {
        switch error {
        case .elsewhere:
            SendFailure(
                .forbidden,
                "The connection would have led elsewhere than to the address that was checked."
            )
        case .unresolved: SendFailure(.unresolved, "The name of the host has no address.")
        case .notConnected, .notConnectedInTime:
            SendFailure(.connect, "No connection to the mail server could be made.")
        case .noTLS, .noTLSInTime:
            SendFailure(
                .tls,
                "No secure connection: the certificate was not accepted, or TLS was refused."
                    + (security == .tls
                        ? " If the server begins without TLS, as on ports 25 and 587, set security to starttls."
                        : "")
            )
        case .late: late(security)
        case .malformed, .impossible: MailConversation.noSMTP
        case .closed: SendFailure(.broken, "The mail server closed the connection.")
        }
    }

    private static func late(_ security: Email.Security) -> SendFailure {
        SendFailure(
            .timeout,
            "The mail server did not answer in time."
                + (security == .starttls
                    ? " If it begins with TLS, as on port 465, set security to tls." : "")
        )
    }
}
