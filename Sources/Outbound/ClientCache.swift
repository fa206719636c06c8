import AsyncHTTPClient
import Domain
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL

/// Clients that can reach one checked address only, each with the connections it keeps: the least recently used goes first.
///
/// *Rule:* a request is made only with the client of an address that the policy has passed. *Why:* the HTTP library would look the name
/// up again by itself. *Otherwise:* a name that answers a public address first and a private one then leads inside.
final class ClientCache: Sendable {
    /// Whom a URL names: the policy passes an address with its port.
    struct Site: Hashable {
        let host: String
        let port: Int
        let isTLS: Bool
    }

    /// Which client: whom the URL names, and where that leads.
    struct Key: Hashable {
        let site: Site
        let address: IPAddress
    }

    private struct State {
        var clients: [Key: PinnedClient] = [:]
        /// Where the name of a URL led last.
        var latest: [Site: PinnedClient] = [:]
        /// Shut down when nobody uses them.
        var retired: [PinnedClient] = []
        var clock: UInt64 = 0
        var isClosed = false
    }

    private let state = NIOLockedValueBox(State())
    private let roots: TLSConfiguration
    private let limits: SendLimits
    private let capacity: Int

    init(roots: TLSConfiguration, limits: SendLimits, capacity: Int = 128) {
        self.roots = roots
        self.limits = limits
        self.capacity = capacity
    }

    /// The client of the address that `site` led to lately, while a connection to it stands; to be given back. Nil: look the name up.
    func recent(_ site: Site) -> PinnedClient? {
        state.withLockedValue { state in
            guard let client = state.latest[site], !state.isClosed, client.isConnected,
                client.checkedAt.duration(to: .now) < limits.addressLife
            else { return nil }
            return Self.lend(client, &state)
        }
    }

    /// The client of an address that was checked just now; to be given back. Nil after `shutdown`.
    func client(_ key: Key) -> PinnedClient? {
        state.withLockedValue { state in
            guard !state.isClosed else { return nil }
            let client = state.clients[key] ?? PinnedClient(key, roots: roots, limits: limits)
            state.clients[key] = client
            state.latest[key.site] = client
            client.checkedAt = .now
            return Self.lend(client, &state)
        }
    }

    /// Gives one back, and ends those that are too many.
    func giveBack(_ client: PinnedClient) async {
        let unused = state.withLockedValue { state in
            client.users -= 1
            while state.clients.count > capacity,
                let oldest = state.clients.values.min(by: { $0.usedAt < $1.usedAt })
            {
                state.clients[oldest.key] = nil
                if state.latest[oldest.key.site] === oldest { state.latest[oldest.key.site] = nil }
                state.retired.append(oldest)
            }
            let unused = state.retired.filter { $0.users == 0 }
            state.retired.removeAll { $0.users == 0 }
            return unused
        }
        for client in unused { try? await client.http.shutdown() }
    }

    /// Closes all connections; requests under way fail.
    func shutdown() async {
        let all = state.withLockedValue { state in
            let all = Array(state.clients.values) + state.retired
            state = State()
            state.isClosed = true
            return all
        }
        for client in all { try? await client.http.shutdown() }
    }

    private static func lend(_ client: PinnedClient, _ state: inout State) -> PinnedClient {
        state.clock += 1
        client.usedAt = state.clock
        client.users += 1
        return client
    }
}
