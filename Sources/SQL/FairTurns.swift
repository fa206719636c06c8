import DequeModule
import HeapModule

/// Waiting work of many keys, taken in turns by time used (start-time fair queueing): a key that used a second waits until the others used
/// theirs, and one that comes after a pause begins where the others are, without credit for the time it did not need.
///
/// Work is not interrupted, so a key may have only so many pieces under way; whoever has more threads than that leaves room for the others.
/// O(log n) for each piece of work, n the keys that wait.
package struct FairTurns<Key: Hashable & Sendable, Item> {
    private struct Lane {
        var items: Deque<Item> = []
        var running = 0
        /// Whether a turn of it is in `turns`.
        var isQueued = false
        /// In nanoseconds of the common clock of turns: where its next turn begins.
        var start: UInt64 = 0
    }

    private struct Turn: Comparable {
        let start: UInt64
        let order: UInt64
        let key: Key

        static func < (left: Turn, right: Turn) -> Bool {
            left.start == right.start ? left.order < right.order : left.start < right.start
        }

        static func == (left: Turn, right: Turn) -> Bool { left.order == right.order }
    }

    private let perKey: Int
    private var lanes: [Key: Lane] = [:]
    private var turns = Heap<Turn>()
    private var order: UInt64 = 0
    /// Where the turn that began last began.
    private var clock: UInt64 = 0
    /// Pieces that wait.
    package private(set) var count = 0

    /// A key has at most `perKey` pieces under way.
    package init(perKey: Int) {
        self.perKey = perKey
    }

    /// Pieces of `key` that wait.
    package func count(of key: Key) -> Int { lanes[key]?.items.count ?? 0 }

    /// Puts a piece behind the others of its key.
    package mutating func append(_ item: Item, of key: Key) {
        var lane = lanes.removeValue(forKey: key) ?? Lane()
        if lane.items.isEmpty, lane.running == 0 { lane.start = max(lane.start, clock) }
        lane.items.append(item)
        count += 1
        queue(&lane, key)
        lanes[key] = lane
    }

    /// Takes the next piece; nil: nothing that may begin now waits. `finished` is to be called when it is done.
    package mutating func next() -> (key: Key, item: Item)? {
        guard let turn = turns.popMin(), var lane = lanes.removeValue(forKey: turn.key),
            let item = lane.items.popFirst()
        else { return nil }
        count -= 1
        lane.isQueued = false
        lane.running += 1
        clock = max(clock, turn.start)
        queue(&lane, turn.key)
        lanes[turn.key] = lane
        return (turn.key, item)
    }

    /// A piece of `key` is done and took so long.
    package mutating func finished(_ key: Key, after nanoseconds: UInt64) {
        guard var lane = lanes.removeValue(forKey: key) else { return }
        lane.running -= 1
        lane.start = max(lane.start, 1) &+ nanoseconds
        queue(&lane, key)
        // One that has used no more than the others says nothing any more.
        let isForgettable = lane.items.isEmpty && lane.running == 0 && lane.start <= clock
        if !isForgettable { lanes[key] = lane }
        if lanes.count > 4_096, order % 1_024 == 0 { forgetIdle() }
    }

    /// Takes out everything that waits.
    package mutating func removeAll() -> [Item] {
        var items: [Item] = []
        for (key, lane) in lanes {
            items += lane.items
            lanes[key]?.items = []
            lanes[key]?.isQueued = false
        }
        turns = Heap()
        count = 0
        return items
    }

    private mutating func queue(_ lane: inout Lane, _ key: Key) {
        guard !lane.isQueued, !lane.items.isEmpty, lane.running < perKey else { return }
        lane.isQueued = true
        order += 1
        turns.insert(Turn(start: lane.start, order: order, key: key))
    }

    /// Lanes without work whose time the others have used up, too.
    private mutating func forgetIdle() {
        let clock = clock
        lanes = lanes.filter { !$0.value.items.isEmpty || $0.value.running > 0 || $0.value.start > clock }
    }
}

extension Duration {
    /// Whole nanoseconds, 0 for less than none.
    package var nanoseconds: UInt64 {
        let (seconds, rest) = (components.seconds, components.attoseconds)
        guard seconds >= 0, rest >= 0 else { return 0 }
        return UInt64(seconds) &* 1_000_000_000 &+ UInt64(rest / 1_000_000_000)
    }
}
