import App
import FoundationEssentials
import Logging
import NIOPosix
import Native
import SQL
import ServiceLifecycle
import Storage
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite("The service manager", .timeLimit(.minutes(10)))
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
        var ear = Ear()
        let path = ear.path
        let manager = try #require(
            ServiceManager(["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000"])
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
        let before = ear.all().count
        try await Task.sleep(for: .milliseconds(500))
        let after = ear.all().count
        #expect(after == before)
        isHeld.withLock { $0 = false }
        try await ear.hear("WATCHDOG=1")
        await group.triggerGracefulShutdown()
        try await run
        try await ear.hear("STOPPING=1", times: 1)
        try await stuck.shutdownGracefully()
    }

    @Test("the writer of the store, its readers, the work of tenants, tasks and event loops are parts")
    func parts() async throws {
        let folder =
            FileManager.default.temporaryDirectory.path + "/tocsin-watch-\(UInt64.random(in: .min ... .max))"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let settings = try await Settings.read(options: ["data-dir": folder], file: nil)
        let installation = try Installation.open(settings)
        var ear = Ear()
        let path = ear.path
        let manager = try #require(
            ServiceManager(["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000"])
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
        let before = ear.all().count
        try await Task.sleep(for: .milliseconds(500))
        let after = ear.all().count
        #expect(after == before)
        isHeld.withLock { $0 = false }
        try await ear.hear("WATCHDOG=1")
        await group.triggerGracefulShutdown()
        try await run
        try await installation.close()
    }
}

/// The socket of a service manager, and what it heard.
private struct Ear: ~Copyable {
    let path: String
    private let descriptor: Int32
    private var heard: [String] = []

    init() {
        let path = "/tmp/tocsin-ear-\(UInt64.random(in: .min ... .max))"
        self.path = path
        #if canImport(Glibc)
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        #else
        descriptor = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        unsafe withUnsafePointer(to: address) { pointer in
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = unsafe bind(descriptor, address, size)
            }
        }
    }

    deinit {
        close(descriptor)
        unsafe unlink(path)
    }

    /// All that was said until now.
    mutating func all() -> [String] {
        var bytes = [UInt8](repeating: 0, count: 256)
        while true {
            let count = unsafe recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return heard }
            heard.append(String(decoding: bytes[..<count], as: UTF8.self))
        }
    }

    /// Waits until `text` was said once more than before this call, or so often in all.
    mutating func hear(_ text: String, times: Int? = nil) async throws {
        let wanted = times ?? all().count { $0 == text } + 1
        while all().count(where: { $0 == text }) < wanted { try await Task.sleep(for: .milliseconds(5)) }
    }
}
