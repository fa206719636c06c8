import Native

/// What an `Identifier` names; gives the TypeID prefix.
package protocol IdentifierKind: Sendable {
    /// Lower-case ASCII letters, without the underscore that follows.
    static var prefix: String { get }
}

/// A TypeID: a prefix that names the kind, `_`, and a UUIDv7 as 26 digits of Crockford's base32.
///
/// - Order: by time of creation (to the millisecond across processes, exact within one).
/// - Source: openapi.yaml; the TypeID specification, version 0.3.
package struct Identifier<Kind: IdentifierKind>: Hashable, Comparable, Sendable {
    /// The upper 64 bits of the UUID: 48 bits of milliseconds, version, 12 bits.
    package let high: UInt64
    /// The lower 64 bits of the UUID: variant and 62 bits.
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The 16 bytes of the UUID, big-endian: what the database holds.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(16)
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            result.append(UInt8(truncatingIfNeeded: high >> shift))
        }
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            result.append(UInt8(truncatingIfNeeded: low >> shift))
        }
        return result
    }

    /// Reads 16 bytes; nil when there are not exactly 16.
    package init?(bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        let start = bytes.startIndex
        var (high, low): (UInt64, UInt64) = (0, 0)
        for index in start..<start + 8 {
            high = high << 8 | UInt64(bytes[index])
            low = low << 8 | UInt64(bytes[index + 8])
        }
        self.init(high: high, low: low)
    }

    /// The same.
    package init?(bytes: [UInt8]) { self.init(bytes: bytes[...]) }

    /// The smallest identifier that could be made at `time`: a bound for lists.
    package static func lowest(at time: UnixTime) -> Identifier {
        Identifier(high: UInt64(max(0, time.milliseconds)) << 16, low: 0)
    }

    /// The one before it, for lists that go on at an item; of the lowest itself.
    package var predecessor: Identifier {
        if low > 0 { return Identifier(high: high, low: low - 1) }
        return high > 0 ? Identifier(high: high - 1, low: .max) : self
    }

    /// When it was made.
    package var time: UnixTime { UnixTime(milliseconds: Int64(high >> 16)) }

    package static func < (left: Identifier, right: Identifier) -> Bool {
        left.high != right.high ? left.high < right.high : left.low < right.low
    }
}

extension Identifier: CustomStringConvertible, LosslessStringConvertible {
    /// The text form, for example `chan_01jd2v9k3re8v8f6wq5m2c7h4x`.
    package var description: String {
        var digits = [UInt8](repeating: 0, count: 26)
        var value = UInt128(high) << 64 | UInt128(low)
        for index in stride(from: 25, through: 0, by: -1) {
            digits[index] = Base32.digits[Int(value & 31)]
            value >>= 5
        }
        return Kind.prefix + "_" + String(decoding: digits, as: UTF8.self)
    }

    /// Reads the text form; nil unless it is exactly what `description` would print.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        let prefix = Array((Kind.prefix + "_").utf8)
        guard bytes.count == prefix.count + 26, bytes.starts(with: prefix) else { return nil }
        var value: UInt128 = 0
        for (index, byte) in bytes[prefix.count...].enumerated() {
            guard let digit = Base32.value(of: byte), index > 0 || digit < 8 else { return nil }
            value = value << 5 | UInt128(digit)
        }
        self.init(high: UInt64(value >> 64), low: UInt64(truncatingIfNeeded: value))
    }
}

/// Crockford's base32 in lower case, without i, l, o and u.
private enum Base32 {
    static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    static func value(of byte: UInt8) -> UInt8? {
        digits.firstIndex(of: byte).map { UInt8($0) }
    }
}

/// Makes identifiers that never run backwards within a process, whatever the clock does.
///
/// One more than the last one when the clock stands or went back; else the clock's millisecond and 74 random bits.
package struct IdentifierSequence: Sendable {
    private var lastHigh: UInt64 = 0
    private var lastLow: UInt64 = 0

    /// Continues after `floor`, the newest time that earlier identifiers may carry.
    package init(after floor: UnixTime = UnixTime(milliseconds: 0)) {
        lastHigh = UInt64(max(0, floor.milliseconds)) << 16 | 0x7FFF
        lastLow = .max
    }

    /// The next identifier.
    package mutating func next<Kind: IdentifierKind>(
        at now: UnixTime,
        random: inout some RandomNumberGenerator
    ) -> Identifier<Kind> {
        let milliseconds = UInt64(max(0, now.milliseconds))
        if milliseconds > lastHigh >> 16 {
            lastHigh = milliseconds << 16 | 0x7000 | random.next() & 0x07FF
            lastLow = 0x8000_0000_0000_0000 | random.next() >> 2
        } else {
            advance(by: 1 + random.next() & 0xFFFF_FFFF)
        }
        return Identifier(high: lastHigh, low: lastLow)
    }

    /// What is made from now on comes after all that carry `time`.
    package mutating func pass(_ time: UnixTime) {
        let floor = IdentifierSequence(after: time)
        if floor.lastHigh > lastHigh { self = floor }
    }

    /// The time that the last one carries.
    package var newestTime: UnixTime { UnixTime(milliseconds: Int64(lastHigh >> 16)) }

    private mutating func advance(by step: UInt64) {
        let low = (lastLow & 0x3FFF_FFFF_FFFF_FFFF) + step
        lastLow = 0x8000_0000_0000_0000 | low & 0x3FFF_FFFF_FFFF_FFFF
        guard low >> 62 != 0 else { return }
        let counter = lastHigh & 0x0FFF
        lastHigh = counter == 0x0FFF ? ((lastHigh >> 16) + 1) << 16 | 0x7000 : lastHigh + 1
    }
}

/// Accounts.
package enum AccountKind: IdentifierKind { package static let prefix = "acct" }
/// Keys of the management API.
package enum APIKeyKind: IdentifierKind { package static let prefix = "akey" }
/// Channels.
package enum ChannelKind: IdentifierKind { package static let prefix = "chan" }
/// Integrations.
package enum IntegrationKind: IdentifierKind { package static let prefix = "intg" }
/// Push URLs.
package enum PushURLKind: IdentifierKind { package static let prefix = "purl" }
/// Routes.
package enum RouteKind: IdentifierKind { package static let prefix = "rout" }
/// Deliveries.
package enum DeliveryKind: IdentifierKind { package static let prefix = "dlvr" }
/// Events.
package enum EventKind: IdentifierKind { package static let prefix = "evnt" }
/// Alerts.
package enum AlertKind: IdentifierKind { package static let prefix = "alrt" }
/// Notifiers. Named so because a kind of notifiers is something else.
package enum NotifierIDKind: IdentifierKind { package static let prefix = "ntfr" }
/// Notifications.
package enum NotificationKind: IdentifierKind { package static let prefix = "ntfn" }
/// Rows of the audit.
package enum AuditKind: IdentifierKind { package static let prefix = "audt" }

/// What callers name an account by. Inside, an account is its `AccountNumber`.
package typealias AccountID = Identifier<AccountKind>
package typealias APIKeyID = Identifier<APIKeyKind>
package typealias ChannelID = Identifier<ChannelKind>
package typealias IntegrationID = Identifier<IntegrationKind>
package typealias PushURLID = Identifier<PushURLKind>
package typealias RouteID = Identifier<RouteKind>
package typealias DeliveryID = Identifier<DeliveryKind>
package typealias EventID = Identifier<EventKind>
package typealias AlertID = Identifier<AlertKind>
package typealias NotifierID = Identifier<NotifierIDKind>
package typealias NotificationID = Identifier<NotificationKind>
package typealias AuditID = Identifier<AuditKind>

/// An account inside the installation: the number in its push tokens and the `account_id` of every tenant table.
///
/// Random, unique, never reused (its row stays for ever), never shown. Short, because every key of every table begins with it.
package struct AccountNumber: Hashable, Comparable, Sendable {
    package let value: UInt32

    package init(_ value: UInt32) {
        self.value = value
    }

    package static func < (left: AccountNumber, right: AccountNumber) -> Bool { left.value < right.value }
}

/// An integration inside its account: the number in its push tokens. Random, unique in the account, never reused.
package struct IntegrationNumber: Hashable, Sendable {
    package let value: UInt32

    package init(_ value: UInt32) {
        self.value = value
    }
}

/// Version of an account's configuration: every configuration write adds one.
package struct Revision: Hashable, Comparable, Sendable {
    package let value: Int64

    package init(_ value: Int64) {
        self.value = value
    }

    package static func < (left: Revision, right: Revision) -> Bool { left.value < right.value }

    package var next: Revision { Revision(value + 1) }
}

/// Version of one configuration resource, from 1: its ETag is the number in quotes.
package struct Version: Hashable, Sendable {
    package let value: Int64

    package init(_ value: Int64) {
        self.value = value
    }

    package var next: Version { Version(value + 1) }
}
