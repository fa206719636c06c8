import Domain
import Foundation
import Outbound
import Testing

@Suite("Bodies")
struct BodyTests {
    @Test("a webhook gets every field of an alert under the API's names")
    func alert() async throws {
        try await withSender { sender in
            let preview = sender.preview(message(news(.recovered)), kind: .webhook, template: english)
            let body = try object(preview.body)
            let data = try #require(body["data"] as? [String: Any])
            #expect(body["type"] as? String == "alert.recovered")
            #expect(body["timestamp"] as? String == "2026-01-01T00:12:05.000Z")
            #expect(Set(data.keys) == Self.alertFields)
            #expect(data["account_id"] as? String == AccountID(high: 1 << 16, low: 1).description)
            #expect(
                data["labels"] as? [String: String] == [
                    "host": "web-1", "severity": "P1", "k8s.pod": "web-1-x", "_id": "7",
                ]
            )
            #expect(data["status"] as? String == "Ok")
            #expect(data["ended_at"] as? String == "2026-01-01T00:12:05.000Z")
            #expect(data["event_count"] as? Int == 3)
            #expect(data["link"] as? String == "https://grafana.example/d/1?var=a&b=(c)")
            #expect(data["message_title"] as? String == "[Recovered] CPU high on web-1")
            #expect(data["is_test"] as? Bool == false)
        }
    }

    private static let alertFields: Set = [
        "change", "account_id", "account_name", "channel_id", "channel_name", "integration_id",
        "integration_name", "alert_id",
        "event_id", "alert_key", "title", "description", "link", "external_url", "generator_url", "severity",
        "max_severity", "status",
        "labels", "annotations",
        "first_seen_at", "last_seen_at", "ended_at", "starts_at", "ends_at", "event_count", "url",
        "supersedes",
        "is_test", "is_first_word",
        "message_title", "message_text",
    ]

    @Test("a webhook gets every field of a digest")
    func digest() async throws {
        try await withSender { sender in
            let body = try object(
                sender.preview(OutboundTests.digest(), kind: .webhook, template: english).body
            )
            let data = try #require(body["data"] as? [String: Any])
            #expect(body["type"] as? String == "alert.digest")
            #expect(body["timestamp"] as? String == "2026-01-01T00:01:00.000Z")
            #expect(data["changes"] as? Int == 40)
            #expect(data["alerts"] as? Int == 23)
            let counts = try #require(data["counts"] as? [[String: Any]])
            #expect(counts.first?["change"] as? String == "opened")
            #expect(counts.first?["severity"] as? String == "Critical")
            #expect(counts.first?["alerts"] as? Int == 21)
            #expect((data["titles"] as? [[String: Any]])?.first?["title"] as? String == "Disk full 0")
            #expect((data["alert_ids"] as? [String])?.count == 2)
            #expect(data["supersedes"] as? [String] == [NotificationID(high: 5 << 16, low: 8).description])
        }
    }

    @Test("what is missing is null")
    func missing() async throws {
        try await withSender { sender in
            let body = try object(
                sender.preview(message(news(link: nil, event: nil)), kind: .webhook, template: english).body
            )
            let data = try #require(body["data"] as? [String: Any])
            #expect(["link", "event_id", "ended_at"].allSatisfy { data[$0] is NSNull })
        }
    }

    @Test("a test says that it is one, in its type and in words", arguments: Notifier.Kind.allCases)
    func test(kind: Notifier.Kind) async throws {
        try await withSender { sender in
            let preview = sender.preview(message(isTest: true), kind: kind, template: template("{{title}}"))
            #expect(preview.rendered.title.hasPrefix("[Test] "))
            #expect(preview.body.contains("only a test"))
            let zh = sender.preview(message(isTest: true), kind: kind, template: chinese)
            #expect(zh.body.contains("测试消息"))
            guard kind == .webhook else { return }
            let body = try object(preview.body)
            #expect(body["type"] as? String == "notifier.test")
        }
    }

    @Test(
        "what is posted is what the preview shows",
        arguments: Notifier.Kind.allCases.filter { $0 != .email }
    )
    func posted(kind: Notifier.Kind) async throws {
        try await Receiver.with { receiver in
            try await withSender { sender in
                _ = await sender.send(
                    message(),
                    to: try settings(kind, receiver.port),
                    template: chinese,
                    at: newYear
                )
                let preview = sender.preview(message(), kind: kind, template: chinese)
                #expect(receiver.requests.first?.text == preview.body)
            }
        }
    }

    @Test("Feishu's header has the colour of the severity, green when it is over")
    func colors() async throws {
        try await withSender { sender in
            for (change, severity, color) in [
                (.opened, .critical, "red"), (.updated, .warning, "orange"), (.opened, .info, "blue"),
                (.recovered, .critical, "green"), (.closed, .critical, "grey"),
            ] as [(AlertChange, Severity, String)] {
                let preview = sender.preview(
                    message(news(change, severity: severity)),
                    kind: .feishu,
                    template: english
                )
                #expect(preview.body.contains(#""template":"\#(color)""#))
            }
        }
    }
}

@Suite("Limits of receivers")
struct LimitTests {
    /// Texts of all widths that JSON and UTF-8 know.
    static let fillings: [Text] = ["x", "\"", "\\", "ü", "中", "🔥", "a\n", "&<>", "](", "*_~`", "# \n", "| "]

    /// What a receiver measures: its limit, and how long a body is to it.
    static func measure(_ kind: Notifier.Kind, _ body: String) throws -> (length: Int, limit: Int) {
        switch kind {
        case .dingtalk, .feishu: return (body.utf8.count, 20_000)
        case .wecom:
            let content = (try object(body)["markdown"] as? [String: Any])?["content"] as? String
            return (try #require(content).utf8.count, 4_096)
        case .slack:
            let blocks = try #require(try object(body)["blocks"] as? [[String: Any]])
            let texts = blocks.dropFirst().compactMap { ($0["text"] as? [String: Any])?["text"] as? String }
            #expect(blocks.count <= 50)
            return (try #require(texts.map(\.utf8.count).max()), 3_000)
        case .webhook: return (body.utf8.count, 1 << 20)
        case .email: return (body.utf8.count, 65_536)
        default: preconditionFailure("no limit for \(kind)")
        }
    }

    @Test(
        "a long text is cut, says so, and says where more is",
        arguments: Notifier.Kind.allCases,
        fillings
    )
    func long(kind: Notifier.Kind, filling: Text) async throws {
        try await withSender { sender in
            let text = Text(
                trusted: Array(repeatElement(filling.bytes, count: 80_000 / filling.bytes.count).joined())
            )
            let news = news(
                title: Text(trusted: Array(repeatElement(filling.bytes, count: 200).joined())),
                description: text,
                link: "https://wiki.example/cpu"
            )
            let preview = sender.preview(message(news), kind: kind, template: template("{{description}}"))
            let (length, limit) = try Self.measure(kind, preview.body)
            #expect(length <= limit)
            // Feishu keeps room for a signature.
            if kind != .slack, kind != .webhook { #expect(length > limit - (kind == .feishu ? 120 : 20)) }
            let shown = kind == .email ? preview.body : String(describing: try object(preview.body))
            #expect(shown.contains("(cut; more: https://wiki.example/cpu)"))
            #expect(kind == .webhook || !shown.contains("/v1/"))
        }
    }

    @Test(
        "a text of exactly the limit is whole, one byte more is cut",
        arguments: [Notifier.Kind.dingtalk, .wecom, .email]
    )
    func exact(kind: Notifier.Kind) async throws {
        try await withSender { sender in
            let news = news(title: "T", description: "")
            let title = template(title: "T", "{{description}}x")
            let (base, limit) = try Self.measure(
                kind,
                sender.preview(message(news), kind: kind, template: title).body
            )
            for (count, isCut) in [(limit - base, false), (limit - base + 1, true)] {
                let text = Text(String(repeating: "y", count: count))
                let message = message(OutboundTests.news(title: "T", description: text))
                let preview = sender.preview(message, kind: kind, template: title)
                #expect(preview.body.contains("(cut;") == isCut)
                #expect(try Self.measure(kind, preview.body).length <= limit)
                if !isCut { #expect(try Self.measure(kind, preview.body).length == limit) }
            }
        }
    }

    @Test("a signed body of Feishu is within the limit, too")
    func signed() async throws {
        try await Receiver.with { receiver in
            try await withSender { sender in
                let url = try EndpointURL(Text("http://127.0.0.1:\(receiver.port)/hook"))
                let news = news(description: Text(String(repeating: "y", count: 30_000)))
                let settings = Feishu(url: url, secret: "key")
                _ = await sender.send(
                    message(news),
                    to: settings,
                    template: template("{{description}}"),
                    at: newYear
                )
                let length = try #require(receiver.requests.first).body.count
                #expect((19_900...20_000).contains(length))
            }
        }
    }

    @Test("a cut does not split an entity", arguments: [Notifier.Kind.slack, .feishu, .dingtalk])
    func entities(kind: Notifier.Kind) async throws {
        try await withSender { sender in
            for shift in 0..<8 {
                let text = Text(String(repeating: "y", count: shift) + String(repeating: "<", count: 10_000))
                let preview = sender.preview(
                    message(news(description: text, link: nil)),
                    kind: kind,
                    template: template("{{description}}")
                )
                #expect(preview.body.contains("(cut)"))
                let rest = ["&lt;", "&#60;", "&#91;", "&#93;"].reduce(preview.body) {
                    $0.replacing($1, with: "")
                }
                #expect(!rest.contains("&"))
            }
        }
    }

    @Test("the pieces of Slack together are the whole text")
    func pieces() async throws {
        try await withSender { sender in
            let lines = (0..<700).map { "line \($0) of many lines" }.joined(separator: "\n")
            let preview = sender.preview(
                message(news(description: Text(lines))),
                kind: .slack,
                template: template("{{description}}")
            )
            let blocks = try #require(try object(preview.body)["blocks"] as? [[String: Any]])
            let texts = blocks.dropFirst().compactMap { ($0["text"] as? [String: Any])?["text"] as? String }
            #expect(texts.joined(separator: "\n") == lines)
            #expect(texts.count > 4)
        }
    }

    @Test("a title that is too long for Slack's header is whole in the text")
    func header() async throws {
        try await withSender { sender in
            let title = String(repeating: "长", count: 200)
            let preview = sender.preview(message(news(title: Text(title))), kind: .slack, template: english)
            let blocks = try #require(try object(preview.body)["blocks"] as? [[String: Any]])
            let texts = blocks.compactMap { ($0["text"] as? [String: Any])?["text"] as? String }
            #expect(texts[0].count == 150 && texts[0].hasSuffix("…"))
            #expect(texts[1].contains(title))
        }
    }
}

/// An object, read by another parser than ours.
func object(_ text: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
}
