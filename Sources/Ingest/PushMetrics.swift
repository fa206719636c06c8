import Metrics

/// Counts pushes by result.
package struct PushMetrics: Sendable {
    private let counters: [PushResult: Counter]

    package init(_ factory: any MetricsFactory) {
        counters = Dictionary(
            uniqueKeysWithValues: PushResult.allCases.map {
                (
                    $0,
                    Counter(
                        label: "tocsin_pushes_total",
                        dimensions: [("result", $0.rawValue)],
                        factory: factory
                    )
                )
            }
        )
    }

    /// Counts one.
    func count(_ result: PushResult) {
        counters[result]?.increment()
    }
}
