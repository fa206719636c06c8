/// Which notifiers hear of the end of an alert: those that were told of it while it fired, whatever its recovery carries and whatever their
/// conditions say by then, and those whose conditions it met as it last fired. Kept with the alert, so that nobody's conditions are asked
/// when it ends.
///
/// - Rule: who heard of the firing hears of the end. Why: a person who was called must learn that it is over. Otherwise: a notifier for
///   Critical alone never says that the alert recovered.
package struct Hearing: Sendable, Equatable {
    /// What the database holds: 16 bytes of a notifier's id and 1 byte of marks for each; nil: not known, as the alert is older than this.
    package let bytes: [UInt8]?

    private static let size = 17
    /// It was told of the alert.
    private static let heard: UInt8 = 1
    /// The alert met its conditions as it last fired.
    private static let met: UInt8 = 2

    package init(bytes: [UInt8]?) {
        self.bytes = bytes
    }

    /// Of an alert of which nobody was told.
    package static let nobody = Hearing(bytes: [])

    /// After a firing event of which the notifiers of the alert's channel were told as `verdicts` say; nil: it said nothing new. `met` is what
    /// their conditions said. All three are in one order.
    package func after(
        _ verdicts: [Telling.Verdict]?,
        of rules: [NotifierRule],
        met: [ConditionsMet]
    ) -> Hearing {
        // What is not known can't be made up for.
        guard bytes != nil else { return self }
        var new: [UInt8] = []
        for (place, rule) in rules.enumerated() {
            var marks = marks(of: rule.id) & Self.heard
            if let verdicts, verdicts[place] == .told { marks |= Self.heard }
            if !rule.isUnconditional, met[place].contains(.ended) { marks |= Self.met }
            guard marks != 0 else { continue }
            new.appendBigEndian(rule.id.high, count: 8)
            new.appendBigEndian(rule.id.low, count: 8)
            new.append(marks)
        }
        return Hearing(bytes: new)
    }

    /// Whether the end of the alert is for `rule`. Of an alert of which it is not known it is: who may have heard of it must not be left.
    package func includes(_ rule: NotifierRule) -> Bool {
        rule.isUnconditional || bytes == nil || marks(of: rule.id) != 0
    }

    private func marks(of id: NotifierID) -> UInt8 {
        guard let bytes else { return 0 }
        for start in stride(from: 0, through: bytes.count - Self.size, by: Self.size)
        where NotifierID(bytes: bytes[start..<start + 16]) == id {
            return bytes[start + 16]
        }
        return 0
    }
}
