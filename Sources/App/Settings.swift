import Configuration
import Domain
import FoundationEssentials
import Logging
import Native
import SystemPackage
import Web

/// All settings of `tocsin serve`, read once. Each is an option (`--data-dir`), an environment variable (`TOCSIN_DATA_DIR`) and a key of
/// the YAML file (`data-dir`); an option wins over the environment, the environment over the file.
///
///     data-dir           folder of the store and its keys                          ./tocsin-data
///     listen             HOST:PORT                                                 127.0.0.1:8080
///     public-url         what push URLs begin with                                 http(s):// and listen
///     database-url       postgres://.. as libpq reads it: many nodes on one database   none: the embedded store
///     database-url-file  a file that holds it, so that its password is nowhere else    none
///     role               all, api, ingest or worker; on the embedded store all         all
///     spool-bytes        what may wait on disk while the database is away              1073741824
///     tls-certificate    PEM file, with tls-key                                    none
///     tls-key            PEM file                                                  none
///     tls-client-ca      PEM file: clients need a certificate of these authorities   none
///     trusted-proxies    CIDRs whose X-Forwarded-For is believed                   none
///     max-connections-per-address   open at a time from one IPv4 address or IPv6 /64, 1 to 4096   64
///     metrics-listen     HOST:PORT of /metrics and nothing else                    on listen
///     root-secret-file   lines of `kid hex`                                        data-dir/root.secret
///     outbound-allow     CIDRs that notifiers may reach though private, by any port   none
///     outbound-trust     PEM file of authorities that notifiers believe, too       none
///     insecure-http      plain HTTP on any address                                 false
///     log-level          trace .. critical                                         info
package struct Settings: Sendable {
    package let dataDirectory: String
    /// A connection string of libpq, with a password maybe: never to be shown. nil: the embedded store.
    package let databaseURL: String?
    /// The `sslmode` with which whoever is on the way to the database can pass for it; nil: nobody can.
    package var weakDatabaseMode: String? {
        databaseURL.flatMap { DatabasePlace($0, environment: ProcessInfo.processInfo.environment).weakMode }
    }
    package let role: NodeRole
    /// Bytes; only with a database server.
    package let spoolBytes: Int
    package let listen: HostPort
    package let publicURL: PublicURL
    package let tls: TLSFiles?
    package let trustedProxies: [Network]
    /// Which connections may be open at a time.
    package let connections: OpenConnections.Limits
    package let metricsListen: HostPort?
    package let rootSecretFile: String
    package let outboundAllow: [Network]
    /// Path; nil: the system's authorities alone.
    package let outboundTrust: String?
    package let logLevel: Logger.Level

    /// What a node of several on one database does.
    package enum NodeRole: String, Sendable, CaseIterable {
        case all
        /// The management API alone.
        case api
        /// Pushes alone.
        case ingest
        /// Telling people, retention, health alerts.
        case worker

        package var servesAPI: Bool { self == .all || self == .api }
        package var takesPushes: Bool { self == .all || self == .ingest }
        package var works: Bool { self == .all || self == .worker }
    }

    /// Paths of PEM files.
    package struct TLSFiles: Sendable {
        /// The server's, with its chain.
        package let certificate: String
        package let key: String
        /// Whoever connects needs a certificate of theirs; nil: nobody needs one.
        package let clientAuthorities: String?

        package init(certificate: String, key: String, clientAuthorities: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthorities = clientAuthorities
        }
    }

    /// An address to listen on.
    package struct HostPort: Sendable, Equatable, CustomStringConvertible {
        package let host: String
        /// 0: any free one.
        package let port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// Reads `HOST:PORT`, `[::1]:8080` for IPv6.
        package init?(_ text: String) {
            guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
                (0...65_535).contains(port)
            else { return nil }
            var host = String(text[..<colon])
            if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
            guard !host.isEmpty else { return nil }
            self.init(host: host, port: port)
        }

        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

        /// Whether only this machine can reach it.
        package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
    }

    /// What is wrong with the settings, one line each.
    package struct Problems: Error, CustomStringConvertible, Sendable {
        package let lines: [String]
        package var description: String { lines.joined(separator: "\n") }
    }

    /// Reads options (present ones only), then the environment, then the file.
    package static func read(options: [String: String], file: String?) async throws -> Settings {
        let values = options.map {
            (AbsoluteConfigKey([$0.key]), ConfigValue(content($0.key, $0.value), isSecret: false))
        }
        var providers: [any ConfigProvider] = [
            InMemoryProvider(name: "options", values: Dictionary(uniqueKeysWithValues: values)),
            EnvironmentVariablesProvider().prefixKeys(with: "tocsin"),
        ]
        if let file { providers.append(try await FileProvider<YAMLSnapshot>(filePath: FilePath(file))) }
        return try Settings(ConfigReader(providers: providers))
    }

    /// The text of an option as the type of its key.
    private static func content(_ key: String, _ text: String) -> ConfigContent {
        switch key {
        case "trusted-proxies", "outbound-allow": .stringArray(text.split(separator: ",").map(String.init))
        case "insecure-http": .bool(text == "true")
        case "spool-bytes", "max-connections-per-address": Int(text).map { .int($0) } ?? .string(text)
        default: .string(text)
        }
    }

    init(_ config: ConfigReader) throws {
        var problems: [String] = []
        func address(_ key: ConfigKey) -> HostPort? {
            guard let text = config.string(forKey: key) else { return nil }
            if let address = HostPort(text) { return address }
            problems.append("\(key): \"\(text)\" is not HOST:PORT")
            return nil
        }
        dataDirectory = config.string(forKey: "data-dir", default: "./tocsin-data")
        listen = address("listen") ?? HostPort(host: "127.0.0.1", port: 8_080)
        metricsListen = address("metrics-listen")
        rootSecretFile = config.string(forKey: "root-secret-file", default: dataDirectory + "/root.secret")
        tls = Self.tls(config, &problems)
        trustedProxies = Self.networks("trusted-proxies", config, &problems)
        connections = Self.connections(config, proxies: trustedProxies, &problems)
        outboundAllow = Self.networks("outbound-allow", config, &problems)
        outboundTrust = config.string(forKey: "outbound-trust")
        let level = config.string(forKey: "log-level", default: "info")
        logLevel = Logger.Level(rawValue: level) ?? .info
        if Logger.Level(rawValue: level) == nil {
            problems.append("log-level: \"\(level)\" is none: use info or debug")
        }
        databaseURL = Self.databaseURL(config, &problems)
        role = Self.role(config, isEmbedded: databaseURL == nil, &problems)
        spoolBytes = config.int(forKey: "spool-bytes", default: 1 << 30)
        if spoolBytes < 0 { problems.append("spool-bytes: \(spoolBytes) is less than none") }
        let url = config.string(forKey: "public-url") ?? "\(tls == nil ? "http" : "https")://\(listen)"
        publicURL = try Self.publicURL(url, &problems)
        let isPlain = tls == nil && !listen.isLoopback && trustedProxies.isEmpty
        if isPlain, !config.bool(forKey: "insecure-http", default: false) {
            problems.append(
                "listen: plain HTTP on \(listen) would send keys in the clear: set tls-certificate and tls-key, or "
                    + "trusted-proxies, or insecure-http"
            )
        }
        guard problems.isEmpty else { throw Problems(lines: problems) }
    }

    private static func tls(_ config: ConfigReader, _ problems: inout [String]) -> TLSFiles? {
        let certificate = config.string(forKey: "tls-certificate")
        let key = config.string(forKey: "tls-key")
        let authorities = config.string(forKey: "tls-client-ca")
        if let certificate, let key {
            return TLSFiles(certificate: certificate, key: key, clientAuthorities: authorities)
        }
        if (certificate == nil) != (key == nil) { problems.append("tls-certificate and tls-key go together") }
        if authorities != nil { problems.append("tls-client-ca needs tls-certificate and tls-key") }
        return nil
    }

    private static func connections(
        _ config: ConfigReader,
        proxies: [Network],
        _ problems: inout [String]
    ) -> OpenConnections.Limits {
        var limits = OpenConnections.Limits()
        limits.proxies = proxies
        let key = "max-connections-per-address"
        limits.address = config.int(forKey: ConfigKey(key), default: limits.address)
        if !(1...limits.total).contains(limits.address) {
            problems.append("\(key): \(limits.address) is not a number from 1 to \(limits.total)")
        }
        return limits
    }

    private static func role(
        _ config: ConfigReader,
        isEmbedded: Bool,
        _ problems: inout [String]
    ) -> NodeRole {
        let text = config.string(forKey: "role", default: NodeRole.all.rawValue)
        guard let role = NodeRole(rawValue: text) else {
            problems.append("role: \"\(text)\" is none: use all, api, ingest or worker")
            return .all
        }
        if isEmbedded, role != .all {
            problems.append(
                "role: \"\(text)\" needs a database server (database-url); on the embedded store the role is all"
            )
        }
        return role
    }

    /// From `database-url` or the file that `database-url-file` names. What is wrong with it is said without it: it may hold a password.
    private static func databaseURL(_ config: ConfigReader, _ problems: inout [String]) -> String? {
        var url = config.string(forKey: "database-url", isSecret: true)
        if let file = config.string(forKey: "database-url-file") {
            if url != nil { problems.append("database-url and database-url-file: give one of them") }
            do {
                guard let bytes = try PrivateFile.read(file) else { throw CancellationError() }
                url = Text(trusted: bytes).trimmed.string
            } catch {
                problems.append("database-url-file: \(file) can't be read")
            }
        }
        guard let url else { return nil }
        if !url.hasPrefix("postgres://"), !url.hasPrefix("postgresql://") {
            problems.append("database-url: must begin with postgres://")
        }
        let place = DatabasePlace(url, environment: ProcessInfo.processInfo.environment)
        if let problem = place.problem { problems.append("database-url: \(problem)") }
        #if !PostgreSQL
        problems.append("database-url: this program was built without PostgreSQL")
        #endif
        return url
    }

    private static func publicURL(_ text: String, _ problems: inout [String]) throws -> PublicURL {
        do {
            return try PublicURL(text)
        } catch {
            throw Problems(lines: problems + ["public-url: \"\(text)\" \(error.detail)"])
        }
    }

    private static func networks(
        _ key: ConfigKey,
        _ config: ConfigReader,
        _ problems: inout [String]
    ) -> [Network] {
        let list = config.stringArray(forKey: key) ?? []
        return list.flatMap { $0.split(separator: ",") }.compactMap { part in
            let network = Network(Text(String(part)).trimmed)
            if network == nil { problems.append("\(key): \"\(part)\" is not a CIDR") }
            return network
        }
    }
}
