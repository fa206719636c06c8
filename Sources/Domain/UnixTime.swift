/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
package struct UnixTime: Hashable, Comparable, Sendable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static func < (left: UnixTime, right: UnixTime) -> Bool { left.milliseconds < right.milliseconds }

    /// Later by `seconds` (earlier when negative); saturates.
    package func adding(seconds: Int64) -> UnixTime {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
        return adding(milliseconds: overflow ? (seconds > 0 ? .max : .min) : product)
    }

    /// Later by `amount` milliseconds; saturates.
    package func adding(milliseconds amount: Int64) -> UnixTime {
        let (sum, overflow) = milliseconds.addingReportingOverflow(amount)
        return UnixTime(milliseconds: overflow ? (amount > 0 ? .max : .min) : sum)
    }
}

/// Reads the present time. Passed as a value, so that a test can stand still or jump.
package struct WallClock: Sendable {
    /// The present moment.
    package let now: @Sendable () -> UnixTime

    package init(now: @escaping @Sendable () -> UnixTime) {
        self.now = now
    }
}

// MARK: - RFC 3339

extension UnixTime: CustomStringConvertible {
    /// RFC 3339 in UTC with three digits of milliseconds: `2026-11-20T07:18:15.578Z`.
    package var description: String {
        let (days, time) = milliseconds.flooredDivision(by: 86_400_000)
        let date = CivilDate(daysSince1970: days)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        text.appendPadded(date.year, width: 4)
        text.append(0x2D)
        text.appendPadded(date.month, width: 2)
        text.append(0x2D)
        text.appendPadded(date.day, width: 2)
        text.append(0x54)
        text.appendPadded(time / 3_600_000, width: 2)
        text.append(0x3A)
        text.appendPadded(time / 60_000 % 60, width: 2)
        text.append(0x3A)
        text.appendPadded(time / 1_000 % 60, width: 2)
        text.append(0x2E)
        text.appendPadded(time % 1_000, width: 3)
        text.append(0x5A)
        return String(decoding: text, as: UTF8.self)
    }

    /// The form of HTTP (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    package var httpDate: String {
        let (days, time) = milliseconds.flooredDivision(by: 86_400_000)
        let date = CivilDate(daysSince1970: days)
        let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        var numbers: [UInt8] = []
        numbers.appendPadded(date.day, width: 2)
        let day = String(decoding: numbers, as: UTF8.self)
        numbers = []
        numbers.appendPadded(date.year, width: 4)
        let year = String(decoding: numbers, as: UTF8.self)
        numbers = []
        numbers.appendPadded(time / 3_600_000, width: 2)
        numbers.append(0x3A)
        numbers.appendPadded(time / 60_000 % 60, width: 2)
        numbers.append(0x3A)
        numbers.appendPadded(time / 1_000 % 60, width: 2)
        let clock = String(decoding: numbers, as: UTF8.self)
        let weekday = weekdays[Int(days.flooredDivision(by: 7).1)]
        return "\(weekday), \(day) \(months[Int(date.month - 1)]) \(year) \(clock) GMT"
    }

    /// Reads RFC 3339: `2026-11-20T15:18:15.578000000+08:00`, any number of fractional digits, `T`/`t`/space, `Z`/`z` or an
    /// offset. Digits past the millisecond are dropped; second 60 counts as 59. Nil for anything else.
    package init?(rfc3339 text: some Collection<UInt8>) {
        var reader = DigitReader(Array(text))
        guard let year = reader.number(4), reader.skip([0x2D]), let month = reader.number(2),
            reader.skip([0x2D]),
            let day = reader.number(2), reader.skip([0x54, 0x74, 0x20]), let hour = reader.number(2),
            reader.skip([0x3A]), let minute = reader.number(2), reader.skip([0x3A]),
            let second = reader.number(2),
            let milliseconds = reader.fraction(), let offset = reader.offsetMinutes(), reader.isAtEnd,
            (1...12).contains(month), hour < 24, minute < 60, second <= 60,
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        let time = (hour * 60 + minute - offset) * 60 + min(second, 59)
        self.init(milliseconds: (date.daysSince1970 * 86_400 + time) * 1_000 + milliseconds)
    }

    /// Whether it is the "no time" of Go programs: 0001-01-01T00:00:00Z and everything near it.
    package var isGoZero: Bool { milliseconds < -62_000_000_000_000 }
}

/// A day of the proleptic Gregorian calendar.
private struct CivilDate {
    let year: Int64
    let month: Int64
    let day: Int64

    /// Nil when the month has no such day.
    init?(year: Int64, month: Int64, day: Int64) {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...12).contains(month), (1...lengths[Int(month - 1)]).contains(day) else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    /// Counts in eras of 400 years whose years begin in March, so that the leap day comes last.
    init(daysSince1970 days: Int64) {
        let (era, dayOfEra) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shifted + 2) / 5 + 1
        month = shifted < 10 ? shifted + 3 : shifted - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSince1970: Int64 {
        let (era, yearOfEra) = (month <= 2 ? year - 1 : year).flooredDivision(by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

private struct DigitReader {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ choices: [UInt8]) -> Bool {
        guard position < bytes.count, choices.contains(bytes[position]) else { return false }
        position += 1
        return true
    }

    mutating func number(_ digits: Int) -> Int64? {
        guard position + digits <= bytes.count else { return nil }
        var value: Int64 = 0
        for byte in bytes[position..<position + digits] {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        position += digits
        return value
    }

    /// Milliseconds of an optional fraction; nil for a point without digits.
    mutating func fraction() -> Int64? {
        guard skip([0x2E, 0x2C]) else { return 0 }
        let start = position
        var value: Int64 = 0
        while let digit = number(1) {
            if position - start <= 3 { value = value * 10 + digit }
        }
        guard position > start else { return nil }
        for _ in min(3, position - start)..<3 { value *= 10 }
        return value
    }

    mutating func offsetMinutes() -> Int64? {
        if skip([0x5A, 0x7A]) { return 0 }
        let negative = position < bytes.count && bytes[position] == 0x2D
        guard skip([0x2B, 0x2D]), let hours = number(2), skip([0x3A]), let minutes = number(2), hours < 24,
            minutes < 60
        else { return nil }
        return (negative ? -1 : 1) * (hours * 60 + minutes)
    }
}

extension Int64 {
    /// Quotient rounded down and the remainder that goes with it (never negative).
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

extension [UInt8] {
    fileprivate mutating func appendPadded(_ value: Int64, width: Int) {
        let digits = String(value).utf8
        for _ in 0..<Swift.max(0, width - digits.count) { append(0x30) }
        append(contentsOf: digits)
    }
}
