import Domain
import Testing

@Suite("What is done with what waits for a notifier")
struct OutboxPlanTests {
    private typealias Item = OutboxPlan.Item

    private func id(_ number: UInt64) -> NotificationID { NotificationID(high: 11 << 16, low: number) }

    private func item(
        _ number: UInt64,
        of alertNumber: UInt64?,
        at time: Int64 = 0,
        attempts: Int = 0
    ) -> Item {
        Item(id: id(number), alertID: alertNumber.map { alert($0) }, nextAt: at(time), attempts: attempts)
    }

    private func plan(
        _ items: [Item],
        limit: Int = 20,
        breaker: EndpointBreaker = EndpointBreaker(),
        at time: Int64 = 0
    ) -> OutboxPlan {
        var storm = StormGauge(limit: limit)
        return OutboxPlan(items, breaker: breaker, storm: &storm, at: at(time))
    }

    @Test("of several changes of an alert the latest is told, whatever comes between")
    func latest() {
        let plan = plan([item(1, of: 1), item(2, of: 2), item(3, of: 1), item(4, of: 1)])
        #expect(plan.sends.map(\.id) == [id(2), id(4)])
        #expect(plan.superseded == [.init(id: id(1), by: id(4)), .init(id: id(3), by: id(4))])
        #expect(plan.nextAt == nil)
    }

    @Test("what is not due yet is waited for, also when an older one of its alert was due")
    func later() {
        let plan = plan([item(1, of: 1), item(2, of: 1, at: 30), item(3, of: 2, at: 20)])
        #expect(plan.isIdle)
        #expect(plan.superseded.map(\.id) == [id(1)])
        #expect(plan.nextAt == at(20))
    }

    @Test("more than the limit: the first ones are told one by one, the rest is held for ten seconds")
    func storm() {
        var storm = StormGauge(limit: 3)
        let items = (1...5).map { item($0, of: $0) }
        let first = OutboxPlan(items, breaker: EndpointBreaker(), storm: &storm, at: at(0))
        #expect(first.sends.map(\.id) == [id(1), id(2)])
        for _ in 0..<2 { storm.told(at: at(0)) }
        let held = OutboxPlan(Array(items[2...]), breaker: EndpointBreaker(), storm: &storm, at: at(0))
        #expect(held.isIdle)
        #expect(held.nextAt == at(10))
        let digest = OutboxPlan(Array(items[2...]), breaker: EndpointBreaker(), storm: &storm, at: at(10))
        #expect(digest.digest == .some(.init(replaces: nil)))
    }

    @Test("what comes after a digest waits for it")
    func behindDigest() {
        let plan = plan([item(1, of: nil, at: 30, attempts: 1), item(2, of: 1)], at: 5)
        #expect(plan.isIdle)
        #expect(plan.nextAt == at(30))
    }

    @Test("a digest that failed is made anew with what came after it; alone it is sent again")
    func digestAgain() {
        let failed = item(1, of: nil, at: 30, attempts: 1)
        #expect(plan([failed, item(2, of: 1)], at: 30).digest == .some(.init(replaces: failed)))
        #expect(plan([failed], at: 30).sends == [failed])
        let fresh = item(1, of: nil)
        #expect(plan([fresh, item(2, of: 1)]).sends == [fresh])
    }

    @Test("an open breaker lets nothing through, then one")
    func breaker() {
        var breaker = EndpointBreaker()
        for _ in 0..<10 { breaker.failed(at: at(0)) }
        let items = [item(1, of: 1), item(2, of: 2)]
        let open = plan(items, breaker: breaker, at: 29)
        #expect(open.isIdle)
        #expect(open.nextAt == at(30))
        #expect(plan(items, breaker: breaker, at: 30).sends.map(\.id) == [id(1)])
        #expect(plan([], breaker: breaker).nextAt == nil)
    }
}
