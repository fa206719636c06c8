import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/usage`
struct UsageEndpoints {
    let store: Store

    /// Days that one call may ask for.
    private static let longest: Int64 = 400
    /// Days that one gets which names none.
    private static let usual: Int64 = 30

    func add(to account: RouterGroup<AccountContext>) {
        account.group("usage").operation(.get, .configuration(.viewer), use: getUsage)
    }

    @Sendable
    func getUsage(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let (first, end) = (query.day("since"), query.day("until"))
        try query.finish()
        let until = end ?? UTCDay(of: store.now).adding(days: 1)
        let since = first ?? max(until.adding(days: -Self.usual), .earliest)
        if since >= until { query.refuse("since", "must be before until, which is \(until)") }
        if since < until.adding(days: -Self.longest) {
            query.refuse("since", "must be at most \(Self.longest) days before until, which is \(until)")
        }
        try query.finish()
        let usage = try await store.usage.list(since..<until, in: context.account.number)
        return Answer.object { object in
            object.field("since", since.description)
            object.field("until", until.description)
            object.array("days") { list in
                for day in usage {
                    list.object { item in
                        item.field("day", day.day.description)
                        item.usage(of: [day])
                    }
                }
            }
            object.object("total") { $0.usage(of: usage) }
        }
    }
}

extension JSONWriter {
    /// The sums of some days.
    fileprivate mutating func usage(of days: [Usage]) {
        field("pushes", days.reduce(0) { $0 + $1.pushes })
        field("bytes", days.reduce(0) { $0 + $1.bytes })
        field("events", days.reduce(0) { $0 + $1.events })
        var counts: [RefusalReason: Int64] = [:]
        for refusal in days.flatMap(\.refusals) { counts[refusal.reason, default: 0] += refusal.count }
        array("refusals") { list in
            for (reason, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                list.object {
                    $0.field("reason", reason.name)
                    $0.field("count", count)
                }
            }
        }
    }
}
