import DequeModule
import Domain

/// Waiting work of many accounts, taken in fair shares: deficit round robin by account.
///
/// Each account has a lane. A turn gives its lane a quantum of cost to spend; what it can't spend yet it keeps for its next turn. So an
/// account that sends ten times as much waits ten times as long, and its neighbours do not notice. O(1) for each item.
struct FairQueue<Item> {
    private struct Lane {
        var items: Deque<(item: Item, cost: Int)> = []
        var deficit = 0
    }

    /// Cost that a lane may spend in one turn.
    private static var quantum: Int { 64 }

    private var lanes: [AccountNumber: Lane] = [:]
    private var turns: Deque<AccountNumber> = []
    /// Items that wait.
    private(set) var count = 0

    /// Puts an item behind the others of its account.
    mutating func append(_ item: Item, of account: AccountNumber, cost: Int) {
        if lanes[account] == nil { turns.append(account) }
        lanes[account, default: Lane()].items.append((item, cost))
        count += 1
    }

    /// Takes items while their cost stays within `budget`; at least one when there is one.
    mutating func take(budget: Int) -> [Item] {
        var taken: [Item] = []
        var spent = 0
        while let account = turns.first, var lane = lanes[account] {
            lane.deficit += Self.quantum
            while let next = lane.items.first, next.cost <= lane.deficit || lanes.count == 1 {
                guard taken.isEmpty || spent + next.cost <= budget else {
                    lane.deficit = max(0, lane.deficit - Self.quantum)
                    lanes[account] = lane
                    count -= taken.count
                    return taken
                }
                lane.items.removeFirst()
                lane.deficit = max(0, lane.deficit - next.cost)
                spent += next.cost
                taken.append(next.item)
            }
            turns.removeFirst()
            if lane.items.isEmpty {
                lanes[account] = nil
            } else {
                lanes[account] = lane
                turns.append(account)
            }
        }
        count -= taken.count
        return taken
    }

    /// Takes out all items for which `isOver` holds.
    mutating func remove(where isOver: (Item) -> Bool) -> [Item] {
        var removed: [Item] = []
        for account in lanes.keys {
            guard var lane = lanes[account], lane.items.contains(where: { isOver($0.item) }) else { continue }
            removed += lane.items.lazy.map(\.item).filter(isOver)
            lane.items.removeAll { isOver($0.item) }
            lanes[account] = lane.items.isEmpty ? nil : lane
            if lane.items.isEmpty { turns.removeAll { $0 == account } }
        }
        count -= removed.count
        return removed
    }
}
