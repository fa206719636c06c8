import Domain
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Native

/// Finds the addresses of a name. Passed as a value, so that a test can answer what it likes.
package struct Resolver: Sendable {
    /// Addresses that are looked at, of those that a name has.
    package static let maximumAnswers = 16

    /// Threads for look-ups.
    package static let threadCount = 32
    /// Of them those that one account may hold: its slow name servers are not its neighbours'.
    package static let threadsPerAccount = 4

    /// Returns the addresses of a name for an account, an empty list when there are none. Throws `SendFailure` or `CancellationError`.
    package let resolve: @Sendable (String, AccountNumber) async throws -> [IPAddress]

    package init(resolve: @escaping @Sendable (String, AccountNumber) async throws -> [IPAddress]) {
        self.resolve = resolve
    }

    /// The system's resolver, on threads of its own.
    ///
    /// A name server that is slow holds one of them for some seconds, longer than anybody waits for it; so an account has a few of them at
    /// most, and a look-up whose asker went away before it began is not made. `lookUp` is what is run on the threads.
    package static func system(
        limit: Duration = .seconds(2),
        lookUp: @escaping @Sendable (String) throws -> [IPAddress] = { try systemAddresses($0) }
    ) -> Resolver {
        let limit = TimeAmount(limit)
        let turns = LookUpTurns()
        return Resolver { name, account in
            try await answer(to: name, of: account, turns, limit: limit, lookUp)
        }
    }

    /// Shared by all, never stopped.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: threadCount)
        threads.start()
        return threads
    }()

    private static func answer(
        to name: String,
        of account: AccountNumber,
        _ turns: LookUpTurns,
        limit: TimeAmount,
        _ lookUp: @escaping @Sendable (String) throws -> [IPAddress]
    ) async throws -> [IPAddress] {
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
        let isTaken = turns.run(of: account) { done in
            threads.submit { state in
                defer { done() }
                guard case .active = state, isAwaited.withLockedValue({ $0 }) else {
                    return answer.fail(CancellationError())
                }
                answer.completeWith(Result { try lookUp(name) })
            }
        }
        if !isTaken { answer.fail(SendFailure(.unresolved, "Too many names are looked up already.")) }
        return try await answer.futureResult.get()
    }

    private static func systemAddresses(_ name: String) throws -> [IPAddress] {
        do throws(HostLookupError) {
            return try lookUpHost(name).prefix(maximumAnswers).compactMap { IPAddress(octets: $0) }
        } catch .unknown {
            return []
        } catch {
            throw SendFailure(.unresolved, "The name could not be looked up.")
        }
    }
}

/// Who may hold a thread: until the look-up ends, not until its asker went away.
private final class LookUpTurns: Sendable {
    private typealias Begin = @Sendable () -> Void

    private let turnstile = NIOLockedValueBox(
        Turnstile<AccountNumber, Begin>(
            total: Resolver.threadCount,
            perKey: Resolver.threadsPerAccount,
            waiting: 256
        )
    )

    /// Calls `begin` in the account's turn, with what it has to call when it is done. False: too many wait.
    func run(
        of account: AccountNumber,
        _ begin: @escaping @Sendable (_ done: @escaping @Sendable () -> Void) -> Void
    ) -> Bool {
        let go: Begin = {
            begin { self.turnstile.withLockedValue { $0.leave(account) }?() }
        }
        switch turnstile.withLockedValue({ $0.enter(account, go) }) {
        case .goesOn: go()
        case .waits: break
        case .isRefused: return false
        }
        return true
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
    func address(of destination: Destination, for account: AccountNumber) async throws -> IPAddress {
        var addresses: [IPAddress]
        if let literal = destination.literal {
            addresses = [literal]
        } else {
            addresses = try await resolver.resolve(destination.host, account)
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
