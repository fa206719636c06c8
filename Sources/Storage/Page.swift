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
    private static let chunk = 500
    /// Rows of the first statement where rows can be large: what they weigh is not known yet.
    private static let firstChunk = 60

    /// Fetches chunks with `fetch(before, limit)`, newest first, and keeps what `matches`, until the page is full or heavy, the list is at
    /// its end, older than `oldest`, or the budget is spent. A page that ends early says where to go on.
    ///
    /// `weight`: about how many bytes of memory an item takes, where items can be large.
    static func page<Item, Kind>(
        _ request: PageRequest<Kind>,
        isFiltered: Bool,
        id: (Item) -> Identifier<Kind>,
        oldest: Identifier<Kind>? = nil,
        weight: ((Item) -> Int)? = nil,
        fetch: (_ before: Identifier<Kind>, _ limit: Int) throws -> [Item],
        matches: (Item) -> Bool
    ) throws -> Page<Item, Kind> {
        var items: [Item] = []
        var before = request.before ?? Identifier(high: .max, low: .max)
        var (scanned, held, heaviest) = (0, 0, 0)
        while scanned < budget {
            let wanted = isFiltered ? chunk : request.limit + 1 - items.count
            let size = weight == nil ? wanted : min(wanted, fitting(heaviest, after: scanned))
            let rows = try fetch(before, size)
            for row in rows {
                if let oldest, id(row) < oldest { return Page(items: items, next: nil) }
                if items.count == request.limit || held >= bytes {
                    return Page(items: items, next: items.last.map(id))
                }
                let weighed = weight?(row) ?? 0
                heaviest = max(heaviest, weighed)
                if matches(row) {
                    items.append(row)
                    held += weighed
                }
                before = id(row)
            }
            if rows.count < size { return Page(items: items, next: nil) }
            scanned += rows.count
        }
        return Page(items: items, next: before)
    }

    /// How many rows may be fetched next when the heaviest until now was of so many bytes: few at first, then some times more each time.
    private static func fitting(_ heaviest: Int, after scanned: Int) -> Int {
        guard scanned > 0 else { return firstChunk }
        return min(chunk, scanned * 4, max(8, bytes / max(1, heaviest)))
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
