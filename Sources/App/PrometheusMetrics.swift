import CoreMetrics
import Storage
import Synchronization

/// Keeps metrics in memory and prints them in Prometheus' text form (version 0.0.4).
///
/// Counters stay counters; recorders that aggregate become histograms, the others gauges. Labels hold no tenant.
package final class PrometheusMetrics: MetricsFactory {
    private let series = Lock<[String: any PrometheusSeries]>([:])

    package init() {}

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        make(label, dimensions) { CounterSeries(name: label, labels: $0) }
    }

    package func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? make(label, dimensions) { HistogramSeries(name: label, labels: $0) }
            : make(label, dimensions) { GaugeSeries(name: label, labels: $0) }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        make(label, dimensions) { HistogramSeries(name: label, labels: $0) }
    }

    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    /// All series, those of one name together, each name with its type.
    package func text() -> String {
        let all = series.withLock { Array($0.values) }
        var text = ""
        for (name, members) in Dictionary(grouping: all, by: \.name).sorted(by: { $0.key < $1.key }) {
            text += "# TYPE \(name) \(members[0].type)\n"
            for member in members.sorted(by: { $0.labels < $1.labels }) { text += member.lines() }
        }
        return text
    }

    private func make<Series: PrometheusSeries>(
        _ name: String,
        _ dimensions: [(String, String)],
        _ new: (String) -> Series
    ) -> Series {
        let labels = dimensions.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ",")
        let created = new(labels)
        return series.withLock { series in
            if let known = series[name + "{" + labels] as? Series { return known }
            series[name + "{" + labels] = created
            return created
        }
    }
}

/// One line, or one group of lines, of the text form.
private protocol PrometheusSeries: AnyObject, Sendable {
    var name: String { get }
    /// `a="b",c="d"`, or empty.
    var labels: String { get }
    var type: String { get }
    func lines() -> String
}

private final class CounterSeries: PrometheusSeries, CounterHandler {
    let name: String
    let labels: String
    let type = "counter"
    private let value = Atomic<Int64>(0)

    init(name: String, labels: String) {
        self.name = name
        self.labels = labels
    }

    func increment(by amount: Int64) { value.add(amount, ordering: .relaxed) }
    func reset() { value.store(0, ordering: .relaxed) }
    func lines() -> String { line(name, labels, "\(value.load(ordering: .relaxed))") }
}

private final class GaugeSeries: PrometheusSeries, RecorderHandler {
    let name: String
    let labels: String
    let type = "gauge"
    private let value = Lock(0.0)

    init(name: String, labels: String) {
        self.name = name
        self.labels = labels
    }

    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) { self.value.withLock { $0 = value } }
    func lines() -> String { line(name, labels, number(value.withLock { $0 })) }
}

private final class HistogramSeries: PrometheusSeries, RecorderHandler, TimerHandler {
    private struct State {
        var counts: [Int64]
        var sum = 0.0
        var count: Int64 = 0
    }

    let name: String
    let labels: String
    let type = "histogram"
    private let bounds: [Double]
    private let state: Lock<State>

    init(name: String, labels: String) {
        self.name = name
        self.labels = labels
        bounds =
            name.hasSuffix("_seconds")
            ? [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
            : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000]
        state = Lock(State(counts: Array(repeating: 0, count: bounds.count)))
    }

    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 }
        state.withLock { state in
            if let bucket { state.counts[bucket] += 1 }
            state.sum += value
            state.count += 1
        }
    }

    func lines() -> String {
        let state = state.withLock { $0 }
        var total: Int64 = 0
        var text = ""
        for (bound, count) in zip(bounds, state.counts) {
            total += count
            text += line(name + "_bucket", joined("le=\"\(number(bound))\""), "\(total)")
        }
        text += line(name + "_bucket", joined("le=\"+Inf\""), "\(state.count)")
        text += line(name + "_sum", labels, number(state.sum))
        return text + line(name + "_count", labels, "\(state.count)")
    }

    private func joined(_ label: String) -> String { labels.isEmpty ? label : labels + "," + label }
}

private func line(_ name: String, _ labels: String, _ value: String) -> String {
    labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
}

/// Whole numbers without a point.
private func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
}
