import Domain
import Native

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
    private let engine: TransferEngine
    private let known: KnownAddresses
    private let places: SendPlaces
    private let limits: SendLimits
    private let userAgent: String

    init(
        guardian: AddressGuard,
        engine: TransferEngine,
        limits: SendLimits,
        userAgent: String
    ) {
        self.guardian = guardian
        self.engine = engine
        places = SendPlaces(perReceiver: limits.connections)
        self.limits = limits
        self.userAgent = userAgent
        known = KnownAddresses(life: limits.addressLife)
    }

    /// Posts once (twice when a kept connection turns out to be closed). Throws `SendFailure` or `CancellationError`.
    func post(
        _ request: OutboundRequest,
        of account: AccountNumber,
        at now: UnixTime
    ) async throws -> Answer {
        let url = request.url
        let site = Site(host: url.host, port: url.port, isTLS: url.isTLS)
        do {
            // Waiting for a place is no fault of the receiver's.
            let answer = try await places.with(account, site) {
                try await exchange(request, site, account)
            }
            let retryAfter = answer.header("retry-after").flatMap { RetryAfter.seconds($0, at: now) }
            return Answer(status: answer.status, retryAfter: retryAfter, body: answer.body)
        } catch {
            throw Self.failure(of: error)
        }
    }

    private func exchange(
        _ request: OutboundRequest,
        _ site: Site,
        _ account: AccountNumber
    ) async throws -> TransferAnswer {
        let start = ContinuousClock.now
        let (address, checkedAt) = try await address(of: request.url, site, account)
        let transfer = Transfer(
            url: request.url.origin + request.target,
            message: .request(
                .init(
                    method: "POST",
                    headers: request.headers + [("User-Agent", userAgent), ("Accept", "*/*")],
                    body: request.body
                )
            ),
            address: address.text,
            connectLimit: limits.connect,
            limit: limits.http - start.duration(to: .now),
            answerBytes: SendLimits.answerBytes
        )
        do {
            let answer = try await engine.perform(transfer)
            known.note(site, address, checkedAt: checkedAt, isKept: answer.isKept)
            return answer
        } catch {
            known.note(site, address, checkedAt: checkedAt, isKept: false)
            throw error
        }
    }

    /// The address to connect to, and when it was checked.
    private func address(
        of url: EndpointURL,
        _ site: Site,
        _ account: AccountNumber
    ) async throws -> (IPAddress, ContinuousClock.Instant) {
        if url.address == nil, let found = known.find(site) { return found }
        let destination = AddressGuard.Destination(
            host: url.host,
            literal: url.address,
            port: url.port,
            isTLS: url.isTLS,
            isMail: false
        )
        let address = try await within(limits.http) {
            try await guardian.address(of: destination, for: account)
        }
        return (address, .now)
    }

    private static func failure(of error: any Error) -> any Error {
        switch error {
        case is TimeIsUp: SendFailure(.timeout, "The receiver did not answer in time.")
        case let error as TransferError: failure(of: error)
        default: error
        }
    }

    private static func failure(of error: TransferError) -> SendFailure {
        switch error {
        case .elsewhere:
            SendFailure(
                .forbidden,
                "The connection would have led elsewhere than to the address that was checked."
            )
        case .unresolved: SendFailure(.unresolved, "The name of the host has no address.")
        case .notConnected: SendFailure(.connect, "No connection to the receiver could be made.")
        case .notConnectedInTime:
            SendFailure(.connect, "No connection to the receiver could be made in time.")
        case .noTLS:
            SendFailure(.tls, "No secure connection: the certificate was not accepted, or TLS was refused.")
        case .noTLSInTime: SendFailure(.tls, "TLS was not agreed on in time.")
        case .late: SendFailure(.timeout, "The receiver did not answer in time.")
        case .closed:
            SendFailure(.broken, "The receiver closed the connection before it had answered.")
        case .malformed, .impossible:
            SendFailure(.broken, "The receiver answered with something that is not HTTP.")
        }
    }
}
