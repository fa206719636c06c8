import Domain
import Outbound
import Testing

@Suite("Templates")
struct TemplateTests {
    /// A template, the kind, and what it says of the sample.
    static let renderings: [(Text, Notifier.Kind, String)] = [
        (
            "{{title}}|{{severity}}|{{status}}|{{change}}", .email,
            "CPU high on web-1|Critical|Critical|opened"
        ),
        (
            "{{labels.host}} {{labels.k8s.pod}} {{annotations.runbook}}", .email,
            "web-1 web-1-x https://wiki.example/cpu"
        ),
        (
            "{{#labels_list}}{{name}}={{value}};{{/labels_list}}", .email,
            "_id=7;host=web-1;k8s.pod=web-1-x;severity=P1;"
        ),
        ("{{#main_labels}}{{name}}={{value}};{{/main_labels}}", .email, "host=web-1;k8s.pod=web-1-x;"),
        ("{{labels_text}}", .email, "host=web-1, k8s.pod=web-1-x"),
        ("{{channel_name}}/{{integration_name}}/{{account_name}}", .email, "Payments/ARMS prod/Acme"),
        ("{{event_count}} in {{duration}}, {{time}}", .email, "3 in 12m, 2026-01-01T00:12:05+00:00"),
        (
            "{{#is_opened}}a{{/is_opened}}{{#is_recovered}}b{{/is_recovered}}{{^is_digest}}c{{/is_digest}}",
            .email, "ac"
        ),
        ("{{labels.nothing}}{{labels.k8s}}{{changes}}{{ended_at}}x", .email, "x"),
        ("{{#labels_list}}{{.}};{{/labels_list}}", .email, "_id=7;host=web-1;k8s.pod=web-1-x;severity=P1;"),
        ("{{#title}}{{.}}{{/title}}{{#alert_ids}}{{.}}{{/alert_ids}}", .email, "CPU high on web-1"),
        ("{{#main_labels}}{{#value}}{{title}}{{.}} {{/value}}{{/main_labels}}", .email, mainValues),
        ("{{is_test}} {{is_opened}} {{has_titles}}x", .email, "false true x"),
        ("{{^titles}}none{{/titles}}{{^labels_list}}x{{/labels_list}}", .email, "none"),
        ("{{link}}", .email, "https://grafana.example/d/1?var=a&b=%28c%29"),
        (
            "<{{link}}|{{title}}>", .slack,
            "<https://grafana.example/d/1?var=a&amp;b=%28c%29|CPU high on web-1>"
        ),
        ("[x]({{link}})", .feishu, "[x](https://grafana.example/d/1?var=a&b=%28c%29)"),
        ("{{#description}}{{description}}{{/description}}", .email, "CPU is at 97 % for 5 minutes."),
        ("a\n{{#is_opened}}\nb\n{{/is_opened}}\nc", .email, "a\nb\nc"),
    ]

    private static let mainValues = "CPU high on web-1web-1 CPU high on web-1web-1-x "

    /// Templates, and what is left of their lines.
    static let lines: [(Text, String)] = [
        ("a\n{{#is_opened}}\nb\n{{/is_opened}}\nc", "a\nb\nc"),
        ("a\r\n{{#is_opened}}\r\nb\r\n{{/is_opened}}\r\nc", "a\r\nb\r\nc"),
        ("a\n \t{{#is_opened}} \t\nb\n  {{/is_opened}}  \nc", "a\nb\nc"),
        ("a\n  {{! said }}  \nb", "a\nb"), ("  {{! said }}  b", "    b"), ("a {{! said }}\nb", "a \nb"),
        ("{{#is_opened}}{{!}}x\n{{/is_opened}}{{!}}\ny", "x\n\ny"),
        ("{{#is_opened}} x {{/is_opened}}\ny", " x \ny"), ("  {{title}}\n", "  CPU high on web-1\n"),
        ("{{#is_closed}}\nb\n{{/is_closed}}\nc", "c"), ("{{^is_closed}}\nb\n{{/is_closed}}", "b\n"),
        ("a\n{{#is_opened}}\n{{#title}}\n{{.}}\n{{/title}}\n{{/is_opened}}\nc", "a\nCPU high on web-1\nc"),
        ("{{#is_opened}}\nx{{/is_opened}} {{! y }}\nz", "xz"), ("x\n   ", "x\n"), ("x   ", "x   "),
    ]

    @Test("a line with nothing but the tag of a section or a comment is left out", arguments: lines.indices)
    func standsAlone(row: Int) async throws {
        let (source, expected) = Self.lines[row]
        try await withSender { sender in
            let rendered = sender.preview(message(), kind: .email, template: template(source)).rendered
            #expect(rendered.text == expected)
        }
    }

    @Test("names and sections", arguments: renderings.indices)
    func renders(row: Int) async throws {
        let (source, kind, expected) = Self.renderings[row]
        try await withSender { sender in
            let rendered = sender.preview(message(), kind: kind, template: template(source)).rendered
            #expect(rendered.text == expected)
            #expect(rendered.problem == nil)
        }
    }

    @Test("a template of the title is plain text on one line")
    func title() async throws {
        try await withSender { sender in
            let news = news(title: "a*b\r\n<!here> & [x](y)")
            let rendered = sender.preview(
                message(news),
                kind: .slack,
                template: template(title: "{{severity}}\n{{title}}")
            ).rendered
            #expect(rendered.title == "Critical a*b  <!here> & [x](y)")
        }
    }

    @Test(
        "a template that can't be used gives the default and says why",
        arguments: [
            ("{{title", "not closed"), ("{{nothing}}", "(line 1): there is no name nothing"),
            ("  {{#is_closed}}x{{/is_closed}}\n", "gave nothing"),
        ]
            as [(Text, String)]
    )
    func fallback(source: Text, reason: String) async throws {
        try await withSender { sender in
            let standard = sender.preview(message(), kind: .slack, template: english).rendered
            let rendered = sender.preview(message(), kind: .slack, template: template(title: source, source))
                .rendered
            #expect(rendered.text == standard.text)
            #expect(rendered.title == standard.title)
            let problem = try #require(rendered.problem)
            #expect(problem.contains(reason) && problem.contains("title") && problem.contains("text"))
        }
    }

    @Test("a broken template does not keep a message from being sent, and the result says so")
    func sent() async throws {
        try await Receiver.with { receiver in
            try await withSender { sender in
                let result = await sender.send(
                    message(),
                    to: try webhook(receiver.port),
                    template: template("{{#x}}"),
                    at: newYear
                )
                #expect(result.failure == nil)
                #expect(result.templateProblem?.contains("default was used") == true)
                #expect(receiver.requests.first?.text.contains("Critical") == true)
            }
        }
    }

    @Test("a digest takes the owner's template only if it was written for digests")
    func digests() async throws {
        try await withSender { sender in
            let plain = sender.preview(digest(), kind: .email, template: template("{{title}} is bad"))
                .rendered
            #expect(plain.text.contains("Disk full 0") && plain.problem == nil)
            let meant = template("{{#is_digest}}{{alerts}}: {{#titles}}{{title}};{{/titles}}{{/is_digest}}")
            let own = sender.preview(digest(), kind: .email, template: meant).rendered
            #expect(own.text == "23: Disk full 0;Disk full 1;")
        }
    }

    @Test("a digest is not put by a template that can't be used, and says so")
    func brokenDigest() async throws {
        try await withSender { sender in
            let rendered = sender.preview(digest(), kind: .email, template: template("{{is_digest")).rendered
            #expect(rendered.text.contains("Disk full 0"))
            #expect(rendered.problem?.contains("not closed") == true)
        }
    }

    @Test("values in lists are cut, and so is one that is as long as no value is")
    func cuts() async throws {
        let labels = Labels([("a", Text(String(repeating: "v", count: 2_048)))])
        let long = Text(String(repeating: "<", count: 150_000))
        try await withSender { sender in
            let source = Text("{{#labels_list}}{{value}}{{/labels_list}}")
            let rendered = { (news: AlertNews, source: Text) in
                sender.preview(message(news), kind: .slack, template: template(source)).rendered
            }
            #expect(rendered(news(labels: labels), source).text == String(repeating: "v", count: 512))
            let escaped = rendered(news(description: long), "{{description}}")
            #expect(escaped.problem == nil)
            #expect((80_000...131_072).contains(escaped.text.utf8.count))
            #expect(escaped.text.hasSuffix("&lt;"))
        }
    }

    @Test(
        "a template that takes more than its budget gives the default and says why",
        arguments: [
            ("{{#labels_list}}\(String(repeating: "{{value}}", count: 9)){{/labels_list}}", "262144 bytes"),
            (String(repeating: "{{#supersedes}}x{{/supersedes}}", count: 48), "20000 steps"),
        ]
    )
    func budget(source: String, reason: String) async throws {
        let long = Text(String(repeating: "v", count: 2_048))
        let labels = Labels((0..<100).map { (Text("label_\($0)"), long) })
        let ids = (0..<500).map { NotificationID(high: 5 << 16, low: UInt64($0)) }
        let hostile = OutboundMessage(
            id: NotificationID(high: 5 << 16, low: 9),
            message: .alert(news(labels: labels)),
            supersedes: ids
        )
        try await withSender { sender in
            let rendered = sender.preview(hostile, kind: .email, template: template(Text(source))).rendered
            #expect(rendered.text.hasPrefix("Severity: Critical"))
            #expect(rendered.problem?.contains(reason) == true, "\(rendered.problem ?? "")")
        }
    }
}
