import Domain
import Formats
import Foundation
import Testing

/// Hostile bodies in every form and encoding, the same in every run: `TOCSIN_FUZZ_SECONDS` says for how long (1 when it is not set),
/// `TOCSIN_FUZZ_SEED` which.
@Suite("Hostile bodies")
struct PushFuzzTests {
    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    @Test(
        "no body ends the process or takes more than its budget, and every event is within the limits",
        .timeLimit(.minutes(60))
    )
    func fuzz() throws {
        var source = HostileBodies(seed: Self.number("TOCSIN_FUZZ_SEED") ?? 12)
        let end = ContinuousClock.now.advanced(by: .seconds(Self.number("TOCSIN_FUZZ_SECONDS") ?? 1))
        var (tried, read, flagged) = (0, 0, 0)
        while ContinuousClock.now < end {
            for format in PushFormats.all {
                let (body, contentType) = source.next()
                tried += 1
                let start = ContinuousClock.now
                let events = Self.events(body, contentType, format)
                let took = start.duration(to: .now)
                read += events.isEmpty ? 0 : 1
                flagged += events.contains { !$0.notes.isEmpty } ? 1 : 0
                let isSound = took < .seconds(10) && events.allSatisfy(Self.isSound)
                if !isSound { Issue.record("\(format.type), \(took), \(contentType ?? ""): \(body)") }
                // Pure: the same bytes give the same events.
                let again = Self.events(body, contentType, format)
                #expect(again.map(\.alertKey) == events.map(\.alertKey))
                #expect(again.map(\.contentDigest) == events.map(\.contentDigest))
            }
        }
        #expect(
            read > 20 && flagged > 10 && tried - read > 20,
            "\(read) of \(tried) read, \(flagged) flagged"
        )
    }

    private static func events(_ body: [UInt8], _ type: Text?, _ format: any PushFormat) -> [DecodedEvent] {
        do throws(DecodeError) {
            let decoded = try format.decode(body, contentType: type)
            return if case .events(let events) = decoded { events } else { [] }
        } catch {
            return []
        }
    }

    private static func isSound(_ event: DecodedEvent) -> Bool {
        let labels = event.labels.all + event.annotations.all
        let texts =
            [
                event.alertKey, event.title, event.description, event.link, event.addresses.external,
                event.addresses.generator,
            ]
            .compactMap { $0 } + labels.flatMap { [$0.name, $0.value] }
        let isText = texts.allSatisfy {
            String(validating: $0.bytes, as: UTF8.self) != nil && !$0.bytes.contains(0)
        }
        return isText && !event.alertKey.isEmpty && event.alertKey.bytes.count <= 255
            && event.title.bytes.count <= 512
            && event.description.bytes.count <= 2_048 && (event.link?.bytes.count ?? 0) <= 2_048
            && event.labels.count <= 100
            && labels.allSatisfy { $0.name.bytes.count <= 128 && $0.value.bytes.count <= 2_048 }
    }
}

/// Bodies that are nearly right, made of good ones by chance.
private struct HostileBodies {
    private var random: SeededNumbers

    private static let seeds: [String] = [
        #"{"status":"firing","externalURL":"http://a.example","commonLabels":{"a":"b"},"alerts":[{"status":"resolved","labels":{"alertname":"x","severity":"P1"},"annotations":{"summary":"s"},"startsAt":"2026-11-30T10:00:00+08:00","endsAt":1796032800,"fingerprint":"f","generatorURL":"http://b"},{"labels":{}}]}"#,
        #"{"title_rule":"disk 92 %","event_status":"Critical","alert_key":"d1","labels":{"team":"dba","报警":"é"},"description":"x"}"#,
        #"[{"title_rule":"a","event_status":"OK"},{"event_status":"Info","description":"b"}]"#,
        #"{"alerts":[{"annotations":{"summary":"备案","description":"1\n2"},"startsAt":"2026-11-30 10:00:00 +0800 CST"}]}"#,
        "$alertmanager_content", "{\"alerts\":\"$alertmanager_content\"}",
    ]
    private static let pieces: [[UInt8]] = [
        Array("\"".utf8), Array("\\".utf8), Array("\\u".utf8), Array("\\ud800".utf8), Array(",}".utf8),
        Array(", ]".utf8), [0], [0x0A], [0x09],
        [0xFF], [0xFE], [0xEF, 0xBB, 0xBF], [0xEF, 0x9E, 0x80], [0xB1, 0xA8], Array("NaN".utf8),
        Array("-Infinity".utf8), Array("1e999".utf8),
        Array("99999999999999999999".utf8), Array("{\"alerts\":".utf8), Array("[[[[".utf8),
        Array("]]]]".utf8), Array("\u{301}\u{301}".utf8),
        Array("\"startsAt\":\"+08\",".utf8), Array("\"status\":\"Ok\",".utf8), Array("http://[::".utf8),
        Array("@:/".utf8),
    ]
    private static let types: [Text?] = [
        nil, "application/json", "text/plain; charset=GBK", "a/b;charset=gb18030", "a/b; charset=utf-16",
        "a/b; charset=\"iso-8859-1\"",
        "a/b; charset=shift_jis", "a/b; charset=euc-kr", "a/b; charset=big5", "a/b; charset=utf-8",
        ";;;charset=;=\"", "a/b; charset=utf-16be",
    ]

    init(seed: UInt64) { random = SeededNumbers(state: seed) }

    mutating func next() -> ([UInt8], Text?) {
        var body = Array((Self.seeds.randomElement(using: &random) ?? "").utf8)
        for _ in 0..<Int.random(in: 0...6, using: &random) { change(&body) }
        if Int.random(in: 0..<200, using: &random) == 0 {
            body = Array(repeatElement(body, count: 40_000 / max(1, body.count)).joined())
        }
        if Int.random(in: 0..<8, using: &random) == 0 {
            body = Self.utf16(body, isBig: Bool.random(using: &random))
        }
        return (body, Self.types.randomElement(using: &random) ?? nil)
    }

    private mutating func change(_ body: inout [UInt8]) {
        let place = Int.random(in: 0...body.count, using: &random)
        let length = min(body.count - place, Int.random(in: 0...8, using: &random))
        switch Int.random(in: 0..<7, using: &random) {
        case 0: body.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: place)
        case 1: body.removeSubrange(place..<place + length)
        case 2: body.insert(contentsOf: body[place..<place + length], at: place)
        case 3: if place < body.count { body[place] = UInt8.random(in: .min ... .max, using: &random) }
        case 4: body = Array(String(decoding: body, as: UTF8.self).debugDescription.utf8)
        case 5: body.removeSubrange(place...)
        default: body += Self.pieces.randomElement(using: &random) ?? []
        }
    }

    private static func utf16(_ body: [UInt8], isBig: Bool) -> [UInt8] {
        let units = Array(String(decoding: body, as: UTF8.self).utf16)
        let bytes = units.flatMap { unit -> [UInt8] in
            let pair = [UInt8(unit >> 8), UInt8(unit & 255)]
            return isBig ? pair : pair.reversed()
        }
        return (isBig ? [0xFE, 0xFF] : [0xFF, 0xFE]) + bytes
    }
}

/// SplitMix64.
private struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
