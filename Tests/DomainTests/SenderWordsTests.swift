import Domain
import Testing

@Suite("What senders write")
struct SenderWordsTests {
    @Test(
        "moments in every plain form",
        arguments: [
            ("2026-11-30T10:00:00Z", 1_796_032_800_000), ("2026-11-30T10:00:00.5+08:00", 1_796_004_000_500),
            ("2026-11-30T10:00:00+0800", 1_796_004_000_000), ("2026-11-30 10:00:00+08", 1_796_004_000_000),
            ("2026-11-30 10:00:00 +0800", 1_796_004_000_000),
            ("2026-11-30 10:00:00 -0130", 1_796_038_200_000),
            ("2026-11-30 10:00:00.25 +0800 CST", 1_796_004_000_250),
            ("2026-11-30 10:00:00.25 +0800 CST m=+0.012", 1_796_004_000_250),
            ("2026-11-30 10:00:00 +0800 +08", 1_796_004_000_000),
            ("2026-11-30 10:00:00 -0300 -03", 1_796_043_600_000),
            ("2026-11-30 10:00:00 UTC", 1_796_032_800_000), ("2026-11-30T10:00:00 GMT", 1_796_032_800_000),
            (" 2026-11-30T10:00:00Z\n", 1_796_032_800_000), ("1796032800", 1_796_032_800_000),
            ("1796032800.5", 1_796_032_800_500), ("1796032800123", 1_796_032_800_123),
            ("1796032800123456", 1_796_032_800_123), ("1796032800123456789", 1_796_032_800_123),
        ] as [(String, Int64)]
    )
    func moments(text: String, milliseconds: Int64) {
        #expect(SenderTime(text.utf8) == .moment(UnixTime(milliseconds: milliseconds)))
    }

    @Test(
        "what is no moment",
        arguments: [
            "", " ", "0", "0001-01-01T00:00:00Z", "0001-01-01 00:00:00 +0000 UTC", "1970-01-01T00:00:00Z",
            "1970-01-01T08:00:00+08:00",
        ]
    )
    func none(text: String) {
        #expect(SenderTime(text.utf8) == .none)
    }

    @Test(
        "what nobody can read for sure is not guessed",
        arguments: [
            "2026-11-30 10:00:00", "2026-11-30T10:00:00", "2026-11-30", "soon", "17960328",
            "12345678901234567890123",
            "1e10", "-1796032800", "1.2.3", "2026-13-30T10:00:00Z", "2026-11-30 10:00:00 CST", "+0800", "m=",
            "Z", "-",
            "2026-11-30 10:00:00 +0800 CST and more",
            "2026-11-30T10:00:00Z" + String(repeating: " ", count: 60) + "x",
            "2026-11-30 10:00:00 +0800 +08 +08", String(repeating: "9", count: 65), "\u{301}",
        ]
    )
    func unreadable(text: String) {
        #expect(SenderTime(text.utf8) == .unreadable)
    }

    @Test(
        "numbers of any size",
        arguments: [1e308, -1e308, .infinity, -.infinity, .nan, 1e-300, 1e19, 1e14, 1.0]
    )
    func numbers(number: Double) {
        #expect(SenderTime(sinceEpoch: number) == .unreadable)
    }

    @Test(
        "words for the end in any letters",
        arguments: [
            ("resolved", "resolved", []), ("Resolved", "resolved", .recoveryWord),
            (" OK ", "Ok", .recoveryWord),
            ("Ok", "Ok", []), ("ok", "Ok", .recoveryWord), ("recovered", "Ok", .recoveryWord),
            ("RECOVERY", "resolved", .recoveryWord), ("closed", "Ok", .recoveryWord),
            ("Normal", "Ok", .recoveryWord),
            ("firing", "resolved", nil), ("", "Ok", nil), ("okay", "Ok", nil), ("not ok", "Ok", nil),
            ("Critical", "Ok", nil), ("ok\u{301}", "Ok", nil),
        ] as [(Text, Text, ReadingNotes?)]
    )
    func ends(word: Text, documented: Text, notes: ReadingNotes?) {
        #expect(StatusWord.end(word, documented: documented) == notes)
    }

    @Test(
        "the link is the first that people can open",
        arguments: [
            (["https://a.example/x", "https://b.example"], "https://a.example/x"),
            (["http://:9093", "https://b.example"], "https://b.example"),
            (["http://alertmanager-0:9093/#/alerts", "https://b.example"], "https://b.example"),
            (["http://alertmanager-0:9093", "http://prometheus"], "http://alertmanager-0:9093"),
            (["", "https://b.example"], "https://b.example"),
            ([nil, "https://b.example"], "https://b.example"),
            (["javascript:alert(1)", "HTTPS://B.example"], "HTTPS://B.example"),
            (["http://10.0.0.1/x", nil], "http://10.0.0.1/x"),
            (["http://[::1]:80/", nil], "http://[::1]:80/"),
            (["http://u:p@host.example:1/", nil], "http://u:p@host.example:1/"),
            (["http://localhost:3000", "http://x"], "http://localhost:3000"),
            (["http://", "https://"], nil), (["http:///path", nil], nil),
            (["http://@", "ftp://a.example"], nil),
            (["http://a b.example", nil], nil), ([nil, nil], nil), (["http://.", nil], "http://."),
        ] as [([Text?], Text?)]
    )
    func links(given: [Text?], link: Text?) {
        #expect(SourceLink.usable(given) == link)
    }

    @Test("bytes of other encodings stay told apart on the way, and are shown as they always were")
    func foreignBytes() {
        var seen: Set<[UInt8]> = []
        for byte in 0x80...0xFF as ClosedRange<UInt8> {
            let marked = ForeignBytes.marked([0x61, byte, 0x62])
            #expect(seen.insert(marked).inserted)
            #expect(ForeignBytes.shown(Text(trusted: marked)) == "a\u{FFFD}b")
        }
        let text = Array("é报警🚨\u{F8FF}\u{FFFD}".utf8)
        #expect(ForeignBytes.marked(text) == text)
        #expect(ForeignBytes.shown(Text(trusted: text)).bytes == text)
    }

    @Test("an alert whose key holds such bytes has a key that can be shown")
    func foreignKeys() {
        func key(_ bytes: [UInt8]) -> Text {
            AlertKey.fitting(Text(trusted: ForeignBytes.marked(bytes)), isForeign: true)
        }
        #expect(key([0x61, 0xB1]) != key([0x61, 0xB2]))
        #expect(key([0x61, 0xB1]).bytes.starts(with: Array("h-".utf8)))
        #expect(key(Array("plain".utf8)) == "plain")
    }

    @Test("a level may mean a recovery, and a table's level goes before the usual words for the end")
    func levels() {
        let table = SeverityTable(
            entries: [.init(level: "green", meaning: .recovery), .init(level: "normal", severity: .info)],
            fallback: .warning
        )
        let vocabulary = SeverityVocabulary(defaultTable: table, aliases: ["ok-ish": "green"])
        func verdict(_ level: Text, isStatus: Bool = false) -> SeverityVerdict {
            let candidate = SeverityCandidate(field: "severity", level: level, isStatus: isStatus)
            return SeverityVerdict([candidate], table: table, vocabulary: vocabulary)
        }
        #expect(verdict("GREEN").meansRecovery && verdict("ok-ish").meansRecovery)
        #expect(!verdict("normal").meansRecovery && !verdict("blue").meansRecovery)
        let firing = event(isRecovery: false)
        #expect(firing.read(by: verdict("green")).isRecovery)
        #expect(firing.read(by: verdict("green")).notes == .recoveryByTable)
        #expect(!firing.read(by: verdict("green")).read(by: verdict("normal")).isRecovery)
        let recovery = event(isRecovery: true, notes: .recoveryWord)
        #expect(!recovery.read(by: verdict("normal", isStatus: true)).isRecovery)
        #expect(recovery.read(by: verdict("normal", isStatus: true)).notes == [])
        #expect(recovery.read(by: verdict("normal")).isRecovery)
        #expect(recovery.read(by: verdict("blue", isStatus: true)).isRecovery)
        #expect(event(isRecovery: true).read(by: verdict("normal", isStatus: true)).isRecovery)
    }
}
