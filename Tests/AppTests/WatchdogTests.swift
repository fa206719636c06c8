import App
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import Native
import ServiceLifecycle
import Storage
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite("The service manager", .timeLimit(.minutes(1)))
struct WatchdogTests {
    @Test(
        "is known by its socket, and watches the process that it means",
        arguments: [
            ([:], false, nil), (["NOTIFY_SOCKET": "nonsense"], false, nil),
            (["NOTIFY_SOCKET": "/"], false, nil),
            (["NOTIFY_SOCKET": "/" + String(repeating: "a", count: 200)], false, nil),
            (["NOTIFY_SOCKET": "/run/x"], true, nil), (["NOTIFY_SOCKET": "@x"], true, nil),
            (["NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "7000"], true, 7_000),
            (["NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "-1"], true, nil),
            (["NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "7000", "WATCHDOG_PID": "9"], true, 7_000),
            (["NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "7000", "WATCHDOG_PID": "8"], true, nil),
        ] as [([String: String], Bool, Int64?)]
    )
    func isKnown(environment: [String: String], isThere: Bool, microseconds: Int64?) {
        let manager = ServiceManager(environment, process: 9)
        #expect((manager != nil) == isThere)
        #expect(manager?.watchdogMicroseconds == microseconds)
    }

    @Test("nobody at the socket is no error")
    func isAway() throws {
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": "/tmp/tocsin-nobody-is-here"]))
        #expect(!manager.say("READY=1"))
    }

    @Test("hears that the process lives, nothing more while a part of it stands still, and its end")
    func watches() async throws {
        try await Ear.with { ear in
            let manager = try #require(
                ServiceManager(["NOTIFY_SOCKET": ear.path, "WATCHDOG_USEC": "60000"])
            )
            let isHeld = Lock(true)
            let stuck = NIOThreadPool(numberOfThreads: 1)
            stuck.start()
            let part = Watchdog.Part("a thread") { answer in stuck.submit { _ in answer() } }
            let logger = Logger(label: "watchdog")
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [Watchdog(manager, parts: [part], logger: logger)],
                    logger: logger
                )
            )
            async let run: Void = group.run()
            try await ear.hear("WATCHDOG=1")
            try await ear.hear("WATCHDOG=1")
            stuck.submit { _ in while isHeld.withLock({ $0 }) { usleep(1_000) } }
            // What was on its way has come by then.
            try await Task.sleep(for: .milliseconds(300))
            let before = ear.count
            try await Task.sleep(for: .milliseconds(500))
            #expect(ear.count == before)
            isHeld.withLock { $0 = false }
            try await ear.hear("WATCHDOG=1")
            await group.triggerGracefulShutdown()
            try await run
            try await ear.hear("STOPPING=1", times: 1)
            try await stuck.shutdownGracefully()
        }
    }

    @Test("the writer of the store, its readers, the work of tenants, tasks and event loops are parts")
    func parts() async throws {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-watch-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let settings = try await Settings.read(options: ["data-dir": folder], file: nil)
        let installation = try Installation.open(settings)
        try await Ear.with { ear in
            let manager = try #require(
                ServiceManager(["NOTIFY_SOCKET": ear.path, "WATCHDOG_USEC": "60000"])
            )
            let logger = Logger(label: "watchdog")
            let watchdog = Watchdog(manager, parts: Watchdog.parts(of: installation.store), logger: logger)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(services: [watchdog], logger: logger)
            )
            async let run: Void = group.run()
            try await ear.hear("WATCHDOG=1")
            let isHeld = Lock(true)
            installation.store.database.enqueuePushes { _ in
                while isHeld.withLock({ $0 }) { usleep(1_000) }
            }
            try await Task.sleep(for: .milliseconds(300))
            let before = ear.count
            try await Task.sleep(for: .milliseconds(500))
            #expect(ear.count == before)
            isHeld.withLock { $0 = false }
            try await ear.hear("WATCHDOG=1")
            await group.triggerGracefulShutdown()
            try await run
        }
        try await installation.close()
    }
}

/// The socket of a service manager, and what it heard.
private struct Ear: Sendable {
    let path: String
    private let heard: Lock<[String]>

    /// How much was said until now.
    var count: Int { heard.withLock { $0.count } }

    static func with(_ body: (Ear) async throws -> Void) async throws {
        let path = "/tmp/tocsin-ear-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let heard = Lock<[String]>([])
        let channel = try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener(heard: heard))
                }
            }
            .bind(unixDomainSocketPath: path).get()
        try await body(Ear(path: path, heard: heard))
        try await channel.close()
    }

    /// Waits until `text` was said once more than before this call, or so often in all.
    func hear(_ text: String, times: Int? = nil) async throws {
        let wanted = times ?? heard.withLock { $0.count { $0 == text } } + 1
        while heard.withLock({ $0.count { $0 == text } }) < wanted {
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        private let heard: Lock<[String]>

        init(heard: Lock<[String]>) {
            self.heard = heard
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: unwrapInboundIn(data).data)
            heard.withLock { $0.append(text) }
        }
    }
}
