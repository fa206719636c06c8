import CoreMetrics
import Domain
import Logging
import NIOPosix
import Native
import ServiceLifecycle
import Storage
import UnixSignals

/// The certificate of the server: read when it starts, and again on SIGHUP, when one of its files changes
/// (looked at every ten seconds), and once a day, which renews the keys of session tickets. A connection
/// keeps what it began with.
///
/// Files that can't be used leave what there is in place, and are told of once: when they change again they
/// are read again.
package final class TLSCertificates: Sendable {
    private struct State {
        var context: TLSContext
        /// Of the files, as they were just before they were read last.
        var stamps: [FileStamp?]
        /// Milliseconds since 1970: whatever the files are like, they are read again then.
        var renewal: Int64
    }

    private let files: Settings.TLSFiles
    private let metrics: TLSMetrics
    private let logger: Logger
    private let state: Lock<State>

    /// Between two looks at the files.
    static let pause = Duration.seconds(10)
    private static let day: Int64 = 86_400_000
    /// A certificate that ends sooner is warned of whenever it is read.
    private static let warning = 14 * day

    /// Reads the files. Throws what is wrong with them.
    package convenience init(
        _ files: Settings.TLSFiles,
        metrics: any MetricsFactory,
        logger: Logger
    ) throws(TLSCredentialsError) {
        try self.init(files, TLSMetrics(metrics), logger)
    }

    init(_ files: Settings.TLSFiles, _ metrics: TLSMetrics, _ logger: Logger) throws(TLSCredentialsError) {
        let stamps = Self.stamps(files)
        let context = try Self.read(files)
        self.files = files
        self.metrics = metrics
        self.logger = logger
        state = Lock(State(context: context, stamps: stamps, renewal: systemMilliseconds() + Self.day))
        tell(of: context)
    }

    /// For the next connection.
    package var context: TLSContext { state.withLock { $0.context } }

    /// Reads the files again when they have changed, when the day is over, or when somebody `asked` for it.
    /// Blocks; one call at a time.
    package func look(asked: Bool, at now: Int64 = systemMilliseconds()) {
        let stamps = Self.stamps(files)
        let isDue = state.withLock { state in
            guard asked || state.stamps != stamps || state.renewal <= now else { return false }
            (state.stamps, state.renewal) = (stamps, now + Self.day)
            return true
        }
        guard isDue else { return }
        do {
            let context = try Self.read(files)
            state.withLock { $0.context = context }
            logger.notice("the TLS certificate was read again", metadata: ["file": "\(files.certificate)"])
            tell(of: context)
        } catch {
            metrics.countReloadFailure()
            logger.error(
                "the TLS certificate can't be read again; the one before stays in use",
                metadata: ["reason": "\(error)"]
            )
        }
    }

    private func tell(of context: TLSContext) {
        guard let seconds = context.notAfter else { return }
        metrics.note(end: seconds)
        let (now, end) = (systemMilliseconds(), seconds * 1_000)
        let time = UnixTime(milliseconds: end)
        let metadata: Logger.Metadata = ["file": "\(files.certificate)", "end": "\(time)"]
        if end <= now {
            logger.warning("the TLS certificate, or one of its chain, has expired", metadata: metadata)
        } else if end - now < Self.warning {
            logger.warning("the TLS certificate, or one of its chain, expires soon", metadata: metadata)
        }
        if let begin = context.notBefore, begin * 1_000 > now {
            logger.warning("the TLS certificate is not valid yet", metadata: metadata)
        }
    }

    private static func read(_ files: Settings.TLSFiles) throws(TLSCredentialsError) -> TLSContext {
        try .server(
            certificate: PEMText(file: files.certificate),
            key: PEMText(file: files.key),
            clientAuthorities: files.clientAuthorities.map { path throws(TLSCredentialsError) in
                try PEMText(file: path)
            }
        )
    }

    private static func stamps(_ files: Settings.TLSFiles) -> [FileStamp?] {
        [files.certificate, files.key, files.clientAuthorities].map { $0.flatMap { FileStamp($0) } }
    }
}

/// Reads again what may change while the server runs, on SIGHUP and by looking: the certificate, if there is
/// one. SIGHUP does not end the process, with or without it.
struct Reload: Service {
    let certificates: TLSCertificates?

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        let (asks, continuation) = AsyncStream<Bool>.makeStream(bufferingPolicy: .bufferingNewest(4))
        await cancelWhenGracefulShutdown {
            await withTaskGroup { group in
                group.addTask {
                    for await _ in signals { continuation.yield(true) }
                }
                group.addTask {
                    while (try? await Task.sleep(for: TLSCertificates.pause)) != nil {
                        continuation.yield(false)
                    }
                }
                // One after the other, on a thread that may be blocked.
                group.addTask {
                    for await asked in asks {
                        try? await NIOThreadPool.singleton.runIfActive { certificates?.look(asked: asked) }
                    }
                }
            }
        }
    }
}
