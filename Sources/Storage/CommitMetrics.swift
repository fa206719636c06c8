import Domain
import Metrics

/// Figures of the writer: counted per batch.
struct CommitMetrics: Sendable {
    let queueDepth: Recorder
    private let batchSize: Recorder
    private let commitSeconds: Recorder
    private let outcomes: [Outcome: Counter]

    init(_ factory: any MetricsFactory) {
        queueDepth = Recorder(label: "tocsin_queue_depth", dimensions: [], aggregate: false, factory: factory)
        batchSize = Recorder(
            label: "tocsin_commit_batch_pushes",
            dimensions: [],
            aggregate: true,
            factory: factory
        )
        commitSeconds = Recorder(
            label: "tocsin_commit_seconds",
            dimensions: [],
            aggregate: true,
            factory: factory
        )
        outcomes = Dictionary(
            uniqueKeysWithValues: Outcome.allCases.map {
                (
                    $0,
                    Counter(
                        label: "tocsin_events_total",
                        dimensions: [("outcome", $0.name)],
                        factory: factory
                    )
                )
            }
        )
    }

    func committed(count: Int, in time: Duration) {
        batchSize.record(Int64(count))
        commitSeconds.record(Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
    }

    func count(_ events: [EventOutcome]) {
        for event in events { outcomes[event.outcome]?.increment() }
    }
}
