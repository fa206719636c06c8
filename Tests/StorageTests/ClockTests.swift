import Domain
import Storage
import Testing

@Suite("The clock of the store")
struct ClockTests {
    @Test(
        "when the system's clock goes back, time goes on at half speed, and follows again once it was caught up with"
    )
    func goesBack() async throws {
        let start = UnixTime(milliseconds: 1_795_161_600_000)
        let wall = Lock(start)
        let source = IdentifierSource(clock: WallClock { wall.withLock { $0 } }, after: start)
        wall.withLock { $0 = start.adding(seconds: -3_600) }
        let first = source.now
        let id: DeliveryID = source.next()
        try await Task.sleep(for: .milliseconds(60))
        let second = source.now
        let later: DeliveryID = source.next()
        #expect(first >= start)
        #expect(second.milliseconds - first.milliseconds >= 25)
        #expect(second.milliseconds - first.milliseconds < 60_000)
        #expect(id < later)
        wall.withLock { $0 = start.adding(seconds: 60) }
        #expect(source.now == start.adding(seconds: 60))
    }
}
