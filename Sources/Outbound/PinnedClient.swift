import AsyncHTTPClient
import Domain
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL

/// An HTTP client that connects to one address, whatever the name in the URL resolves to; certificates are checked for the name.
///
/// Its variables belong to the cache, which touches them under its lock.
final class PinnedClient: Sendable {
    private struct Variables {
        var usedAt: UInt64 = 0
        var users = 0
        var checkedAt = ContinuousClock.now
    }

    let key: ClientCache.Key
    let http: HTTPClient
    private let connections: ConnectionCount
    private let variables = NIOLockedValueBox(Variables())

    init(_ key: ClientCache.Key, roots: TLSConfiguration, limits: SendLimits) {
        let connections = ConnectionCount()
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: roots,
            redirectConfiguration: .disallow,
            timeout: .init(connect: TimeAmount(limits.connect)),
            connectionPool: .init(
                idleTimeout: .seconds(15),
                concurrentHTTP1ConnectionsPerHostSoftLimit: limits.connections
            ),
            proxy: nil,
            decompression: .disabled
        )
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        configuration.dnsOverride = [key.site.host: key.address.text]
        let name = key.site.isTLS && IPAddress(Array(key.site.host.utf8)) == nil ? key.site.host : nil
        // Runs when the connection stands, TLS included, and before anything is sent on it.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.submit {
                do {
                    try CertificateName.check(channel, name: name)
                    connections.add(channel)
                } catch {
                    channel.close(promise: nil)
                    throw error
                }
            }
        }
        self.key = key
        self.connections = connections
        http = HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton),
            configuration: configuration
        )
    }

    /// Whether a connection stands.
    var isConnected: Bool { connections.counts.open > 0 }
    /// Connections made so far.
    var connectionsMade: Int { connections.counts.made }

    /// The cache's clock at the last use.
    var usedAt: UInt64 {
        get { variables.withLockedValue { $0.usedAt } }
        set { variables.withLockedValue { $0.usedAt = newValue } }
    }

    /// Requests under way.
    var users: Int {
        get { variables.withLockedValue { $0.users } }
        set { variables.withLockedValue { $0.users = newValue } }
    }

    /// When the address was found to be the name's, and allowed.
    var checkedAt: ContinuousClock.Instant {
        get { variables.withLockedValue { $0.checkedAt } }
        set { variables.withLockedValue { $0.checkedAt = newValue } }
    }
}

/// How many connections a client has, and made.
private final class ConnectionCount: Sendable {
    private let state = NIOLockedValueBox((open: 0, made: 0))

    var counts: (open: Int, made: Int) { state.withLockedValue { $0 } }

    func add(_ channel: any NIOCore.Channel) {
        state.withLockedValue { $0 = ($0.open + 1, $0.made + 1) }
        channel.closeFuture.whenComplete { _ in self.state.withLockedValue { $0.open -= 1 } }
    }
}
