import Domain
import Native
import SQL

/// Makes one message of everything that waits for a notifier.
extension Outbox {
    /// One change that a digest tells.
    struct Member {
        let id: NotificationID
        let alertID: AlertID
        let change: AlertChange
        let severity: Severity
        let title: Text
        let at: UnixTime
    }

    /// Makes a digest of what waits, in the place of `old` and with what that told, when there is one. nil: nothing waits.
    ///
    /// The digest is written first and what it tells is marked after, a thousand rows a transaction: pushes wait for none longer. A crash in
    /// between leaves some of it waiting, to be told once more; nothing is lost.
    package func makeDigest(
        _ key: OutboxSignal.Key,
        of channel: ChannelID,
        replacing old: OutboxPlan.Item?,
        at now: UnixTime
    ) async throws -> NotificationID? {
        let (account, notifier) = (SQLValue.account(key.account), SQLValue.id(key.notifier))
        let members = try await store.database.read(.of(key.account)) { connection in
            let replaced = try old.map { old in
                try connection.rows(
                    Self.oldMembers,
                    [account, notifier, .id(old.id), .int(Self.digestLimit)],
                    Self.member
                )
            }
            let fresh = try connection.rows(
                Self.digestMembers,
                [account, notifier, .int(Self.digestLimit)],
                Self.member
            )
            return (replaced: replaced ?? [], fresh: fresh)
        }
        let all = members.replaced + members.fresh
        guard !all.isEmpty else { return nil }
        let id: NotificationID = store.identifiers.next()
        let content = Packing.pack(DigestContent.encode(DigestContent(all)))
        let title = Text("\(Set(all.map(\.alertID)).count) alerts")
        try await store.database.transaction(.of(key.account)) { connection in
            let row = NotificationRows.values(
                digest: id,
                to: key.notifier,
                of: channel,
                title: title,
                at: now,
                attempts: old?.attempts ?? 0,
                content: content,
                account: key.account
            )
            try connection.run(NotificationRows.insert, row)
            if let old {
                try connection.run(Self.supersede, [account, .id(old.id), .id(id)])
                try connection.run(Self.redigested, [account, notifier, .id(old.id), .id(id)])
            }
        }
        try await mark(members.fresh.map(\.id), as: id, key)
        return id
    }

    /// Marks them one by one, and not all up to the last: another node may have added one in between that the digest does not tell.
    private func mark(
        _ members: [NotificationID],
        as digest: NotificationID,
        _ key: OutboxSignal.Key
    ) async throws {
        let account = SQLValue.account(key.account)
        for start in stride(from: 0, to: members.count, by: Self.digestChunk) {
            let rows = members[start..<min(start + Self.digestChunk, members.count)].map {
                [account, .id($0), .id(digest)]
            }
            try await store.database.transaction(.of(key.account)) { connection in
                try connection.batch(Self.digested, rows)
            }
        }
    }

    private static func member(_ row: any SQLRow) throws(SQLError) -> Member {
        Member(
            id: try row.id(0),
            alertID: try row.id(1),
            change: try row.code(2, as: AlertChange.self),
            severity: try row.code(3, as: Severity.self),
            title: row.text(4),
            at: row.time(5)
        )
    }
}

/// What a digest tells, as its row keeps it: JSON, packed.
struct DigestContent {
    let since: UnixTime
    let until: UnixTime
    let changes: Int
    let alerts: Int
    let counts: [Digest.Count]
    let titles: [Digest.TitleCount]
    let alertIDs: [AlertID]

    /// Counts the latest change of each alert. `members` are in the order of ids and not empty.
    init(_ members: [Outbox.Member]) {
        var latest: [AlertID: Outbox.Member] = [:]
        var order: [AlertID] = []
        for member in members where latest.updateValue(member, forKey: member.alertID) == nil {
            order.append(member.alertID)
        }
        var counts: [CountKey: Int] = [:]
        var titles: [TitleKey: Int] = [:]
        for member in latest.values {
            counts[CountKey(change: member.change, severity: member.severity), default: 0] += 1
            titles[TitleKey(title: member.title, severity: member.severity), default: 0] += 1
        }
        since = members.map(\.at).min() ?? UnixTime(milliseconds: 0)
        until = members.map(\.at).max() ?? UnixTime(milliseconds: 0)
        changes = members.count
        alerts = order.count
        self.counts = counts.map { Digest.Count(change: $0.change, severity: $0.severity, alerts: $1) }
            .sorted { ($1.severity, $0.change) < ($0.severity, $1.change) }
        let sorted = titles.map { Digest.TitleCount(title: $0.title, severity: $0.severity, alerts: $1) }
            .sorted { ($1.alerts, $1.severity, $0.title) < ($0.alerts, $0.severity, $1.title) }
        self.titles = Array(sorted.prefix(Digest.maximumTitles))
        alertIDs = Array(order.prefix(Digest.maximumIDs))
    }

    private struct CountKey: Hashable {
        let change: AlertChange
        let severity: Severity
    }

    private struct TitleKey: Hashable {
        let title: Text
        let severity: Severity
    }

    static func encode(_ digest: DigestContent) -> [UInt8] {
        JSONWriter.encode { writer in
            writer.object { object in
                object.field("since", digest.since.milliseconds)
                object.field("until", digest.until.milliseconds)
                object.field("changes", digest.changes)
                object.field("alerts", digest.alerts)
                object.array("counts") { list in
                    for count in digest.counts {
                        list.object {
                            $0.field("change", count.change.name)
                            $0.field("severity", count.severity.name)
                            $0.field("alerts", count.alerts)
                        }
                    }
                }
                object.array("titles") { list in
                    for title in digest.titles {
                        list.object {
                            $0.field("title", utf8: title.title.bytes)
                            $0.field("severity", title.severity.name)
                            $0.field("alerts", title.alerts)
                        }
                    }
                }
                object.array("alert_ids") { list in
                    for id in digest.alertIDs { list.value(id.description) }
                }
            }
        }
    }

    /// Reads what `encode` wrote; nil when it is something else.
    init?(_ root: JSONValue) {
        guard let since = root.member("since")?.int64Value, let until = root.member("until")?.int64Value,
            let changes = root.member("changes")?.int64Value, let alerts = root.member("alerts")?.int64Value
        else { return nil }
        self.since = UnixTime(milliseconds: since)
        self.until = UnixTime(milliseconds: until)
        self.changes = Int(changes)
        self.alerts = Int(alerts)
        counts = Self.list(root, "counts") { item in
            guard let change = item.text("change").flatMap({ AlertChange(name: $0.string) }),
                let severity = Self.severity(item), let alerts = item.member("alerts")?.int64Value
            else { return nil }
            return Digest.Count(change: change, severity: severity, alerts: Int(alerts))
        }
        titles = Self.list(root, "titles") { item in
            guard let title = item.text("title"), let severity = Self.severity(item),
                let alerts = item.member("alerts")?.int64Value
            else { return nil }
            return Digest.TitleCount(title: title, severity: severity, alerts: Int(alerts))
        }
        alertIDs = Self.list(root, "alert_ids") { $0.string.flatMap { AlertID($0.text) } }
    }

    private static func severity(_ item: JSONValue) -> Severity? {
        item.text("severity").flatMap { Severity(name: $0.string) }
    }

    private static func list<Element>(
        _ root: JSONValue,
        _ name: StaticString,
        _ read: (JSONValue) -> Element?
    ) -> [Element] {
        root.member(name).map { $0.elements.compactMap(read) } ?? []
    }
}
