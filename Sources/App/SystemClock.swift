import Domain
import Native

/// The clock of the system.
package enum SystemClock {
    package static let wall = WallClock { UnixTime(milliseconds: systemMilliseconds()) }
}
