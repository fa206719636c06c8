import Domain
import NIOCore
import NIOPosix
import NIOSSL
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
    private typealias Connection = NIOAsyncChannel<MailBytes, ByteBuffer>

    private let guardian: AddressGuard
    private let context: NIOSSLContext
    private let limits: SendLimits

    init(guardian: AddressGuard, roots: TrustRoots, limits: SendLimits) throws {
        self.guardian = guardian
        self.limits = limits
        var configuration = roots.clientConfiguration
        // A server that has taken the mail need not say good-bye in form.
        configuration.shutdownTimeout = .milliseconds(200)
        context = try NIOSSLContext(configuration: configuration)
    }

    /// Hands over one mail: whole lines, dots not doubled yet. Throws `SendFailure` or `CancellationError`.
    func send(
        _ message: [UInt8],
        by settings: Email,
        of account: AccountNumber
    ) async throws -> MailResult {
        do {
            return try await within(limits.mail) { try await attempt(message, settings, account) }
        } catch {
            throw Self.failure(of: error, settings.security)
        }
    }

    private func attempt(
        _ message: [UInt8],
        _ settings: Email,
        _ account: AccountNumber
    ) async throws -> MailResult {
        guard let (host, literal) = try? EndpointURL.host(settings.host.bytes) else {
            throw SendFailure(.unresolved, "The host of the mail server is not valid.")
        }
        let isTLS = settings.security == .tls
        let address = try await guardian.address(
            of: .init(host: host, literal: literal, port: settings.port, isTLS: isTLS, isMail: true),
            for: account
        )
        // For an address there is no name to ask for; the certificate must then hold the address.
        let name = literal == nil ? host : nil
        let connection = try await connect(
            to: address,
            port: settings.port,
            tlsName: isTLS ? .some(name) : nil
        )
        return try await converse(message, settings, over: connection, name: name)
    }

    /// Runs the session; an error after the mail was taken, in saying good-bye, is none.
    private func converse(
        _ message: [UInt8],
        _ settings: Email,
        over connection: Connection,
        name: String?
    ) async throws -> MailResult {
        let channel = connection.channel
        let taken = ResultBox()
        do {
            try await connection.executeThenClose { inbound, outbound in
                let talk = MailConversation(
                    inbound: inbound.makeAsyncIterator(),
                    outbound: outbound,
                    isProtected: settings.security == .tls
                )
                var session = MailSession(talk: talk, settings: settings, ourName: Self.ourName(channel))
                try await session.begin {
                    try await protect(channel, name: name)
                } verify: {
                    let check = channel.eventLoop.submit { try CertificateName.check(channel, name: name) }
                    try await check.get()
                }
                taken.result = try await session.deliver(message)
                try? await session.end()
            }
        } catch  where taken.result != nil {}
        guard let result = taken.result else {
            throw SendFailure(.broken, "The mail server closed the connection.")
        }
        return result
    }

    /// `tlsName` is nil when TLS comes later; else the name for the certificate, nil for an address.
    private func connect(to address: IPAddress, port: Int, tlsName: String??) async throws -> Connection {
        let context = context
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(TimeAmount(limits.connect))
            .connect(to: SocketAddress(ipAddress: address.text, port: port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tlsName {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: tlsName)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        MailProtection(isProtected: tlsName != nil)
                    )
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
    }

    /// Begins TLS; what came before is marked so.
    private func protect(_ channel: any NIOCore.Channel, name: String?) async throws {
        let context = context
        try await channel.eventLoop.submit {
            let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
            channel.pipeline.fireUserInboundEventTriggered(MailUpgrade())
            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
        }.get()
    }

    /// Our end of the connection as an address literal (RFC 5321, 4.1.3): a machine need not have a name.
    private static func ourName(_ channel: any NIOCore.Channel) -> String {
        let address = channel.localAddress?.ipAddress ?? "127.0.0.1"
        return address.contains(":") ? "[IPv6:\(address)]" : "[\(address)]"
    }

    /// Says, too, what a wrong kind of protection looks like from here.
    private static func failure(
        of error: any Error,
        _ security: Email.Security
    ) -> any Error {
        switch error {
        case is SendFailure, is CancellationError: error
        case is TimeIsUp where security == .starttls:
            SendFailure(
                .timeout,
                "The mail server did not answer in time. If it begins with TLS, as on port 465, set security to tls."
            )
        case is TimeIsUp: SendFailure(.timeout, "The mail server did not answer in time.")
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            SendFailure(
                .tls,
                "No secure connection: the certificate was not accepted, or TLS was refused."
                    + (security == .tls
                        ? " If the server begins without TLS, as on ports 25 and 587, set security to starttls."
                        : "")
            )
        case is NIOConnectionError, ChannelError.connectTimeout:
            SendFailure(.connect, "No connection to the mail server could be made.")
        case let error as IOError
        where error.errnoCode == 111 || error.errnoCode == 113 || error.errnoCode == 101:
            SendFailure(.connect, "No connection to the mail server could be made.")
        default: SendFailure(.broken, "The mail server closed the connection.")
        }
    }

    /// What the conversation came to, although closing the connection may fail after it.
    private final class ResultBox {
        var result: MailResult?
    }
}
