import SQL
import Testing

@Suite("Turns by time used")
struct FairTurnsTests {
    /// Takes everything, each piece using what `cost` says, one at a time.
    private func drain(
        _ turns: inout FairTurns<String, Int>,
        cost: (String) -> UInt64
    ) -> [String] {
        var order: [String] = []
        while let (key, _) = turns.next() {
            order.append(key)
            turns.finished(key, after: cost(key))
        }
        return order
    }

    @Test("one that came later does not wait for all of another's work")
    func interleaves() {
        var turns = FairTurns<String, Int>(perKey: 1)
        for number in 0..<100 { turns.append(number, of: "many") }
        turns.append(0, of: "one")
        let order = drain(&turns) { _ in 10 }
        #expect(order.count == 101)
        #expect((order.firstIndex(of: "one") ?? 100) <= 1)
    }

    @Test("whose work takes ten times as long has a tenth of the turns")
    func byTime() {
        var turns = FairTurns<String, Int>(perKey: 1)
        for number in 0..<1_000 {
            turns.append(number, of: "slow")
            turns.append(number, of: "fast")
        }
        let order = drain(&turns) { $0 == "slow" ? 1_000 : 100 }
        let slow = order.prefix(220).count { $0 == "slow" }
        #expect((15...25).contains(slow))
    }

    @Test("a pause earns no credit")
    func noCredit() {
        var turns = FairTurns<String, Int>(perKey: 1)
        for number in 0..<50 { turns.append(number, of: "busy") }
        for _ in 0..<40 {
            guard let (key, _) = turns.next() else { break }
            turns.finished(key, after: 1_000)
        }
        for number in 0..<50 { turns.append(number, of: "late") }
        let order = drain(&turns) { _ in 1_000 }
        // Were its pause a credit, all of its work would come first.
        #expect(order.prefix(20).count { $0 == "busy" } >= 9)
    }

    @Test("a key has so many pieces under way and no more")
    func perKey() {
        var turns = FairTurns<String, Int>(perKey: 2)
        for number in 0..<5 { turns.append(number, of: "a") }
        #expect(turns.next()?.item == 0)
        #expect(turns.next()?.item == 1)
        #expect(turns.next()?.item == nil)
        turns.append(9, of: "b")
        #expect(turns.next()?.key == "b")
        turns.finished("a", after: 1)
        #expect(turns.next()?.item == 2)
        #expect(turns.count == 2)
    }
}
