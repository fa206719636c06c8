/// Who may go on, of those that share some places: so many in all, so many of one key (an account, say). The
/// others wait, keys take turns, and those of one key keep their order. Every step costs the same, however
/// many wait.
package struct Turnstile<Key: Hashable, Waiter> {
    /// What becomes of one that comes.
    package enum Entry: Sendable {
        case goesOn, waits
        /// Too many of its key wait already: it was not taken.
        case isRefused
    }

    fileprivate struct Lane {
        var running = 0
        var waiters: [Waiter] = []
        /// The first of `waiters` that still waits.
        var first = 0
        /// Whether its turn comes as soon as there is a place.
        var isInLine = false

        var waiting: Int { waiters.count - first }
    }

    private let total: Int
    private let perKey: Int
    private let maximumWaiting: Int
    private var running = 0
    private var lanes: [Key: Lane] = [:]
    /// Keys that have a waiter and a place of their own free.
    private var line: [Key] = []
    private var firstInLine = 0

    /// `waiting`: how many of one key may wait.
    package init(total: Int, perKey: Int, waiting: Int) {
        self.total = total
        self.perKey = perKey
        maximumWaiting = waiting
    }

    /// One comes. `waiter` is kept only if it has to wait.
    package mutating func enter(_ key: Key, _ waiter: Waiter) -> Entry {
        var lane = lanes[key] ?? Lane()
        defer { lanes[key] = lane }
        if running < total, lane.running < perKey, lane.waiting == 0 {
            running += 1
            lane.running += 1
            return .goesOn
        }
        guard lane.waiting < maximumWaiting else { return .isRefused }
        lane.waiters.append(waiter)
        queue(key, &lane)
        return .waits
    }

    /// One that went on is through. The one that goes on in its place, if any waited for it.
    package mutating func leave(_ key: Key) -> Waiter? {
        guard var lane = lanes[key], lane.running > 0 else {
            preconditionFailure("one left that had not entered")
        }
        running -= 1
        lane.running -= 1
        queue(key, &lane)
        lanes[key] = lane.running == 0 && lane.waiting == 0 ? nil : lane
        return next()
    }

    /// Those that go on and those that wait, of all keys.
    package var counts: (running: Int, waiting: Int) {
        (running, lanes.values.reduce(0) { $0 + $1.waiting })
    }

    private mutating func next() -> Waiter? {
        guard running < total, firstInLine < line.count else { return nil }
        let key = line[firstInLine]
        firstInLine += 1
        Self.dropTaken(&line, &firstInLine)
        guard var lane = lanes[key] else { return nil }
        let waiter = lane.waiters[lane.first]
        lane.first += 1
        Self.dropTaken(&lane.waiters, &lane.first)
        running += 1
        lane.running += 1
        lane.isInLine = false
        queue(key, &lane)
        lanes[key] = lane
        return waiter
    }

    private mutating func queue(_ key: Key, _ lane: inout Lane) {
        guard !lane.isInLine, lane.waiting > 0, lane.running < perKey else { return }
        lane.isInLine = true
        line.append(key)
    }

    /// Forgets the taken ones once they are most.
    private static func dropTaken<Element>(_ elements: inout [Element], _ first: inout Int) {
        guard first == elements.count || (first > 64 && first * 2 > elements.count) else { return }
        elements.removeFirst(first)
        first = 0
    }
}

extension Turnstile: Sendable where Key: Sendable, Waiter: Sendable {}
extension Turnstile.Lane: Sendable where Key: Sendable, Waiter: Sendable {}
