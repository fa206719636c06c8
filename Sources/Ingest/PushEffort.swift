import Domain
import Storage

/// What decoding a body and deciding on it may take at most, found without decoding it.
enum PushEffort {
    /// What may be done on an event loop, in nanoseconds: others wait for it.
    private static let most = 100_000
    /// Of each alert, however small it is.
    private static let perAlert = 10_000
    /// Of each byte: parsing, copying, hashing.
    private static let perByte = 8

    /// Whether it is a matter of microseconds. An alert is an object, so there are no more of them than braces that open.
    static func isSmall(
        _ body: [UInt8],
        _ contentType: Text?,
        _ integration: IntegrationSnapshot,
        _ account: AccountSnapshot
    ) -> Bool {
        var left = most - body.count * perByte
        guard left > 0, !isOtherEncoding(body, contentType) else { return false }
        let cost = perAlert + price(body.count, integration, account)
        // The outermost object is none.
        left += cost
        for byte in body where byte == UInt8(ascii: "{") {
            left -= cost
            if left < 0 { return false }
        }
        return true
    }

    /// Whether the body may have to be converted: the C library loads what it needs for that from files.
    private static func isOtherEncoding(_ body: [UInt8], _ contentType: Text?) -> Bool {
        if let first = body.first, first >= 0xFE { return true }
        guard let type = contentType, type.bytes.contains(UInt8(ascii: ";")) else { return false }
        let words = type.folded.bytes.split { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "\"") }
        return !words.contains { $0.elementsEqual("utf-8".utf8) || $0.elementsEqual("utf8".utf8) }
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
