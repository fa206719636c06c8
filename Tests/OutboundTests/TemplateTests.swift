import Domain
import Outbound
import Testing

@Suite("Templates")
struct TemplateTests {
    @Test(
        "what may be saved",
        arguments: [
            "", "plain", "{{title}}", "{{ title }}", "{{#labels_list}}{{name}}={{value}}\n{{/labels_list}}",
            "{{labels.host}}",
            "{{^is_recovered}}x{{/is_recovered}}", "{{! a {comment} }}", "{{uppercased(title)}}",
            "{{count(labels_list)}}",
            "{{#labels_list}}{{name}}{{^last()}}, {{/last()}}{{/labels_list}}", "{ {x} }",
            "{{#a}}{{#b}}{{c}}{{/b}}{{/a}}",
            "{{#title}}{{#labels_list}}{{name}}{{/labels_list}}{{/title}}", "{{#titles}}{{title}}{{/titles}}",
            "{{unknown}}",
        ] as [Text]
    )
    func accepted(text: Text) {
        #expect(TemplateSource.check(text) == nil)
    }

    @Test(
        "what may not be saved, and why",
        arguments: [
            ("{{title", "not closed"), ("{{#title}}", "not closed"), ("{{#a}}{{/b}}", "another name"),
            ("{{/a}}", "another name"),
            ("{{a b}}", "not closed"), ("{{>part}}", "partial"), ("{{> part }}", "partial"),
            ("{{>*name}}", "partial"),
            ("{{ > part}}", "partial"), ("{{<base}}{{/base}}", "inheritance"),
            ("{{$block}}{{/block}}", "inheritance"),
            ("{{=<% %>=}}", "delimiters"), ("{{% CONTENT_TYPE:TEXT}}", "pragma"),
            ("{{{title}}}", "without escapes"),
            ("{{&title}}", "without escapes"), ("{{labels_list}}", "needs a section"),
            ("{{reversed(titles)}}", "needs a section"),
            (
                "{{#labels_list}}{{#annotations_list}}{{/annotations_list}}{{/labels_list}}",
                "inside a section over a list"
            ),
            (
                "{{#labels_list}}{{#x}}{{#reversed(labels_list)}}{{/reversed(labels_list)}}{{/x}}{{/labels_list}}",
                "inside"
            ),
            ("{{{", "without escapes"), ("{{>", "partial"), ("{{\u{0}}}", "not closed"),
            ("{{ünicode}}", "not closed"),
        ] as [(Text, String)]
    )
    func refused(text: Text, reason: String) throws {
        let problem = try #require(TemplateSource.check(text))
        #expect(problem.contains(reason), "\(problem)")
    }

    @Test("bounds: bytes, tags, tags in lists")
    func bounds() {
        let tag = "{{title}}"
        #expect(TemplateSource.check(Text(String(repeating: "x", count: 8_192))) == nil)
        #expect(TemplateSource.check(Text(String(repeating: "x", count: 8_193))) != nil)
        #expect(TemplateSource.check(Text(String(repeating: tag, count: 100))) == nil)
        #expect(TemplateSource.check(Text(String(repeating: tag, count: 101))) != nil)
        let list = { (count: Int) in Text("{{#titles}}\(String(repeating: tag, count: count)){{/titles}}") }
        #expect(TemplateSource.check(list(10)) == nil)
        #expect(TemplateSource.check(list(11)) != nil)
        #expect(TemplateSource.check(Text(String(repeating: "{ ", count: 4_000))) != nil)
    }

    @Test("no text of template signs ends the process, and what is accepted renders")
    func fuzz() async throws {
        var random = SystemRandomNumberGenerator()
        let parts = [
            "{{", "}}", "{", "}", "#", "^", "/", ">", "<", "$", "=", "%", "!", "&", ".", "(", ")", " ", "\n",
            "\r\n", "title", "labels",
            "labels_list", "first", "last", "count", "*", "?", "-", "é", "\u{301}", "🔥", "CONTENT_TYPE:TEXT",
            "{{/title}}", "{{#title}}",
        ]
        try await withSender { sender in
            var accepted = 0
            for _ in 0..<5_000 {
                let text = (0..<Int.random(in: 1...14, using: &random)).map { _ in
                    parts.randomElement(using: &random) ?? ""
                }
                let source = Text(text.joined())
                guard TemplateSource.check(source) == nil else { continue }
                accepted += 1
                let kind = Notifier.Kind.allCases.randomElement(using: &random) ?? .slack
                let rendered = sender.preview(message(), kind: kind, template: template(source)).rendered
                #expect(!rendered.text.isEmpty)
            }
            #expect(accepted > 100)
        }
    }

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
        ("{{nothing}}{{labels.nothing}}{{labels}}{{.}}x", .email, "x"),
        ("{{link}}", .email, "https://grafana.example/d/1?var=a&b=%28c%29"),
        (
            "<{{link}}|{{title}}>", .slack,
            "<https://grafana.example/d/1?var=a&amp;b=%28c%29|CPU high on web-1>"
        ),
        ("[x]({{link}})", .feishu, "[x](https://grafana.example/d/1?var=a&b=%28c%29)"),
        ("{{uppercased(title)}}", .email, "CPU HIGH ON WEB-1"),
        ("{{#description}}{{description}}{{/description}}", .email, "CPU is at 97 % for 5 minutes."),
        ("a\n{{#is_opened}}\nb\n{{/is_opened}}\nc", .email, "a\nb\nc"),
    ]

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
            ("{{title", "not closed"), ("{{nothing}}", "gave nothing"),
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

    @Test("work is bounded: values in lists are cut, a hostile template takes little time")
    func cost() async throws {
        let long = Text(String(repeating: "v", count: 2_048))
        let labels = Labels((0..<100).map { (Text("label_\($0)"), long) })
        try await withSender { sender in
            let values = String(repeating: "{{value}}", count: 9)
            let start = ContinuousClock.now
            let source = Text("{{#labels_list}}\(values){{/labels_list}}")
            let rendered = sender.preview(
                message(news(labels: labels)),
                kind: .email,
                template: template(source)
            ).rendered
            #expect(rendered.text.utf8.count == 100 * 9 * 512)
            #expect(start.duration(to: .now) < .seconds(30))
        }
    }
}
