import Domain
import Formats
import Testing

@Suite("prometheus and standard")
struct OtherFormatsTests {
    private func events(
        _ type: String,
        _ text: String
    ) throws -> [(event: DecodedEvent, severity: SeverityVerdict)] {
        let format = try #require(PushFormats.format(of: IntegrationType(type)))
        guard case .events(let events) = try format.decode(Array(text.utf8), contentType: nil) else {
            return []
        }
        let vocabulary = format.severities
        return events.map {
            (
                $0,
                SeverityVerdict($0.severityCandidates, table: vocabulary.defaultTable, vocabulary: vocabulary)
            )
        }
    }

    @Test(
        "prometheus levels",
        arguments: [
            ("critical", Severity.critical), ("warning", .warning), ("Warn", .warning), ("info", .info),
            ("unk", .info),
            ("acknowledged", .info),
        ]
    )
    func prometheusLevels(level: String, severity: Severity) throws {
        let found = try events(
            "prometheus",
            #"{"version":"4","alerts":[{"labels":{"priority":"\#(level)"}}]}"#
        )
        #expect(found.map(\.severity.severity) == [severity])
        #expect(found.map(\.severity.isGuessed) == [false])
    }

    @Test("the placeholder of ARMS means nothing to prometheus")
    func noTestButton() throws {
        let format = try #require(PushFormats.format(of: IntegrationType("prometheus")))
        #expect(throws: DecodeError.self) {
            try format.decode(Array("$alertmanager_content".utf8), contentType: nil)
        }
    }

    @Test("standard: an event, its recovery and an array of both")
    func standard() throws {
        let body = """
            [{"title_rule":"Disk full","event_status":"Critical","alert_key":"k","description":"d","labels":{"host":"a"}},
             {"title_rule":"Disk full","event_status":"Ok","alert_key":"k"}]
            """
        let found = try events("standard", body)
        #expect(found.map(\.event.alertKey) == ["k", "k"])
        #expect(found.map(\.event.isRecovery) == [false, true])
        #expect(found[0].severity.severity == .critical)
        #expect(found[0].event.title == "Disk full")
    }

    @Test("standard: without a key, title and labels say which alert it is")
    func standardKey() throws {
        let keys = try events(
            "standard",
            """
            [{"title_rule":"A","event_status":"Info","labels":{"h":"1"}},{"title_rule":"A","event_status":"Warning","labels":{"h":"1"}},
             {"title_rule":"B","event_status":"Info","labels":{"h":"1"}}]
            """
        ).map(\.event.alertKey)
        #expect(keys[0] == keys[1])
        #expect(keys[0] != keys[2])
    }

    @Test("every type has a name, a table with rows and aliases that lead into it")
    func vocabularies() {
        for format in PushFormats.all {
            #expect(!format.severities.defaultTable.entries.isEmpty)
            for target in format.severities.aliases.values {
                #expect(format.severities.defaultTable.meaning(ofFolded: target) != nil)
            }
        }
        #expect(PushFormats.all.map(\.type.name) == ["aliyun-arms", "prometheus", "standard"])
    }
}
