import Domain
import Formats
import Testing

@Suite("Labels as they were sent")
struct SentLabelTests {
    private static func events(_ body: String) throws -> [DecodedEvent] {
        let format = try #require(PushFormats.all.first { $0.type.name == "aliyun-arms" })
        guard case .events(let events) = try format.decode(Array(body.utf8), contentType: nil) else {
            return []
        }
        return events
    }

    private static func object(_ pairs: [(String, String)]) -> String {
        "{" + pairs.map { #""\#($0)":"\#($1)""# }.joined(separator: ",") + "}"
    }

    /// More than an alert may have, and all of them before `user` in order.
    private static let many = (0..<150).map { ("a\($0)", "v") }

    @Test("the alert's own go before the common ones")
    func ownOverCommon() throws {
        let found = try Self.events(
            #"{"commonLabels":{"user":"7","region":"hz"},"alerts":[{"labels":{"user":"8"}},{}]}"#
        )
        #expect(found.map { $0.sentLabel("user") } == ["8", "7"])
        #expect(found.map { $0.sentLabel("region") } == ["hz", "hz"])
    }

    @Test("common ones beyond the limits are known, and still come after the alert's own")
    func manyCommon() throws {
        let common = Self.object(Self.many + [("user", "7")])
        let found = try Self.events(#"{"commonLabels":\#(common),"alerts":[{"labels":{"user":"8"}},{}]}"#)
        #expect(found.map { $0.sentLabel("user") } == ["8", "7"])
        #expect(found.map { $0.labels.count } == [100, 100])
    }

    @Test("common ones that are not taken over any more, because the body would grow too much, are known")
    func budget() throws {
        let common = Self.object(
            (0..<90).map { ("c\($0)", String(repeating: "v", count: 2_000)) } + [("user", "7")]
        )
        let alerts = Array(repeating: #"{"labels":{"x":"y"}}"#, count: 100).joined(separator: ",")
        let found = try Self.events(#"{"commonLabels":\#(common),"alerts":[\#(alerts)]}"#)
        #expect(found.last?.labels.count == 1)
        #expect(found.allSatisfy { $0.sentLabel("user") == "7" && $0.sentLabel("x") == "y" })
    }

    @Test("what is no string is known by its text")
    func numbers() throws {
        let found = try Self.events(#"{"alerts":[{"labels":{"user":1098370038733503}}]}"#)
        #expect(found.map { $0.sentLabel("user") } == ["1098370038733503"])
    }
}
