import Domain
import NIOConcurrencyHelpers
import Outbound
import Testing

@Suite("Places for messages under way", .timeLimit(.minutes(2)))
struct SendPlacesTests {
    private static let (a, b) = (AccountNumber(1), AccountNumber(2))

    private func site(_ number: Int) -> Site { Site(host: "\(number).example", port: 443, isTLS: true) }

    /// Takes a place and keeps it until `gate` is open.
    private func hold(
        _ places: SendPlaces,
        _ account: AccountNumber,
        _ site: Site,
        _ gate: NIOLockedValueBox<(held: Int, most: Int, isOpen: Bool)>
    ) async throws {
        try await places.with(account, site) {
            gate.withLockedValue { gate in
                gate.held += 1
                gate.most = max(gate.most, gate.held)
            }
            while !gate.withLockedValue({ $0.isOpen }) { try await Task.sleep(for: .milliseconds(2)) }
            gate.withLockedValue { $0.held -= 1 }
        }
    }

    @Test("what waits at one receiver holds up neither another account there nor the account elsewhere")
    func receivers() async throws {
        let places = SendPlaces(perReceiver: 3)
        let gate = NIOLockedValueBox((held: 0, most: 0, isOpen: false))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 { group.addTask { try await hold(places, Self.a, site(0), gate) } }
            try await eventually { gate.withLockedValue { $0.held } == 3 }
            // Each returns, which it would not if it waited.
            try await places.with(Self.b, site(0)) {}
            try await places.with(Self.a, site(1)) {}
            gate.withLockedValue { $0.isOpen = true }
            try await group.waitForAll()
        }
        #expect(gate.withLockedValue { $0.most } == 3)
    }

    @Test("an account has its places, however many receivers it has")
    func accounts() async throws {
        let places = SendPlaces(perReceiver: 3, perAccount: 20)
        let gate = NIOLockedValueBox((held: 0, most: 0, isOpen: false))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 { group.addTask { try await hold(places, Self.a, site(number), gate) } }
            try await eventually { gate.withLockedValue { $0.held } == 20 }
            // It returns, which it would not if it waited.
            try await places.with(Self.b, site(0)) {}
            gate.withLockedValue { $0.isOpen = true }
            try await group.waitForAll()
        }
        #expect(gate.withLockedValue { $0.most } == 20)
    }

    @Test("whoever goes away while it waits takes no place from those behind")
    func goingAway() async throws {
        let places = SendPlaces(perReceiver: 1)
        let gate = NIOLockedValueBox((held: 0, most: 0, isOpen: false))
        let first = Task { try await hold(places, Self.a, site(0), gate) }
        try await eventually { gate.withLockedValue { $0.held } == 1 }
        let waiting = (0..<20).map { _ in Task { try await places.with(Self.a, site(0)) {} } }
        try await Task.sleep(for: .milliseconds(20))
        for task in waiting.prefix(10) { task.cancel() }
        for task in waiting.prefix(10) {
            await #expect(throws: CancellationError.self) { try await task.value }
        }
        gate.withLockedValue { $0.isOpen = true }
        try await first.value
        for task in waiting.suffix(10) { try await task.value }
    }
}
