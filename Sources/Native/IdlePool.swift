import Synchronization

/// Objects that are costly to make and serve one caller at a time, kept for the next caller.
///
/// *Rule:* whoever takes an object keeps no reference to it after giving it back.
/// *Why:* the objects are not thread-safe. *Otherwise:* two threads share one.
final class IdlePool<Item: AnyObject>: Sendable {
    // Unchecked, because (1) an item in the list is referenced by the list alone (the rule above), (2) it
    // leaves the list under the lock, to exactly one caller, and (3) the lock orders the last use before the
    // next one.
    private struct Slot: @unchecked Sendable {
        let item: Item
    }

    private let idle = Mutex<[Slot]>([])
    private let limit: Int

    /// Keeps up to `limit` objects; those given back beyond it are freed.
    init(limit: Int) { self.limit = limit }

    /// The object given back last, or nil if none is idle.
    func take() -> Item? { idle.withLock { $0.popLast() }?.item }

    func giveBack(_ item: Item) {
        let slot = Slot(item: item)
        idle.withLock { slots in
            if slots.count < limit { slots.append(slot) }
        }
    }
}
