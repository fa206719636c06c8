import Domain
import Formats
import Testing

@Suite("aliyun-arms")
struct ARMSFormatTests {
    static let type = IntegrationType("aliyun-arms")

    private func events(_ text: String) throws -> [DecodedEvent] {
        let format = try #require(PushFormats.format(of: Self.type))
        guard case .events(let events) = try format.decode(Array(text.utf8), contentType: nil) else {
            Issue.record("a test delivery")
            return []
        }
        return events
    }

    private func severity(_ event: DecodedEvent) throws -> SeverityVerdict {
        let vocabulary = try #require(PushFormats.format(of: Self.type)).severities
        return SeverityVerdict(
            event.severityCandidates,
            table: vocabulary.defaultTable,
            vocabulary: vocabulary
        )
    }

    @Test(
        "common labels are taken over up to a bound for the whole body; beyond it alerts keep their own and are flagged"
    )
    func commonLabelsAreBounded() throws {
        let labels = (0..<50).map { "\"l\($0)\":\"\(String(repeating: "v", count: 1_000))\"" }.joined(
            separator: ","
        )
        let alerts = Array(repeating: "{\"labels\":{\"own\":\"yes\"}}", count: 1_000).joined(separator: ",")
        let found = try events("{\"commonLabels\":{\(labels)},\"alerts\":[\(alerts)]}")
        try #require(found.count == 1_000)
        #expect(found[0].labels.count == 51)
        #expect(!found[0].notes.contains(.cut))
        #expect(found[999].labels.all.map(\.name) == ["own"])
        #expect(found[999].notes.contains(.cut))
        #expect(found.reduce(0) { $0 + $1.labels.byteCount } < 9 << 20)
    }

    @Test("status, times, key, title and link are read per alert")
    func readsAGroup() throws {
        let found = try events(
            """
            {"status":"firing","externalURL":"https://arms.example/1","commonLabels":{"team":"pay"},"alerts":[
            {"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-20T08:00:00.123456789Z",
             "endsAt":"0001-01-01T00:00:00Z","fingerprint":"f1"},
            {"status":"resolved","labels":{"alertname":"B","team":"own"},"startsAt":"2026-11-20T07:00:00Z",
             "endsAt":"2026-11-20T07:30:00+08:00","fingerprint":"f2"}]}
            """
        )
        try #require(found.count == 2)
        #expect(found.map(\.alertKey) == ["f1", "f2"])
        #expect(found.map(\.title) == ["A", "B"])
        #expect(found.map(\.isRecovery) == [false, true])
        #expect(found[0].startsAt?.description == "2026-11-20T08:00:00.123Z")
        #expect(found[0].endsAt == nil)
        #expect(found[1].endsAt?.description == "2026-11-19T23:30:00.000Z")
        #expect(found[0].labels.value(of: "team" as Text) == "pay")
        #expect(found[1].labels.value(of: "team" as Text) == "own")
        #expect(found[0].link == "https://arms.example/1")
    }

    @Test(
        "a level is read from the first candidate that resolves",
        arguments: [
            (#"{"severity":"critical"}"#, Severity.critical, false),
            (#"{"severity":"error"}"#, .warning, false),
            (#"{"severity":"warning"}"#, .warning, false),
            (#"{"severity":"page"}"#, .info, false),
            (#"{"severity":"default"}"#, .info, false),
            (#"{"severity":" p1 "}"#, .critical, false),
            (#"{"severity":"???","_aliyun_arms_alert_level":"CRITICAL"}"#, .critical, false),
            (#"{"severity":"","priority":"P4"}"#, .info, false),
            (#"{"severity":1,"level":"P1"}"#, .critical, false),
            (#"{"severity":"sev-zero"}"#, .warning, true),
            (#"{}"#, .warning, true),
        ]
    )
    func readsLevels(labels: String, severity: Severity, isGuessed: Bool) throws {
        let event = try #require(try events(#"{"alerts":[{"labels":\#(labels)}]}"#).first)
        let verdict = try self.severity(event)
        #expect(verdict.severity == severity)
        #expect(verdict.isGuessed == isGuessed)
    }

    @Test("the alert's own level goes before the common one, and a blank one does not count")
    func ownLevelFirst() throws {
        let found = try events(
            """
            {"commonLabels":{"severity":"page"},"alerts":[{"labels":{"severity":"critical"}},{"labels":{"severity":" "}}]}
            """
        )
        #expect(try found.map { try severity($0).severity } == [.critical, .info])
    }

    @Test("without a fingerprint the key is a hash of the alert's own labels but the levels")
    func hashesLabels() throws {
        let keys = try events(
            """
            {"alerts":[{"labels":{"a":"1","severity":"P1"}},{"labels":{"a":"1","severity":"P2"},"fingerprint":" "},
            {"labels":{"a":"2"}}]}
            """
        ).map(\.alertKey)
        #expect(keys[0] == keys[1])
        #expect(keys[0] != keys[2])
        #expect(keys[0].string.hasPrefix("1-") && keys[0].bytes.count == 34)
    }

    @Test(
        "the console's test button is a test, whatever is around the placeholder",
        arguments: [
            "$alertmanager_content", "\u{FEFF}$alertmanager_content\n", #""$alertmanager_content""#,
            #"{"alert": "$alertmanager_content"}"#, "[$alertmanager_content]",
            #"{"alerts":"$alertmanager_content"}"#,
        ]
    )
    func takesTests(body: String) throws {
        let format = try #require(PushFormats.format(of: Self.type))
        guard case .test = try format.decode(Array(body.utf8), contentType: nil) else {
            Issue.record("not a test")
            return
        }
    }

    @Test("a placeholder inside a real alert is text like any other")
    func placeholderInAlert() throws {
        let found = try events(#"{"alerts":[{"labels":{"alertname":"$alertmanager_content"}}]}"#)
        #expect(found.map(\.title) == ["$alertmanager_content"])
    }

    @Test(
        "what can't be read says why",
        arguments: [
            ("", DecodeError.Kind.notJSON), ("{", .notJSON), (#"{"alerts":[}"#, .notJSON), ("{}", .noAlerts),
            (#"{"alerts":[]}"#, .noAlerts), (#"{"alerts":{}}"#, .noAlerts),
            (#"{"alerts":[1,"x"]}"#, .noAlerts),
            (
                #"{"alerts":[{"labels":"# + String(repeating: "[", count: 40) + "1"
                    + String(repeating: "]", count: 40) + "}]}", .notJSON
            ),
        ]
    )
    func refuses(body: String, kind: DecodeError.Kind) throws {
        let format = try #require(PushFormats.format(of: Self.type))
        let error = #expect(throws: DecodeError.self) {
            try format.decode(Array(body.utf8), contentType: nil)
        }
        #expect(error?.kind == kind)
    }

    @Test(
        "a body that only a strict parser refuses is read all the same",
        arguments: [
            Array("\u{FEFF}".utf8) + Array(#"{"alerts":[{"labels":{"alertname":"A"}}]}"#.utf8),
            Array(#"{"n":123456789012345678901234567890,"alerts":[{"labels":{"alertname":"A"}}]}"#.utf8),
            Array(#"{"n":1e999,"alerts":[{"labels":{"alertname":"A"}}]}"#.utf8),
            Array(#"{"n":"\ud800","alerts":[{"labels":{"alertname":"A"}}]}"#.utf8),
            Array(#"{"n":""#.utf8) + [0xFF, 0xC0]
                + Array(#"","alerts":[{"labels":{"alertname":"A"}}]}"#.utf8),
        ]
    )
    func repairs(body: [UInt8]) throws {
        let format = try #require(PushFormats.format(of: Self.type))
        guard case .events(let events) = try format.decode(body, contentType: nil) else {
            Issue.record("no events")
            return
        }
        #expect(events.map(\.title) == ["A"])
    }

    @Test("labels that are no strings are taken as their text, NUL is replaced")
    func oddLabels() throws {
        let event = try #require(
            try events(
                #"{"alerts":[{"labels":{"code":500,"on":true,"none":null,"list":[1,{"a":"b"}],"nul":"a\u0000b"}}]}"#
            ).first
        )
        #expect(event.labels.value(of: "code" as Text) == "500")
        #expect(event.labels.value(of: "on" as Text) == "true")
        #expect(event.labels.value(of: "none" as Text) == "")
        #expect(event.labels.value(of: "list" as Text) == #"[1,{"a":"b"}]"#)
        #expect(event.labels.value(of: "nul" as Text) == "a\u{FFFD}b")
        #expect(event.title == "(no name)")
    }

    @Test("too much text is cut and flagged, the severity is read before, the alert is taken")
    func cuts() throws {
        let many = (0..<200).map { #""l\#($0)":"v""# }.joined(separator: ",")
        let long = String(repeating: "é", count: 3_000)
        let event = try #require(
            try events(
                #"{"alerts":[{"labels":{\#(many),"severity":"critical","value":"\#(long)"},"annotations":{"message":"\#(long)"}}]}"#
            ).first
        )
        #expect(event.notes.contains(.cut))
        #expect(event.labels.count == 100)
        #expect(event.description.bytes.count == 2_048)
        #expect(try severity(event).severity == .critical)
    }

    @Test(
        "a link that is no web address is left out",
        arguments: ["javascript:alert(1)", "ftp://x", "http://a b", ""]
    )
    func dropsLinks(link: String) throws {
        let event = try #require(
            try events(#"{"externalURL":"\#(link)","alerts":[{"labels":{"alertname":"A"}}]}"#).first
        )
        #expect(event.link == nil)
    }

    @Test("more than 10,000 alerts are too many")
    func tooMany() throws {
        let format = try #require(PushFormats.format(of: Self.type))
        let body = #"{"alerts":["# + Array(repeating: "{}", count: 10_001).joined(separator: ",") + "]}"
        #expect(throws: DecodeError.tooManyAlerts) { try format.decode(Array(body.utf8), contentType: nil) }
    }
}

extension DecodeError {
    /// The case without its text.
    enum Kind {
        case notJSON, noAlerts, other
    }

    var kind: Kind {
        switch self {
        case .notJSON: .notJSON
        case .noAlerts: .noAlerts
        case .tooManyAlerts, .crashedBefore, .contentEncoding: .other
        }
    }
}
