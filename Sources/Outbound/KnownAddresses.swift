import Domain
import Synchronization

/// Whom a URL names: an address is passed together with its port.
package struct Site: Hashable, Sendable {
    package let host: String
    package let port: Int
    package let isTLS: Bool

    package init(host: String, port: Int, isTLS: Bool) {
        self.host = host
        self.port = port
        self.isTLS = isTLS
    }
}

/// Where names led when a message went there, as long as the connection stands: the next one need not look
/// the name up.
///
/// - Rule: a message is sent to an address that the policy has passed. Why: whoever looks the name up again
///   may be told another one. Otherwise: a name that answers a public address first and a private one then
///   leads inside.
final class KnownAddresses: Sendable {
    private struct Entry {
        let address: IPAddress
        let checkedAt: ContinuousClock.Instant
    }

    private let entries = Mutex<[Site: Entry]>([:])
    private let life: Duration
    private let capacity: Int

    /// `life`: how long an address counts as looked up. `capacity`: names that are kept; beyond that all are
    /// forgotten, which costs a look-up.
    init(life: Duration, capacity: Int = 4_096) {
        self.life = life
        self.capacity = capacity
    }

    /// The address, and when it was checked.
    func find(_ site: Site) -> (address: IPAddress, checkedAt: ContinuousClock.Instant)? {
        entries.withLock { entries in
            guard let entry = entries[site], entry.checkedAt.duration(to: .now) < life else { return nil }
            return (entry.address, entry.checkedAt)
        }
    }

    /// A message arrived, and the connection stands or not.
    func note(_ site: Site, _ address: IPAddress, checkedAt: ContinuousClock.Instant, isKept: Bool) {
        entries.withLock { entries in
            guard isKept else {
                entries[site] = nil
                return
            }
            if entries.count >= capacity, entries[site] == nil { entries = [:] }
            entries[site] = Entry(address: address, checkedAt: checkedAt)
        }
    }
}
