import HummingbirdCore
import Logging
import NIOCore
import Native
import TLS

/// TLS in front of what is done on a connection, with the certificate that is the current one when it begins.
struct TLSConnection<Base: ServerChildChannel>: ServerChildChannel {
    typealias Value = Base.Value

    private let base: Base
    private let certificates: TLSCertificates
    private let metrics: TLSMetrics

    init(_ base: Base, certificates: TLSCertificates, metrics: TLSMetrics) {
        self.base = base
        self.certificates = certificates
        self.metrics = metrics
    }

    func setup(channel: any NIOCore.Channel, logger: Logger) -> EventLoopFuture<Value> {
        let (base, metrics, context) = (base, metrics, certificates.context)
        return channel.eventLoop.makeCompletedFuture {
            let handler = TLSHandler(context) { failure in
                metrics.count(failure.reason)
                logger.debug("a TLS handshake failed", metadata: ["reason": "\(failure)"])
            }
            try channel.pipeline.syncOperations.addHandler(handler)
        }.flatMap {
            base.setup(channel: channel, logger: logger)
        }
    }

    func handle(value: Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
