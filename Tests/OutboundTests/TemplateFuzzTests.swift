import Domain
import Foundation
import Outbound
import Testing

/// Hostile templates over hostile messages, the same in every run: `TOCSIN_FUZZ_SECONDS` says for how long (1 when it is not set),
/// `TOCSIN_FUZZ_SEED` which.
@Suite("Hostile templates")
struct TemplateFuzzTests {
    private let seconds = Self.number("TOCSIN_FUZZ_SECONDS") ?? 1
    private let seed = Self.number("TOCSIN_FUZZ_SEED") ?? 11

    @Test(
        "no text ends the process, none takes more than its budget, and what is accepted is sound",
        .timeLimit(.minutes(60))
    )
    func fuzz() {
        var source = HostileTemplates(seed: seed)
        let renderer = Renderer(offset: { _ in 0 })
        let end = ContinuousClock.now.advanced(by: .seconds(seconds))
        var (tried, accepted) = (0, 0)
        while ContinuousClock.now < end {
            for _ in 0..<16 {
                let text = source.next()
                tried += 1
                let start = ContinuousClock.now
                let isGood = Self.check(text)
                if isGood { accepted += 1 }
                let message = source.message()
                let kind = source.pick(Notifier.Kind.allCases)
                let rendered = renderer.render(message, kind: kind, template: template(title: text, text))
                let took = start.duration(to: .now)
                // A byte that is no UTF-8 becomes the three of a replacement character where it is shown.
                let scale = String(validating: text.bytes, as: UTF8.self) == nil ? 3 : 1
                let isBounded =
                    rendered.text.utf8.count <= scale * 257 << 10 && !rendered.text.isEmpty
                    && rendered.title.utf8.count <= scale * 1_024 && took < .seconds(10)
                if !isBounded || (!isGood && rendered.problem == nil) {
                    Issue.record("seed \(seed), template \(tried), \(took): \(text.bytes)")
                }
            }
        }
        #expect(accepted > 20 && tried - accepted > 20, "\(accepted) of \(tried)")
    }

    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }

    /// Whether it is a template; its parts must then hold together.
    private static func check(_ text: Text) -> Bool {
        do throws(TemplateError) {
            let template = try Template(text)
            var ends: [Int] = []
            for (index, part) in template.parts.enumerated() {
                while let end = ends.last, end <= index { ends.removeLast() }
                switch part {
                case .literal(let range):
                    #expect(!range.isEmpty && range.upperBound <= template.literals.count)
                case .value: break
                case .section(_, _, let end):
                    #expect(end > index && end <= (ends.last ?? template.parts.count))
                    ends.append(end)
                    #expect(ends.count <= Template.maximumDepth)
                }
            }
            #expect(template.literals.count <= text.bytes.count)
            return true
        } catch {
            #expect(!error.detail.isEmpty && error.detail.utf8.count < 512)
            return false
        }
    }
}

/// Makes templates and messages that nobody would write.
private struct HostileTemplates {
    private static let pieces: [[UInt8]] =
        [
            "{{", "}}", "{", "}", "{{{", "#", "^", "/", ">", "<", "$", "=", "%", "!", "&", ".", "..", "(",
            ")", " ", "\t",
            "\n", "\r\n", "\r", "{{!", "{{=<% %>=}}", "é", "\u{301}", "\u{301}\u{301}\u{301}", "🔥",
            "\u{200D}", "\u{85}",
            "\u{2028}", "labels.", ".labels", "labels..x", "{{#labels_list.}}", "{{/title}}", "{{#title}}",
            "{{title}}",
            "{{.}}", "x",
        ].map { Array($0.utf8) } + [[0], [0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xF0, 0x9F]]
    private static let names =
        TemplateName.allCases.map(\.rawValue) + [
            "name", "value", ".", "labels.a", "annotations.b.c", "none", "",
        ]

    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> Text {
        var bytes: [UInt8]
        switch roll(6) {
        case 0: bytes = soup(roll(40))
        case 1: bytes = nest(roll(60) + 1)
        case 2: bytes = Array(repeatElement(soup(3), count: roll(4_000)).joined())
        default: bytes = tree(roll(5))
        }
        for _ in 0..<(roll(3) == 0 ? roll(4) : 0) where !bytes.isEmpty {
            let place = roll(bytes.count)
            bytes.replaceSubrange(place..<min(bytes.count, place + roll(3)), with: pick(Self.pieces))
        }
        return Text(trusted: bytes)
    }

    mutating func pick<Choice>(_ choices: [Choice]) -> Choice { choices[roll(choices.count)] }

    mutating func message() -> OutboundMessage {
        let value = Text(
            String(decoding: repeatElement(pick(Self.pieces), count: roll(900)).joined(), as: UTF8.self)
        )
        .prefix(bytes: 2_048)
        let labels = Labels((0..<roll(100)).map { (Text("l\($0)"), value) } + [("a", value)])
        let subject =
            roll(3) == 0
            ? digest(titles: roll(21)).message
            : .alert(news(title: value, description: value, labels: labels, channel: value))
        let ids = (0..<roll(400)).map { NotificationID(high: 5 << 16, low: UInt64($0)) }
        return OutboundMessage(
            id: NotificationID(high: 5 << 16, low: 9),
            message: subject,
            isTest: roll(4) == 0,
            supersedes: ids
        )
    }

    /// A number below `bound`, by SplitMix64.
    private mutating func roll(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return bound > 0 ? Int((value ^ value >> 31) % UInt64(bound)) : 0
    }

    private mutating func soup(_ count: Int) -> [UInt8] { (0..<count).flatMap { _ in pick(Self.pieces) } }

    /// Sections inside one another.
    private mutating func nest(_ depth: Int) -> [UInt8] {
        let name = pick(Self.names) + pick(["", "", "", ".", "\u{301}"])
        let close = roll(4) == 0 ? "" : String(repeating: "{{/\(name)}}", count: depth)
        return Array((String(repeating: "{{#\(name)}}", count: depth) + close).utf8)
    }

    /// What is a template more often than not.
    private mutating func tree(_ depth: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<roll(5) {
            let name = pick(Self.names)
            switch depth > 0 ? roll(4) : roll(2) {
            case 0:
                bytes += Array(
                    pick(["{{\(name)}}", "{{!\(name)}}", "{{ title }}", "x", "\n", "  ", "é", "{", "}"]).utf8
                )
            case 1: bytes += Array("{{title}}".utf8)
            default:
                bytes +=
                    Array("{{\(pick(["#", "^"]))\(name)}}".utf8) + tree(depth - 1)
                    + Array("{{/\(name)}}".utf8)
            }
        }
        return bytes
    }
}
