/// A day in UTC: 1970-01-01 is number 0.
package struct UTCDay: Hashable, Comparable, Sendable, CustomStringConvertible {
    private static let milliseconds: Int64 = 86_400_000

    /// 0000-01-01, the first that has a text.
    package static let earliest = UTCDay(number: -719_528)

    package let number: Int64

    package init(number: Int64) {
        self.number = number
    }

    /// The day that holds a moment.
    package init(of time: UnixTime) {
        let (days, rest) = time.milliseconds.quotientAndRemainder(dividingBy: Self.milliseconds)
        number = rest < 0 ? days - 1 : days
    }

    /// Reads `2026-11-20`; nil for anything else, also for a day that no month has.
    package init?(_ text: String) {
        guard text.utf8.count == 10, let time = UnixTime(rfc3339: Array((text + "T00:00:00Z").utf8)) else {
            return nil
        }
        self.init(of: time)
    }

    package static func < (left: UTCDay, right: UTCDay) -> Bool { left.number < right.number }

    /// So many days later; earlier when negative.
    package func adding(days: Int64) -> UTCDay { UTCDay(number: number + days) }

    /// `2026-11-20`.
    package var description: String {
        String(UnixTime(milliseconds: number * Self.milliseconds).description.prefix(10))
    }
}
