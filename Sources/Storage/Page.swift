import Domain
import SQL

/// What a caller asks of a list.
package struct PageRequest<Kind: IdentifierKind>: Sendable {
    /// 1 to 200.
    package let limit: Int
    /// Only what is older than this; nil: from the newest.
    package let before: Identifier<Kind>?

    package init(limit: Int, before: Identifier<Kind>?) {
        self.limit = limit
        self.before = before
    }
}

/// One page of a list, newest first.
package struct Page<Item: Sendable, Kind: IdentifierKind>: Sendable {
    package let items: [Item]
    /// Where the next page begins; nil when there is nothing more.
    package let next: Identifier<Kind>?

    package init(items: [Item], next: Identifier<Kind>?) {
        self.items = items
        self.next = next
    }
}

/// Reads a list by key and never by offset, so that page 10,000 costs what page 1 does.
enum PageScan {
    /// Rows that one call looks at when its filter lets few through.
    static let budget = 20_000
    /// Bytes of memory after which a page ends, and that the rows of one statement should not be much over.
    static let bytes = 4 << 20
    /// Rows of the first statement where rows can be large: what they weigh is not known yet.
    private static let firstChunk = 60
    private static let chunk = 500

    /// Fetches chunks with `fetch(before, limit)`, newest first, and keeps what `matches`, until the page is full, the list is at
    /// its end, older than `oldest`, or the budget is spent. A spent budget gives a short page that says where to go on.
    static func page<Item, Kind>(
        _ request: PageRequest<Kind>,
        isFiltered: Bool,
        id: (Item) -> Identifier<Kind>,
        oldest: Identifier<Kind>? = nil,
        fetch: (_ before: Identifier<Kind>, _ limit: Int) throws -> [Item],
        matches: (Item) -> Bool
    ) throws -> Page<Item, Kind> {
        var progress = Progress<Item, Kind>(request, isFiltered: isFiltered, isWeighed: false)
        while true {
            let rows = try fetch(progress.before, progress.size)
            if let page = progress.take(rows, id: id, oldest: oldest, weight: nil, matches: matches) {
                return page
            }
        }
    }

    /// The same of what an account received, of which there may be millions of rows: each chunk is a read of its own, so that the reads of
    /// other accounts have their turn in between. `weight`: about how many bytes of memory an item takes, where items can be large; a page
    /// that got heavy ends, and says where to go on.
    static func page<Item, Kind>(
        _ request: PageRequest<Kind>,
        isFiltered: Bool,
        id: @escaping @Sendable (Item) -> Identifier<Kind>,
        oldest: Identifier<Kind>? = nil,
        weight: (@Sendable (Item) -> Int)? = nil,
        in account: AccountNumber,
        of database: Database,
        fetch:
            @escaping @Sendable (
                _ connection: any SQLConnection, _ before: Identifier<Kind>, _ limit: Int
            ) throws -> [Item],
        matches: @escaping @Sendable (Item) -> Bool
    ) async throws -> Page<Item, Kind> {
        var progress = Progress<Item, Kind>(request, isFiltered: isFiltered, isWeighed: weight != nil)
        while true {
            let now = progress
            let (next, page) = try await database.read(.of(account)) { connection in
                var next = now
                let rows = try fetch(connection, now.before, now.size)
                let page = next.take(rows, id: id, oldest: oldest, weight: weight, matches: matches)
                return (next, page)
            }
            if let page { return page }
            progress = next
        }
    }

    /// How far a page has come.
    private struct Progress<Item: Sendable, Kind: IdentifierKind>: Sendable {
        private let limit: Int
        private var items: [Item] = []
        private var scanned = 0
        /// Bytes of `items`, and of the heaviest row until now.
        private var (held, heaviest) = (0, 0)
        private let wanted: Int
        private let isWeighed: Bool
        /// Where the next chunk begins.
        var before: Identifier<Kind>

        init(_ request: PageRequest<Kind>, isFiltered: Bool, isWeighed: Bool) {
            limit = request.limit
            before = request.before ?? Identifier(high: .max, low: .max)
            wanted = isFiltered ? chunk : request.limit + 1
            self.isWeighed = isWeighed
        }

        /// How many rows the next chunk has at most: few at first where they can be large, then some times more each time.
        var size: Int {
            guard isWeighed else { return wanted }
            let fitting =
                scanned == 0 ? firstChunk : min(scanned * 4, max(8, PageScan.bytes / max(1, heaviest)))
            return min(wanted, fitting)
        }

        /// Takes a chunk; answers the page when that is all of it.
        mutating func take(
            _ rows: [Item],
            id: (Item) -> Identifier<Kind>,
            oldest: Identifier<Kind>?,
            weight: ((Item) -> Int)?,
            matches: (Item) -> Bool
        ) -> Page<Item, Kind>? {
            let asked = size
            for row in rows {
                if let oldest, id(row) < oldest { return Page(items: items, next: nil) }
                if items.count == limit || held >= PageScan.bytes {
                    return Page(items: items, next: items.last.map(id))
                }
                let bytes = weight?(row) ?? 0
                heaviest = max(heaviest, bytes)
                if matches(row) {
                    items.append(row)
                    held += bytes
                }
                before = id(row)
            }
            if rows.count < asked { return Page(items: items, next: nil) }
            scanned += rows.count
            return scanned < budget ? nil : Page(items: items, next: before)
        }
    }
}

/// Which configuration resources a list shows.
package struct ConfigurationFilter: Sendable {
    package let externalID: Text?
    /// All of them must be there.
    package let labels: [(name: Text, value: Text)]

    package init(externalID: Text? = nil, labels: [(name: Text, value: Text)] = []) {
        self.externalID = externalID
        self.labels = labels
    }

    /// Whether it lets everything through.
    package var isEmpty: Bool { externalID == nil && labels.isEmpty }

    /// Whether a resource with this metadata is shown.
    package func matches(_ metadata: Metadata) -> Bool {
        if let externalID, metadata.externalID != externalID { return false }
        return labels.allSatisfy { metadata.labels.value(of: $0.name) == $0.value }
    }
}
