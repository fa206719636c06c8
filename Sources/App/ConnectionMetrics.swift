import CoreMetrics
import Web

/// Counts connections that were closed for the sake of others.
struct ConnectionMetrics: Sendable {
    private let overAddress: Counter
    private let madeRoom: Counter

    init(_ factory: any MetricsFactory) {
        func counter(_ reason: String) -> Counter {
            Counter(
                label: "tocsin_connections_closed_total",
                dimensions: [("reason", reason)],
                factory: factory
            )
        }
        overAddress = counter("address_limit")
        madeRoom = counter("made_room")
    }

    /// Counts one.
    @Sendable
    func count(_ loss: OpenConnections.Loss) {
        switch loss {
        case .overAddress: overAddress.increment()
        case .madeRoom: madeRoom.increment()
        }
    }
}
