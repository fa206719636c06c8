import Domain
import Native
import Storage

/// What decoding a body and deciding on it may take at most, found without decoding it.
enum PushEffort {
    /// What may be done on an event loop, in nanoseconds: others wait for it.
    private static let most = 100_000
    /// Of each alert, however small it is.
    private static let perAlert = 10_000
    /// Of each byte: parsing, copying, hashing.
    private static let perByte = 8

    /// Of each byte that a repair has to rewrite.
    private static let perRepair = 250

    /// Whether it is a matter of microseconds. An alert is an object, so there are no more of them than braces that open: but in a body inside
    /// of a string, which is never small.
    static func isSmall(
        _ body: [UInt8],
        _ contentType: Text?,
        _ integration: IntegrationSnapshot,
        _ account: AccountSnapshot
    ) -> Bool {
        var left = most - body.count * perByte
        guard left > 0, !isOtherEncoding(body, contentType), !isString(body) else { return false }
        let cost = perAlert + price(body.count, integration, account)
        // The outermost object is none.
        left += cost
        for byte in body {
            switch byte {
            case UInt8(ascii: "{"): left -= cost
            // Line feeds between tokens are no fault, but there are few of them.
            case 0..<0x20: left -= perRepair
            default: continue
            }
            if left < 0 { return false }
        }
        return UTF8Scan.isValidUTF8(body)
    }

    /// Whether the body may have to be converted: the C library loads what it needs for that from files.
    private static func isOtherEncoding(_ body: [UInt8], _ contentType: Text?) -> Bool {
        if let first = body.first, first >= 0xFE { return true }
        return ContentType.charset(of: contentType).map { $0 != "utf8" } ?? false
    }

    /// Whether it is one string of JSON.
    private static func isString(_ body: [UInt8]) -> Bool {
        body.first { !$0.isASCIIWhitespace && ![0xEF, 0xBB, 0xBF].contains($0) } == UInt8(ascii: "\"")
    }

    /// What the account's routes and notifiers may cost for an alert of a body of so many bytes, in nanoseconds.
    private static func price(
        _ bytes: Int,
        _ integration: IntegrationSnapshot,
        _ account: AccountSnapshot
    ) -> Int {
        let price: MatchPrice
        switch integration.routing {
        case .dedicated(let channel):
            price = account.notifiers.rules(of: channel).lazy.map(\.price).total
        case .shared(let routes, _): price = routes.price + account.notifiers.price
        }
        return min(most, price.nanoseconds(forBytes: min(bytes, Labels.Limits.valueBytes)))
    }
}
