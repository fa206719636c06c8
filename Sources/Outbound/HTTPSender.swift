import AsyncHTTPClient
import Domain
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// What is to be posted.
package struct OutboundRequest: Sendable {
    let url: EndpointURL
    /// Path and query: those of the URL and what the kind adds.
    let target: String
    let headers: [(name: String, value: String)]
    let body: [UInt8]
}

/// What a receiver answered.
package struct Answer: Sendable {
    package let status: Int
    /// What it asked for, in seconds.
    let retryAfter: Int64?
    /// The first 64 KiB.
    package let body: [UInt8]

    /// The first bytes for people: printable, without what is secret.
    func excerpt(hiding secrets: [String]) -> String { Excerpt.text(of: body, hiding: secrets) }
}

/// Posts to a checked address: no redirects, no proxy, no cookies, no decompression, all of it within the time limit.
struct HTTPSender: Sendable {
    private let guardian: AddressGuard
    private let clients: ClientCache
    private let limits: SendLimits
    private let userAgent: String

    init(guardian: AddressGuard, roots: TrustRoots, limits: SendLimits, userAgent: String) {
        self.guardian = guardian
        self.limits = limits
        self.userAgent = userAgent
        clients = ClientCache(roots: roots.clientConfiguration, limits: limits)
    }

    /// Posts once (twice when a kept connection turns out to be closed). Throws `SendFailure` or `CancellationError`.
    func post(
        _ request: OutboundRequest,
        of account: AccountNumber,
        at now: UnixTime
    ) async throws -> Answer {
        do {
            return try await within(limits.http) { try await attempt(request, of: account, at: now) }
        } catch {
            throw Self.failure(of: error)
        }
    }

    /// Closes all connections.
    func shutdown() async { await clients.shutdown() }

    private func attempt(
        _ request: OutboundRequest,
        of account: AccountNumber,
        at now: UnixTime
    ) async throws -> Answer {
        let client = try await client(for: request.url, of: account)
        do {
            let answer = try await exchange(request, by: client, at: now)
            await clients.giveBack(client)
            return answer
        } catch {
            await clients.giveBack(client)
            throw error
        }
    }

    private func client(for url: EndpointURL, of account: AccountNumber) async throws -> PinnedClient {
        let site = ClientCache.Site(host: url.host, port: url.port, isTLS: url.isTLS)
        if url.address == nil, let client = clients.recent(site) { return client }
        let address = try await guardian.address(
            of: .init(host: url.host, literal: url.address, port: url.port, isTLS: url.isTLS, isMail: false),
            for: account
        )
        guard let client = clients.client(.init(site: site, address: address)) else {
            throw CancellationError()
        }
        return client
    }

    private func exchange(
        _ request: OutboundRequest,
        by client: PinnedClient,
        at now: UnixTime
    ) async throws -> Answer {
        let made = client.connectionsMade
        do {
            return try await answer(to: request, by: client, at: now)
        } catch let error where Self.isClosed(error) && client.connectionsMade == made {
            // A connection that was kept and that the receiver had closed meanwhile: once more, on a new one.
            try Task.checkCancellation()
            return try await answer(to: request, by: client, at: now)
        }
    }

    private func answer(
        to request: OutboundRequest,
        by client: PinnedClient,
        at now: UnixTime
    ) async throws -> Answer {
        var message = HTTPClientRequest(url: request.url.origin + request.target)
        message.method = .POST
        for (name, value) in request.headers { message.headers.add(name: name, value: value) }
        message.headers.add(name: "user-agent", value: userAgent)
        message.headers.add(name: "accept", value: "*/*")
        message.body = .bytes(ByteBuffer(bytes: request.body))
        let response = try await client.http.execute(message, deadline: .now() + TimeAmount(limits.http))
        var body: [UInt8] = []
        for try await part in response.body {
            body += part.readableBytesView.prefix(SendLimits.answerBytes - body.count)
            // Leaving the loop drops the connection.
            if body.count == SendLimits.answerBytes { break }
        }
        let retryAfter = response.headers["retry-after"].first.flatMap { RetryAfter.seconds($0, at: now) }
        return Answer(status: Int(response.status.code), retryAfter: retryAfter, body: body)
    }

    private static func isClosed(_ error: any Error) -> Bool {
        switch error {
        case let error as HTTPClientError: error == .remoteConnectionClosed
        case let error as IOError: isReset(error.errnoCode)
        case ChannelError.connectTimeout: false
        default: error is ChannelError
        }
    }

    /// EPIPE and ECONNRESET of Linux.
    private static func isReset(_ code: CInt) -> Bool { code == 32 || code == 104 }

    private static func failure(of error: any Error) -> any Error {
        switch error {
        case is SendFailure, is CancellationError: return error
        case is TimeIsUp: return SendFailure(.timeout, "The receiver did not answer in time.")
        case let error as HTTPClientError: return failure(of: error)
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            return SendFailure(
                .tls,
                "No secure connection: the certificate was not accepted, or TLS was refused."
            )
        case _ where isClosed(error):
            return SendFailure(.broken, "The receiver closed the connection before it had answered.")
        case is IOError, is NIOConnectionError, is ChannelError:
            return SendFailure(.connect, "No connection to the receiver could be made.")
        default: return SendFailure(.broken, "The receiver answered with something that is not HTTP.")
        }
    }

    private static func failure(of error: HTTPClientError) -> any Error {
        switch error {
        case .connectTimeout, .getConnectionFromPoolTimeout:
            SendFailure(.connect, "No connection to the receiver could be made in time.")
        case .tlsHandshakeTimeout: SendFailure(.tls, "TLS was not agreed on in time.")
        case .deadlineExceeded, .readTimeout, .writeTimeout:
            SendFailure(.timeout, "The receiver did not answer in time.")
        case .alreadyShutdown, .cancelled: CancellationError()
        default: SendFailure(.broken, "The receiver closed the connection before it had answered.")
        }
    }
}
