import CoreMetrics
import Native

/// What is counted of TLS: handshakes that failed, by reason, certificates that could not be read again, and
/// when the current one ends.
struct TLSMetrics: Sendable {
    private let failures: [TLSFailure.Reason: Counter]
    private let reloadFailures: Counter
    private let expiry: Recorder

    init(_ factory: any MetricsFactory) {
        let all = TLSFailure.Reason.allCases.map { reason in
            let counter = Counter(
                label: "tocsin_tls_handshake_failures_total",
                dimensions: [("reason", reason.rawValue)],
                factory: factory
            )
            return (reason, counter)
        }
        failures = Dictionary(uniqueKeysWithValues: all)
        reloadFailures = Counter(
            label: "tocsin_tls_reload_failures_total",
            dimensions: [],
            factory: factory
        )
        expiry = Recorder(
            label: "tocsin_tls_certificate_expiry_timestamp_seconds",
            dimensions: [],
            aggregate: false,
            factory: factory
        )
    }

    func count(_ reason: TLSFailure.Reason) { failures[reason]?.increment() }

    func countReloadFailure() { reloadFailures.increment() }

    /// `end`: seconds since 1970.
    func note(end: Int64) { expiry.record(end) }
}
