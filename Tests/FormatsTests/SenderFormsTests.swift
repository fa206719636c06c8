import Domain
import Testing

@testable import Formats

@Suite("Bodies as senders write them")
struct SenderFormsTests {
    private func events(
        _ body: [UInt8],
        _ contentType: Text? = nil,
        type: String = "prometheus"
    ) throws -> [DecodedEvent] {
        let format = try #require(PushFormats.format(of: IntegrationType(type)))
        let decoded = try format.decode(body, contentType: contentType)
        guard case .events(let events) = decoded else { return [] }
        return events
    }

    /// A body whose one alert is called `name`.
    private static func body(_ name: [UInt8]) -> [UInt8] {
        Array(#"{"alerts":[{"labels":{"alertname":""#.utf8) + name + Array(#""}}]}"#.utf8)
    }

    private static let gbk: [UInt8] = [0xB1, 0xA8, 0xBE, 0xAF]  // 报警
    private static let otherGBK: [UInt8] = [0xB1, 0xB8, 0xB0, 0xB8]  // 备案

    @Test(
        "a declared charset is heeded",
        arguments: [
            (gbk, "application/json; charset=GBK", "报警"), (gbk, "text/plain;charset=\"gb2312\"", "报警"),
            (otherGBK, "text/plain; Charset = gb18030 ", "备案"),
            ([0xE9], "text/plain; charset=ISO-8859-1", "é"),
            ([0x80], "text/plain; charset=windows-1252", "€"), ([0xD2, 0xBB], "a/b; charset=gbk", "一"),
            (Array("报警".utf8), "a/b; charset=iso-8859-1", "报警"), (Array("报警".utf8), "a/b; charset=gbk", "报警"),
            (Array("é".utf8), "a/b; charset=utf-8", "é"), (Array("plain".utf8), "a/b; charset=gbk", "plain"),
            (Array("é".utf8), "a/b; charset=unheard-of", "é"),
            (Array("Störung".utf8), "a/b; charset=iso-8859-1", "Störung"),
            (Array("сбой".utf8), "a/b; charset=windows-1251", "сбой"),
            ([0xF1, 0xE1, 0xEE, 0xE9], "a/b; charset=windows-1251", "сбой"),
        ] as [([UInt8], Text, Text)]
    )
    func charset(name: [UInt8], contentType: Text, title: Text) throws {
        let event = try #require(try events(Self.body(name), contentType).first)
        #expect(event.title == title)
        let isConverted = Text(trusted: name) != title
        #expect(event.notes == (isConverted ? .charset : []))
    }

    @Test(
        "UTF-16 by its mark or its name",
        arguments: [true, false],
        [nil, "a/b; charset=utf-16"] as [Text?]
    )
    func utf16(isBigEndian: Bool, contentType: Text?) throws {
        let units = Array(String(decoding: Self.body(Array("报警".utf8)), as: UTF8.self).utf16)
        let bytes = units.flatMap { unit -> [UInt8] in
            let pair = [UInt8(unit >> 8), UInt8(unit & 255)]
            return isBigEndian ? pair : pair.reversed()
        }
        let mark: [UInt8] = isBigEndian ? [0xFE, 0xFF] : [0xFF, 0xFE]
        let event = try #require(try events(mark + bytes, contentType).first)
        #expect(event.title == "报警")
        #expect(event.notes == .charset)
        if contentType != nil { #expect(try events(bytes, contentType).first?.title == "报警") }
    }

    @Test("without a charset what is no UTF-8 is shown as U+FFFD, and its alerts stay apart")
    func noCharset() throws {
        let one = try #require(try events(Self.body(Self.gbk)).first)
        let other = try #require(try events(Self.body(Self.otherGBK)).first)
        #expect(one.alertKey != other.alertKey)
        #expect(one.labelsDigest != other.labelsDigest)
        #expect(one.title == "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}" && one.title == other.title)
        #expect(one.labels.value(of: "alertname" as Text) == one.title)
        #expect(one.notes == .invalidText)
        #expect(try events(Self.body(Self.gbk)).first?.alertKey == one.alertKey)
    }

    @Test(
        "what is nearly JSON is read, and says so",
        arguments: [
            (#"{"alerts":[{"labels":{"alertname":"a"},}]}"#, .trailingComma),
            (
                "{\"alerts\":[{\"labels\":{\"alertname\":\"a\"},\"annotations\":{\"d\":\"1\n\t2\"}}]}",
                .controlCharacters
            ),
            (#"{"alerts":[{"labels":{"alertname":"a"},"v":NaN,"w":-Infinity}]}"#, .notANumber),
            ("\u{FEFF}\u{FEFF}{\"alerts\":[{\"labels\":{\"alertname\":\"a\"}}]}", .byteOrderMark),
            ("{\"alerts\":[{\"labels\":{\"alertname\":\"a\"}}]}\0", .trailingNUL),
            (#""{\"alerts\":[{\"labels\":{\"alertname\":\"a\"}}]}""#, .bodyInString),
            (#""{\"alerts\":[{\"labels\":{\"alertname\":\"a\"},}]}""#, [.bodyInString, .trailingComma]),
            (#""\"{\\\"alerts\\\":[{\\\"labels\\\":{\\\"alertname\\\":\\\"a\\\"}}]}\"""#, .bodyInString),
            (#"{"alerts":[{"labels":{"alertname":"a"},"v":99999999999999999999}]}"#, .largeNumber),
            (#"{"alerts":[{"labels":{"alertname":"a","b":"\ud800"}}]}"#, .loneSurrogate),
        ] as [(String, ReadingNotes)]
    )
    func nearlyJSON(body: String, notes: ReadingNotes) throws {
        let event = try #require(try events(Array(body.utf8)).first)
        #expect(event.title == "a")
        #expect(event.notes == notes)
        #expect(!event.notes.notes.isEmpty)
    }

    @Test(
        "what is no JSON stays none",
        arguments: [
            "", "[", "\"text\"", #""{""#, "{\"a\":\"", "\0", "\u{FEFF}", "NaN,", "{,}", "[1,,]", #""""#,
        ]
    )
    func notJSON(body: String) {
        #expect(throws: DecodeError.self) { try events(Array(body.utf8)) }
    }

    @Test("alerts without labels and fingerprint are told apart by title and description")
    func nothingButTexts() throws {
        let body = #"""
            {"alerts":[{"annotations":{"summary":"a"}},{"annotations":{"summary":"b"}},
            {"annotations":{"summary":"a","description":"x"}},{"labels":{"severity":"critical"},"annotations":{"summary":"a"}},
            {"annotations":{"summary":"a"}}]}
            """#
        let keys = try events(Array(body.utf8)).map(\.alertKey)
        #expect(Set(keys).count == 3)
        #expect(keys[0] == keys[3] && keys[0] == keys[4])
        let standard =
            #"[{"event_status":"Critical","description":"a"},{"event_status":"Critical","description":"b"}]"#
        #expect(Set(try events(Array(standard.utf8), type: "standard").map(\.alertKey)).count == 2)
    }

    @Test(
        "a fingerprint or key of nothing but white space is none",
        arguments: [#"\f"#, #"\u000b"#, " ", #"\n\t"#, ""]
    )
    func blankKeys(key: String) throws {
        let body = #"{"alerts":[{"labels":{"alertname":"a"},"fingerprint":"\#(key)"}]}"#
        #expect(try events(Array(body.utf8)).first?.alertKey.bytes.starts(with: Array("1-".utf8)) == true)
        let standard = #"{"title_rule":"a","event_status":"Info","alert_key":"\#(key)"}"#
        let event = try events(Array(standard.utf8), type: "standard").first
        #expect(event?.alertKey.bytes.starts(with: Array("1-".utf8)) == true)
    }

    @Test("backslashes of Shift_JIS are backslashes")
    func shiftJIS() throws {
        let event = try events(Self.body([0x83, 0x65, 0x5C, 0x6E, 0x83, 0x58]), "a/b; charset=Shift_JIS")
            .first
        #expect(event?.title == "テ\nス")
    }

    @Test("the status of an alert goes before that of its group, in any letters")
    func status() throws {
        let body = #"""
            {"status":"Resolved","alerts":[{"status":"firing","labels":{"alertname":"a"}},{"labels":{"alertname":"b"}},
            {"status":"OK","labels":{"alertname":"c"}},{"status":"","labels":{"alertname":"d"}},
            {"status":"whatever","labels":{"alertname":"e"}}]}
            """#
        let found = try events(Array(body.utf8))
        #expect(found.map(\.isRecovery) == [false, true, true, true, false])
        #expect(found.map { $0.notes == .recoveryWord } == [false, true, true, true, false])
    }

    @Test("both addresses are kept, and the better one is the link")
    func addresses() throws {
        let body = #"""
            {"externalURL":"http://:9093","alerts":[{"labels":{"alertname":"a"},"generatorURL":"https://prometheus.example/graph?x=1"}]}
            """#
        let event = try #require(try events(Array(body.utf8)).first)
        #expect(event.link == "https://prometheus.example/graph?x=1")
        #expect(event.addresses.external == "http://:9093")
        #expect(event.addresses.generator == event.link)
    }

    @Test("a time that can't be read is flagged")
    func times() throws {
        let body = #"""
            {"alerts":[{"labels":{"alertname":"a"},"startsAt":1796032800},{"labels":{"alertname":"b"},"startsAt":"2026-11-30 10:00:00"},
            {"labels":{"alertname":"c"},"startsAt":true},{"labels":{"alertname":"d"},"startsAt":null,"endsAt":"0001-01-01T00:00:00Z"}]}
            """#
        let found = try events(Array(body.utf8))
        #expect(found.map { $0.startsAt?.milliseconds } == [1_796_032_800_000, nil, nil, nil])
        #expect(found.map(\.notes) == [[], .unreadableTime, .unreadableTime, []])
    }
}
