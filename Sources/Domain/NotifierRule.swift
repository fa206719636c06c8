/// What the conditions of a notifier say of an alert as a firing event leaves it.
package struct ConditionsMet: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// They hold while it fires.
    package static let firing = ConditionsMet(rawValue: 1)
    /// They hold once it is over, should nothing else come before.
    package static let ended = ConditionsMet(rawValue: 2)
    package static let both: ConditionsMet = [.firing, .ended]
}

/// What decides whether a notifier hears of a change: its part of the account's snapshot, compiled.
package struct NotifierRule: Sendable {
    package let id: NotifierID
    /// Whether every alert of the channel meets its conditions: it has none.
    package let isUnconditional: Bool
    private let isEnabled: Bool
    private let changes: Set<AlertChange>
    /// OR groups of AND conditions; empty: everything. A group whose conditions no longer compile matches nothing.
    private let groups: [[Condition]]
    private let asksForStatus: Bool
    /// What its word on an alert takes at worst: all its conditions are tried, twice when it asks for the status.
    package let price: MatchPrice
    /// Whether a group of its conditions does not compile.
    package let isBroken: Bool

    /// Compiles `conditions`, which were checked when they were written.
    package init(
        id: NotifierID,
        isEnabled: Bool,
        changes: Set<AlertChange>,
        conditions: [[ConditionSource]]
    ) {
        self.id = id
        self.isEnabled = isEnabled
        self.changes = changes
        isUnconditional = conditions.isEmpty
        groups = conditions.compactMap { group in
            var errors = ValidationErrors()
            let compiled = group.compactMap { $0.compiled(at: "", allowsStatus: true, errors: &errors) }
            return errors.isEmpty ? compiled : nil
        }
        asksForStatus = groups.contains { $0.contains { $0.key == .status } }
        isBroken = groups.count < conditions.count
        let once = groups.lazy.map(\.groupPrice).total
        price = .group + once + (asksForStatus ? once : MatchPrice())
    }

    /// One whose conditions are not asked any more.
    package init(id: NotifierID, isEnabled: Bool, changes: Set<AlertChange>, isUnconditional: Bool) {
        self.id = id
        self.isEnabled = isEnabled
        self.changes = changes
        self.isUnconditional = isUnconditional
        groups = []
        asksForStatus = false
        isBroken = false
        price = .group
    }

    /// What its conditions say of an alert that a firing event leaves as `subject`.
    package func conditionsMet(by subject: ConditionSubject) -> ConditionsMet {
        guard !isUnconditional else { return .both }
        guard asksForStatus else { return holds(for: subject) ? .both : [] }
        var met: ConditionsMet = []
        if holds(for: subject) { met.insert(.firing) }
        if holds(for: subject.with(status: Text(okStatus))) { met.insert(.ended) }
        return met
    }

    private func holds(for subject: ConditionSubject) -> Bool {
        groups.contains { group in group.allSatisfy { $0.holds(for: subject) } }
    }

    /// Whether it is told of `change`, and why not. `isMet`: what its conditions said of the alert.
    package func verdict(on change: AlertChange, isMet: Bool) -> Telling.Verdict {
        guard isEnabled else { return .notifierDisabled }
        guard changes.contains(change) else { return .changeNotWanted }
        return isMet ? .told : .conditionsNotMet
    }
}

/// The notifiers of an account, by channel.
package struct NotifierDirectory: Sendable {
    private let byChannel: [ChannelID: [NotifierRule]]
    /// What the verdicts on one event take at worst: those of the notifiers of the `most` channels where they take longest.
    package let price: MatchPrice

    /// Channels that one event goes to, at most.
    private static let most = 64

    package init(_ rules: [ChannelID: [NotifierRule]] = [:]) {
        byChannel = rules
        let prices = rules.values.map { $0.lazy.map(\.price).total }
        let fixed = prices.map(\.fixed).sorted(by: >).prefix(Self.most)
        let perByte = prices.map(\.perByte).sorted(by: >).prefix(Self.most)
        price = fixed.map { MatchPrice(fixed: $0) }.total + perByte.map { MatchPrice(perByte: $0) }.total
    }

    /// Those with a group of conditions that does not compile.
    package var broken: [NotifierID] { byChannel.values.joined().filter(\.isBroken).map(\.id) }

    package var isEmpty: Bool { byChannel.isEmpty }

    /// The notifiers of `channel`, oldest first.
    package func rules(of channel: ChannelID) -> [NotifierRule] { byChannel[channel] ?? [] }
}

/// Whether one notifier was told of one event, and why not.
package struct Telling: Sendable, Equatable {
    /// The raw value is what the database holds.
    package enum Verdict: UInt8, Sendable, CaseIterable {
        case told = 1
        case conditionsNotMet = 2
        case changeNotWanted = 3
        case notifierDisabled = 4
        /// The alert was over when it came.
        case alreadyOver = 5

        /// The wire spelling.
        package var name: String {
            switch self {
            case .told: "told"
            case .conditionsNotMet: "conditions_not_met"
            case .changeNotWanted: "change_not_wanted"
            case .notifierDisabled: "notifier_disabled"
            case .alreadyOver: "already_over"
            }
        }
    }

    package let channelID: ChannelID
    package let notifierID: NotifierID
    package let verdict: Verdict
    /// What it was told by; nil unless it was.
    package let notificationID: NotificationID?

    package init(
        channelID: ChannelID,
        notifierID: NotifierID,
        verdict: Verdict,
        notificationID: NotificationID?
    ) {
        self.channelID = channelID
        self.notifierID = notifierID
        self.verdict = verdict
        self.notificationID = notificationID
    }
}

// MARK: - Stored form

extension Telling {
    private static let size = 49

    /// The bytes that an event keeps of its tellings.
    ///
    ///     1 byte   version, 1
    ///     per telling: 16 bytes channel id, 16 bytes notifier id, 1 byte verdict, 16 bytes notification id (zero: none)
    package static func encode(_ tellings: [Telling]) -> [UInt8] {
        var bytes: [UInt8] = [1]
        bytes.reserveCapacity(1 + tellings.count * size)
        for telling in tellings {
            bytes.appendBigEndian(telling.channelID.high, count: 8)
            bytes.appendBigEndian(telling.channelID.low, count: 8)
            bytes.appendBigEndian(telling.notifierID.high, count: 8)
            bytes.appendBigEndian(telling.notifierID.low, count: 8)
            bytes.append(telling.verdict.rawValue)
            bytes.appendBigEndian(telling.notificationID?.high ?? 0, count: 8)
            bytes.appendBigEndian(telling.notificationID?.low ?? 0, count: 8)
        }
        return bytes
    }

    /// Reads what `encode` wrote; nil when it is something else.
    package static func decode(_ bytes: [UInt8]) -> [Telling]? {
        guard bytes.first == 1, (bytes.count - 1) % size == 0 else { return nil }
        var tellings: [Telling] = []
        for start in stride(from: 1, to: bytes.count, by: size) {
            guard let channel = ChannelID(bytes: bytes[start..<start + 16]),
                let notifier = NotifierID(bytes: bytes[start + 16..<start + 32]),
                let verdict = Verdict(rawValue: bytes[start + 32]),
                let notification = NotificationID(bytes: bytes[start + 33..<start + 49])
            else { return nil }
            tellings.append(
                Telling(
                    channelID: channel,
                    notifierID: notifier,
                    verdict: verdict,
                    notificationID: notification.high == 0 && notification.low == 0 ? nil : notification
                )
            )
        }
        return tellings
    }
}
