import Domain
import Testing

@Suite("UnixTime")
struct UnixTimeTests {
    @Test(
        "prints RFC 3339 in UTC with milliseconds, and reads it",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_767_225_600_000, "2026-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"), (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (-2_203_977_600_000, "1900-02-28T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)]
    )
    func both(milliseconds: Int64, text: String) {
        #expect(UnixTime(milliseconds: milliseconds).description == text)
        #expect(UnixTime(rfc3339: text.utf8)?.milliseconds == milliseconds)
    }

    @Test(
        "reads the forms that senders use",
        arguments: [
            ("2026-11-20T15:18:15.578000000+08:00", "2026-11-20T07:18:15.578Z"),
            ("2026-11-20T07:18:15Z", "2026-11-20T07:18:15.000Z"),
            ("2026-11-20t07:18:15z", "2026-11-20T07:18:15.000Z"),
            ("2026-11-20 07:18:15Z", "2026-11-20T07:18:15.000Z"),
            ("2026-11-20T07:18:15.5Z", "2026-11-20T07:18:15.500Z"),
            ("2026-11-20T07:18:15.05Z", "2026-11-20T07:18:15.050Z"),
            ("2026-11-20T07:18:15.999999999Z", "2026-11-20T07:18:15.999Z"),
            ("2026-11-20T07:18:15.0009Z", "2026-11-20T07:18:15.000Z"),
            ("2026-11-20T07:18:15-00:00", "2026-11-20T07:18:15.000Z"),
            ("2026-01-01T00:00:00+05:45", "2025-12-31T18:15:00.000Z"),
            ("2025-12-31T23:59:59-11:30", "2026-01-01T11:29:59.000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
            ("2024-02-29T00:00:00+00:01", "2024-02-28T23:59:00.000Z"),
        ]
    )
    func read(text: String, printed: String) {
        #expect(UnixTime(rfc3339: text.utf8)?.description == printed)
    }

    @Test(
        "everything else is no time",
        arguments: [
            "", "now", "1767225600", "2026-11-20", "2026-11-20T07:18:15", "2026-11-20T07:18Z",
            "2026-11-20T07:18:15.Z",
            "2026-11-20T07:18:15+0800", "2026-11-20T07:18:15+08", "2026-11-20T07:18:15+24:00",
            "2026-11-20T07:18:15+08:60",
            "2026-13-20T07:18:15Z", "2026-00-20T07:18:15Z", "2026-11-31T07:18:15Z", "2026-11-00T07:18:15Z",
            "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-11-20T24:00:00Z",
            "2026-11-20T07:60:15Z", "2026-11-20T07:18:61Z", "2026-11-20T07:18:15Zx", " 2026-11-20T07:18:15Z",
            "2026-11-20T07:18:15Z ", "26-11-20T07:18:15Z", "2026-1-20T07:18:15Z", "+026-11-20T07:18:15Z",
            "2026/11/20T07:18:15Z", "２026-11-20T07:18:15Z", "2026-11-20T07:18:15Z\0",
        ]
    )
    func refused(text: String) {
        #expect(UnixTime(rfc3339: text.utf8) == nil)
    }

    @Test("any number of fractional digits is read", arguments: [1, 9, 43, 44, 1_000])
    func manyDigits(count: Int) {
        let text = "2026-11-20T07:18:15." + String(repeating: "1", count: count) + "Z"
        #expect(UnixTime(rfc3339: text.utf8) != nil)
    }

    @Test("what follows a long fraction is not overlooked")
    func longTail() {
        let text = "2026-11-20T07:18:15." + String(repeating: "1", count: 43) + "Z and more"
        #expect(UnixTime(rfc3339: text.utf8) == nil)
    }

    @Test(
        "the no-time of Go programs is told from times",
        arguments: [
            ("0001-01-01T00:00:00Z", true), ("0001-01-01T00:00:00+08:00", true),
            ("0001-01-01T08:05:43+08:05", true),
            ("1970-01-01T00:00:00Z", false), ("0100-01-01T00:00:00Z", false),
        ]
    )
    func goZero(text: String, isZero: Bool) throws {
        #expect(try #require(UnixTime(rfc3339: text.utf8)).isGoZero == isZero)
    }

    @Test("every day from 1890 to 2110 survives printing and reading")
    func everyDay() {
        let days = (-29_219...51_499).filter { day in
            let time = UnixTime(milliseconds: Int64(day) * 86_400_000)
            return UnixTime(rfc3339: time.description.utf8) != time
        }
        #expect(days.isEmpty)
    }

    @Test(
        "adding saturates",
        arguments: [
            (0, 60, 60_000), (0, -60, -60_000), (.max, 1, .max), (.min, -1, .min), (0, .max, .max),
            (0, .min, .min),
        ] as [(Int64, Int64, Int64)]
    )
    func adding(start: Int64, seconds: Int64, result: Int64) {
        #expect(UnixTime(milliseconds: start).adding(seconds: seconds).milliseconds == result)
    }

    @Test(
        "a moment in the form of HTTP",
        arguments: [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_164_800_999, "Thu, 29 Feb 2024 00:00:00 GMT"),
        ] as [(Int64, String)]
    )
    func httpDate(milliseconds: Int64, text: String) {
        #expect(UnixTime(milliseconds: milliseconds).httpDate == text)
    }
}
