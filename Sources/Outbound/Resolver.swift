import Domain
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Native

/// Finds the addresses of a name. Passed as a value, so that a test can answer what it likes.
package struct Resolver: Sendable {
    /// Addresses that are looked at, of those that a name has.
    package static let maximumAnswers = 16

    /// Answers the addresses of a name, an empty list when there are none. Throws `SendFailure` or `CancellationError`.
    package let resolve: @Sendable (String) async throws -> [IPAddress]

    package init(resolve: @escaping @Sendable (String) async throws -> [IPAddress]) {
        self.resolve = resolve
    }

    /// The system's resolver, on threads of its own.
    ///
    /// A name server that is slow holds one of them for some seconds; so that a tenant's bad name can't hold up the others, the threads
    /// are many, and a look-up whose asker went away before it began is not made.
    package static func system(limit: Duration = .seconds(2)) -> Resolver {
        let limit = TimeAmount(limit)
        return Resolver { name in try await lookUp(name, limit: limit) }
    }

    /// Shared by all, never stopped.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: 16)
        threads.start()
        return threads
    }()

    private static func lookUp(_ name: String, limit: TimeAmount) async throws -> [IPAddress] {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.any()
        let answer = eventLoop.makePromise(of: [IPAddress].self)
        let isAwaited = NIOLockedValueBox(true)
        let timer = eventLoop.scheduleTask(in: limit) {
            answer.fail(SendFailure(.unresolved, "The name servers did not answer in time."))
        }
        answer.futureResult.whenComplete { _ in
            timer.cancel()
            isAwaited.withLockedValue { $0 = false }
        }
        threads.submit { state in
            guard case .active = state, isAwaited.withLockedValue({ $0 }) else {
                return answer.fail(CancellationError())
            }
            do throws(HostLookupError) {
                let addresses = try lookUpHost(name).prefix(maximumAnswers).compactMap {
                    IPAddress(octets: $0)
                }
                answer.succeed(addresses)
            } catch .unknown {
                answer.succeed([])
            } catch {
                answer.fail(SendFailure(.unresolved, "The name could not be looked up."))
            }
        }
        return try await answer.futureResult.get()
    }
}

/// What went wrong on the way to a receiver.
struct SendFailure: Error, Sendable {
    let failure: SendResult.Failure
    /// For the notifier's owner: no secret, no URL, no address.
    let detail: String
    /// The reply code of SMTP.
    let code: Int?
    /// What the receiver said.
    let response: String

    init(_ failure: SendResult.Failure, _ detail: String, code: Int? = nil, response: String = "") {
        self.failure = failure
        self.detail = detail
        self.code = code
        self.response = response
    }
}

/// From a host to the one address that may be connected to.
struct AddressGuard: Sendable {
    let policy: AddressPolicy
    let resolver: Resolver

    /// Where something is to be sent.
    struct Destination: Sendable {
        let host: String
        /// The host, when it is an address.
        let literal: IPAddress?
        let port: Int
        let isTLS: Bool
        let isMail: Bool
    }

    /// The address to connect to: every address of the name must be allowed, then it is the first of IPv4, else the first.
    ///
    /// Throws `SendFailure` or `CancellationError`.
    func address(of destination: Destination) async throws -> IPAddress {
        var addresses: [IPAddress]
        if let literal = destination.literal {
            addresses = [literal]
        } else {
            addresses = try await resolver.resolve(destination.host)
        }
        addresses = Array(addresses.prefix(Resolver.maximumAnswers))
        for address in addresses {
            let verdict = policy.verdict(
                address: address,
                port: destination.port,
                isTLS: destination.isTLS,
                isMail: destination.isMail
            )
            if let verdict { throw SendFailure(.forbidden, verdict) }
        }
        guard let address = addresses.first(where: \.isIPv4) ?? addresses.first else {
            throw SendFailure(.unresolved, "The name of the host has no address.")
        }
        return address
    }
}
