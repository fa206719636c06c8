import API
import Domain
import Formats
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Ingest
import Logging
import NIOCore
import Native
import Outbound
import SQL
import ServiceLifecycle
import Storage
import UnixSignals
import Web
import Workers

/// The server: builds the parts in order and runs them until it is told to stop.
///
/// The list of services is the plan of the shutdown, which goes through it backwards and waits for each: no new requests, then the queue is
/// drained, then the last usage written, then the store closed.
package struct Server {
    package let router: Router<AppContext>
    private let installation: Installation
    private let socket: ListeningSocket?
    private let commit: GroupCommit
    private let usage: UsageTracker
    private let metrics: PrometheusMetrics
    private let health: Health
    private let sender: Sender
    private let reachability = Reachability()
    private let certificates: TLSCertificates?
    private let manager: ServiceManager?
    private let logger: Logger

    /// Builds it over an opened installation. Throws when `outbound-trust`, or a file of TLS, can't be read.
    ///
    /// `socket`: to serve on instead of the address of the settings. `manager`: who wants to hear that it serves, and lives. `failStop` ends the process when the disk can't be trusted any more.
    package init(
        _ installation: Installation,
        on socket: ListeningSocket? = nil,
        for manager: ServiceManager? = nil,
        logger: Logger,
        bounds: GroupCommit.Bounds = GroupCommit.Bounds(),
        failStop: @escaping @Sendable (String) -> Void
    ) throws {
        let store = installation.store
        sender = try Self.sender(installation.settings)
        self.installation = installation
        self.socket = socket
        self.manager = manager
        self.logger = logger
        if installation.prepareLater != nil { reachability.note(isAway: true) }
        metrics = PrometheusMetrics()
        certificates = try Self.certificates(installation.settings, metrics, logger)
        usage = UsageTracker(database: store.database, logger: logger)
        let (usage, reachability) = (usage, reachability)
        commit = GroupCommit(
            store: store,
            bounds: bounds,
            spooling: installation.spool.map {
                SpoolLane($0, store: store, usage: usage, reachability: reachability, logger: logger)
            },
            metrics: metrics,
            logger: logger,
            failStop: failStop
        )
        health = Health(
            store: store,
            commit: commit,
            role: installation.settings.role,
            reachability: store.isShared ? reachability : nil,
            metrics: metrics
        )
        router = Self.router(
            installation,
            commit: commit,
            sender: sender,
            usage: usage,
            metrics: metrics,
            health: health
        )
    }

    private static func sender(_ settings: Settings) throws -> Sender {
        let roots: TrustRoots
        do {
            roots = try TrustRoots(file: settings.outboundTrust)
        } catch {
            throw Settings.Problems(lines: [
                "outbound-trust: \(settings.outboundTrust ?? "") can't be read as PEM certificates"
            ])
        }
        return Sender(
            policy: AddressPolicy(allowed: settings.outboundAllow),
            trustRoots: roots,
            version: Build.version
        )
    }

    /// nil: it serves plain HTTP.
    private static func certificates(
        _ settings: Settings,
        _ metrics: PrometheusMetrics,
        _ logger: Logger
    ) throws -> TLSCertificates? {
        guard let files = settings.tls else { return nil }
        do {
            return try TLSCertificates(files, metrics: metrics, logger: logger)
        } catch {
            throw Settings.Problems(lines: ["TLS: \(error)"])
        }
    }

    /// Everything mounted but the pushes, which have a door of their own.
    private static func router(
        _ installation: Installation,
        commit: GroupCommit,
        sender: Sender,
        usage: UsageTracker,
        metrics: PrometheusMetrics,
        health: Health
    ) -> Router<AppContext> {
        let (store, settings) = (installation.store, installation.settings)
        let router = Router(context: AppContext.self)
        router.add(middleware: ErrorMiddleware())
        health.add(to: router)
        if settings.metricsListen == nil { health.addMetrics(to: router) }
        if settings.role.servesAPI {
            Contract().add(to: router)
            API.mount(
                on: router,
                store: store,
                commit: commit,
                sender: sender,
                usage: usage,
                clientAddress: ClientAddress(trusted: installation.settings.trustedProxies),
                version: Build.identity
            )
        }
        return router
    }

    /// Runs until SIGTERM or SIGINT. `onRunning` gets the port once the server listens.
    package func run(onRunning: @escaping @Sendable (Int) async -> Void) async throws {
        WrongMethod.install(on: router)
        var services: [any Service] = [
            StoreCloser(installation: installation),
            SenderCloser(sender: sender),
            usage,
            Reload(certificates: certificates),
        ]
        if let link = nodeLink() { services.append(link) }
        services += workers()
        services.append(commit)
        if !installation.isChecked {
            services.append(DamageCheck(installation: installation, logger: logger))
        }
        if let address = installation.settings.metricsListen { services.append(metricsServer(address)) }
        let manager = manager
        services.append(
            httpServer { port in
                await onRunning(port)
                manager?.say("READY=1")
            }
        )
        if let manager {
            let parts = Watchdog.parts(of: installation.store)
            services.append(Watchdog(manager, parts: parts, logger: logger))
        }
        var configuration = ServiceGroupConfiguration(
            services: services,
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        configuration.maximumGracefulShutdownDuration = .seconds(25)
        try await ServiceGroup(configuration: configuration).run()
    }

    /// What is done in the background, whoever asks.
    private func workers() -> [any Service] {
        guard installation.settings.role.works else { return [] }
        let store = installation.store
        return [
            AccountPurger(store: store, owner: installation.nodeID, logger: logger), retentionPurger(),
            dispatcher(),
            PendingPushes(store: store, commit: commit, owner: installation.nodeID, logger: logger),
            HealthWatch(store: store, commit: commit, owner: installation.nodeID, logger: logger),
        ]
    }

    /// The link to other nodes; nil on the embedded store, which has none.
    private func nodeLink() -> NodeLink? {
        #if PostgreSQL
        guard let listener = installation.listener else { return nil }
        return NodeLink(
            store: installation.store,
            commit: commit,
            reachability: reachability,
            logger: logger,
            prepare: installation.prepareLater == nil ? nil : installation.prepare
        ) { milliseconds in
            let news = try await listener.next(within: milliseconds)
            return (news.texts, news.isNew)
        }
        #else
        return nil
        #endif
    }

    private func dispatcher() -> Dispatcher {
        let (sender, store) = (sender, installation.store)
        return Dispatcher(
            store: store,
            owner: installation.nodeID,
            isAlone: !store.isShared,
            metrics: metrics,
            logger: logger
        ) { account, message, notifier in
            let letter = try await store.work.run(.background, of: account) {
                sender.letter(message, to: notifier.settings, template: notifier.template, at: store.now)
            }
            return await sender.send(letter, of: account)
        }
    }

    private func retentionPurger() -> RetentionPurger {
        let store = installation.store
        return RetentionPurger(
            store: store,
            known: store.identifiers.lastSeen,
            owner: installation.nodeID,
            metrics: metrics,
            logger: logger
        )
    }

    private func httpServer(onRunning: @escaping @Sendable (Int) async -> Void) -> any Service {
        let responder = router.buildResponder().responder(logger: logger)
        let plain = HTTPConnection(doors: pushDoors(), responder: responder)
        guard let certificates else { return listener(plain, onRunning) }
        return listener(
            TLSConnection(plain, certificates: certificates, metrics: TLSMetrics(metrics)),
            onRunning
        )
    }

    private func listener<Connection: ServerChildChannel>(
        _ connection: Connection,
        _ onRunning: @escaping @Sendable (Int) async -> Void
    ) -> HTTPListener<Connection> {
        let listen = installation.settings.listen
        return HTTPListener(
            connection,
            at: socket.map { .socket($0) } ?? .address(host: listen.host, port: listen.port),
            limits: installation.settings.connections.within(descriptors: OpenFiles.limit),
            logger: logger,
            onLoss: ConnectionMetrics(metrics).count,
            onRunning: onRunning
        )
    }

    private func metricsServer(_ address: Settings.HostPort) -> some Service {
        let router = Router(context: AppContext.self)
        router.add(middleware: ErrorMiddleware())
        health.addMetrics(to: router)
        return Application(
            responder: router.buildResponder(),
            server: HTTPServerBuilder { HTTPConnection(doors: { [] }, responder: $0) },
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                availableConnectionsDelegate: .maximum(64, logger: logger)
            ),
            logger: logger
        )
    }

    /// Makes the door of each connection.
    private func pushDoors() -> @Sendable () -> [any ChannelHandler] {
        guard installation.settings.role.takesPushes else { return { [] } }
        let store = installation.store
        let intake = PushIntake(keys: store.pushTokenKeys, store: store, commit: commit, usage: usage)
        let address = ClientAddress(trusted: installation.settings.trustedProxies)
        let (pushes, date) = (PushMetrics(metrics), HTTPDate())
        return { [PushDoor(intake: intake, clientAddress: address, metrics: pushes, date: date)] }
    }
}

/// First in the list of services, so the last to stop: closes the store when nothing uses it any more.
private struct StoreCloser: Service {
    let installation: Installation

    func run() async throws {
        try? await gracefulShutdown()
        try await installation.close()
    }
}

/// Closes the connections to receivers when nobody sends any more.
private struct SenderCloser: Service {
    let sender: Sender

    func run() async throws {
        try? await gracefulShutdown()
        await sender.shutdown()
    }
}

/// Checks a large database for damage while it serves; damage stops the server.
private struct DamageCheck: Service {
    let installation: Installation
    let logger: Logger

    func run() async throws {
        try await EmbeddedStore.checkInBackground(Installation.databasePath(installation.settings))
        logger.info("the database was checked: no damage")
        try? await gracefulShutdown()
    }
}
