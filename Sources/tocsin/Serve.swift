import App
import ArgumentParser
import FoundationEssentials
import Logging
import Native

/// `tocsin serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the server; on an empty data directory it sets itself up first."
    )

    @OptionGroup var options: SettingsOptions
    @Option(help: "HOST:PORT to listen on. (default: 127.0.0.1:8080)")
    var listen: String?
    @Option(help: "all, api, ingest or worker; on the embedded store all. (default: all)")
    var role: String?
    @Option(help: "Bytes of pushes that may wait on disk while the database is away. (default: 1 GiB)")
    var spoolBytes: String?
    @Option(help: "PEM file with the certificate and its chain.")
    var tlsCertificate: String?
    @Option(help: "PEM file with the certificate's key.")
    var tlsKey: String?
    @Option(help: "PEM file of certificate authorities: clients need a certificate of theirs.")
    var tlsClientCA: String?
    @Option(help: "CIDRs of proxies whose X-Forwarded-For is believed, with commas between.")
    var trustedProxies: String?
    @Option(help: "Connections from one IPv4 address or IPv6 /64 at a time. (default: 64)")
    var maxConnectionsPerAddress: String?
    @Option(help: "HOST:PORT of /metrics, to keep it off the main address.")
    var metricsListen: String?
    @Option(help: "CIDRs that notifiers may reach though they are private, with commas between.")
    var outboundAllow: String?
    @Option(help: "PEM file of certificate authorities that notifiers believe besides the system's.")
    var outboundTrust: String?
    @Flag(help: "Allow plain HTTP on any address.")
    var insecureHTTP = false

    func run() async throws {
        Allocator.tune()
        ignoreHangup()
        try await reporting {
            let socket = try handedIn()
            let settings = try await options.settings([
                "listen": socket?.address ?? listen, "role": role, "spool-bytes": spoolBytes,
                "tls-certificate": tlsCertificate,
                "tls-key": tlsKey, "tls-client-ca": tlsClientCA,
                "trusted-proxies": trustedProxies,
                "max-connections-per-address": maxConnectionsPerAddress,
                "metrics-listen": metricsListen,
                "outbound-allow": outboundAllow, "outbound-trust": outboundTrust,
                "insecure-http": insecureHTTP ? "true" : nil,
            ])
            let level = settings.logLevel
            let logger = Logger(label: "tocsin") { JSONLogHandler(label: $0, level: level) }
            let failStop: @Sendable (String) -> Void = { reason in
                logger.critical("the process ends", metadata: ["reason": "\(reason)"])
                endProcess(code: 70)
            }
            let installation = try await Installation.openInTurn(settings, logger: logger, failStop: failStop)
            if let (path, _) = try await installation.bootstrap() {
                logger.notice(
                    "a new installation: its operator key was written",
                    metadata: ["file": "\(path)"]
                )
            }
            let server = try Server(
                installation,
                on: socket,
                for: ServiceManager(ProcessInfo.processInfo.environment),
                logger: logger,
                failStop: failStop
            )
            try await server.run { port in
                logger.notice("listening", metadata: ["address": "\(settings.listen)", "port": "\(port)"])
            }
        }
    }

    /// The socket of the one who started us, if there is one; its address then goes before every setting.
    private func handedIn() throws -> ListeningSocket? {
        do {
            return try ListeningSocket.handedIn(ProcessInfo.processInfo.environment)
        } catch {
            throw ExitWithMessage(error.description, code: .badSettings)
        }
    }
}

extension ListeningSocket {
    /// `HOST:PORT`, as in the settings.
    fileprivate var address: String { Settings.HostPort(host: host, port: port).description }
}
