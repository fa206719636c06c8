import Domain
import Testing

@Suite("The language of templates")
struct TemplateLanguageTests {
    @Test(
        "what may be written",
        arguments: [
            "", "plain", "{{title}}", "{{ title }}", "{{\n\ttitle\r\n}}", "{{labels.host}}",
            "{{annotations.a-b_c}}",
            "{{labels.k8s.pod}}", "{{labels.labels}}", "{{labels.7}}",
            "{{#labels_list}}{{name}}={{value}}\n{{/labels_list}}", "{{#labels_list}}{{.}}{{/labels_list}}",
            "{{#alert_ids}}{{.}} {{/alert_ids}}", "{{#alert_ids}}{{#.}}{{.}}{{/.}}{{/alert_ids}}",
            "{{#link}}{{.}}{{/link}}", "{{#labels.host}}{{#is_opened}}{{.}}{{/is_opened}}{{/labels.host}}",
            "{{^is_recovered}}x{{/is_recovered}}", "{{^labels_list}}none{{/labels_list}}", "{{is_test}}",
            "{{! a {comment} }}", "{{!}}", "{{!{{}}", "{{!>}}", "{ {x} }", "{", "}", "}}", "{x}}", "a{",
            "{{#title}}{{#labels_list}}{{name}}{{/labels_list}}{{/title}}",
            "{{#titles}}{{title}}{{alerts}}{{/titles}}", "{{#counts}}{{change_text}}{{/counts}}",
            "{{#labels_list}}{{^annotations_list}}x{{/annotations_list}}{{/labels_list}}",
            "{{#supersedes}}{{.}}{{/supersedes}}",
        ] as [Text]
    )
    func accepted(text: Text) {
        #expect(Template.problem(in: text) == nil)
    }

    @Test("every name may be written", arguments: TemplateName.allCases)
    func everyName(name: TemplateName) {
        let word = name.rawValue
        #expect(Template.problem(in: Text("{{#\(word)}}{{/\(word)}}{{^\(word)}}{{/\(word)}}")) == nil)
        #expect((Template.problem(in: Text("{{\(word)}}")) == nil) == (name.entry == nil))
        #expect(TemplateName(bytes: Array(word.utf8)) == name)
    }

    /// What is refused, and what its owner reads.
    static let refusals: [(Text, String)] = [
        ("{{title", "(line 1): a tag is not closed"), ("a\n\n{{title}", "(line 3): a tag is not closed"),
        ("{{", "not closed"), ("{{! x", "not closed"),
        ("x\n{{#title}}\n", "(line 2): the section title is not closed"),
        ("{{#title}}\n{{/link}}", "(line 2): the section title is closed under another name: link"),
        ("{{/title}}", "{{/title}} ends no section"), ("{{#title}}{{/title}}{{/title}}", "ends no section"),
        ("{{#title}}{{#link}}{{/title}}{{/link}}", "another name"),
        ("{{a b}}", "a b is no name"), ("{{\u{0}}}", "is no name"), ("{{ünicode}}", "ünicode is no name"),
        ("{{title\u{301}}}", "is no name"), ("{{#title\u{301}}}", "is no name"),
        ("{{ #title}}", "is no name"),
        ("{{uppercased(title)}}", "is no name"), ("{{^last()}}, {{/last()}}", "is no name"),
        ("{{}}", "has no name"), ("{{ }}", "has no name"), ("{{#}}{{/}}", "has no name"),
        ("{{>part}}", "partial"), ("{{> part }}", "partial"), ("{{ > part}}", "partial"), ("{{>", "partial"),
        ("{{<base}}{{/base}}", "inheritance"), ("{{$block}}{{/block}}", "inheritance"),
        ("{{=<% %>=}}", "delimiters"), ("{{% CONTENT_TYPE:TEXT}}", "pragma"),
        ("{{{title}}}", "without escapes"), ("{{&title}}", "without escapes"), ("{{{", "without escapes"),
        ("{{unknown}}", "(line 1): there is no name unknown"), ("{{labels}}", "no name labels"),
        ("{{name}}", "no name name"), ("{{#titles}}{{name}}{{/titles}}", "no name name"),
        ("{{Title}}", "no name Title"), ("{{title.x}}", "no name title.x"),
        ("{{changes.x}}", "no name changes.x"),
        ("{{.title}}", "its dots"), ("{{labels.}}", "its dots"), ("{{labels..x}}", "its dots"),
        ("{{labels.x.}}", "its dots"), ("{{..}}", "its dots"),
        ("{{#labels_list.}}{{/labels_list.}}", "its dots"),
        ("{{.}}", "stands for nothing"), ("{{#is_opened}}{{.}}{{/is_opened}}", "stands for nothing"),
        ("{{^title}}{{.}}{{/title}}", "stands for nothing"),
        ("{{#counts}}{{.}}{{/counts}}", "stands for nothing"),
        ("{{labels_list}}", "needs a section"),
        ("\n{{titles}}", "needs a section: {{#titles}}...{{/titles}} (line 2)"),
        (
            "{{#labels_list}}{{#annotations_list}}{{/annotations_list}}{{/labels_list}}",
            "inside a section over a list"
        ),
        (
            "{{#labels_list}}{{#name}}\n{{#labels_list}}{{/labels_list}}{{/name}}{{/labels_list}}",
            "inside a section over a list (line 2)"
        ),
    ]

    @Test("what may not be written, and why", arguments: refusals.indices)
    func refused(row: Int) throws {
        let (text, reason) = Self.refusals[row]
        let problem = try #require(Template.problem(in: text))
        #expect(problem.contains(reason), "\(problem)")
        #expect(problem.hasPrefix("is ") || problem.hasPrefix("has ") || problem.contains("(line"))
    }

    @Test("bounds: bytes, tags, tags in lists, depth; comments are free")
    func bounds() {
        let tag = "{{title}}"
        #expect(Template.problem(in: Text(String(repeating: "x", count: 8_192))) == nil)
        #expect(Template.problem(in: Text(String(repeating: "x", count: 8_193))) != nil)
        #expect(Template.problem(in: Text(String(repeating: tag, count: 100))) == nil)
        #expect(Template.problem(in: Text(String(repeating: tag, count: 101)))?.contains("100 tags") == true)
        #expect(Template.problem(in: Text(String(repeating: "{{!}}", count: 1_600))) == nil)
        #expect(Template.problem(in: Text(String(repeating: "{ ", count: 4_000))) == nil)
        let list = { (count: Int) in Text("{{#titles}}\(String(repeating: tag, count: count)){{/titles}}") }
        #expect(Template.problem(in: list(10)) == nil)
        #expect(Template.problem(in: list(11))?.contains("10 tags in sections over lists") == true)
        let nest = { (depth: Int) in
            Text(
                String(repeating: "{{#title}}", count: depth) + "x"
                    + String(repeating: "{{/title}}", count: depth)
            )
        }
        #expect(Template.problem(in: nest(8)) == nil)
        #expect(Template.problem(in: nest(9))?.contains("more than 8 deep") == true)
    }

    @Test(
        "what ended or hung the process once is refused at once",
        arguments: [
            "{{\u{301}{{=<% %>=}}", "{{\u{301}{{=", "{\u{301}{{=", "{{#labels_list.}}",
            "{{#labels_list.title}}",
            "{{#.labels_list}}", "{{#labels_list}}",
        ] as [Text]
    )
    func attacks(text: Text) throws {
        let many = Text(trusted: Array(repeatElement(text.bytes, count: 40).joined()))
        #expect(try #require(Template.problem(in: many)).utf8.count < 512)
        if text != "{{#labels_list}}" { #expect(Template.problem(in: text) != nil) }
    }

    @Test("a text that is long and hostile is read in time that grows with its length")
    func linear() {
        let texts = ["{", "{{!", "{{! ", "}}", "{{title ", "\n {{!}}", "\u{301}", "{{#title}}\n"].map {
            part in
            Text(String(repeating: part, count: 8_192 / part.utf8.count))
        }
        let start = ContinuousClock.now
        for text in texts {
            for _ in 0..<50 { _ = Template.problem(in: text) }
        }
        // About 10 ms where a template is read in its own time; minutes where that grows with the square.
        #expect(start.duration(to: .now) < .seconds(20))
    }

    @Test("only a template that names is_digest was written for digests")
    func digests() throws {
        let texts: [Text] = [
            "{{#is_digest}}x{{/is_digest}}", "{{^is_digest}}x{{/is_digest}}",
            "{{title}}{{! is_digest }}{{labels.is_digest}}",
        ]
        let templates = try texts.map { try Template($0) }
        #expect(templates.map(\.isForDigests) == [true, true, false])
    }

    @Test("a template is a flat list of parts, sections say where they end")
    func parts() throws {
        let template = try Template("a{{#is_test}}{{title}}{{^link}}{{/link}}{{/is_test}}b{{!}}c")
        #expect(
            template.parts == [
                .literal(0..<1), .section(.name(.isTest), isInverted: false, end: 4), .value(.name(.title)),
                .section(.name(.link), isInverted: true, end: 4), .literal(1..<3),
            ]
        )
        #expect(template.literals == Array("abc".utf8))
    }

    @Test("problems of a message's templates name the part; what was written since is none")
    func problems() {
        let old = MessageTemplate(language: .english, title: "{{x}}", text: "{{y}}")
        #expect(old.problems.all?.contains("template of the title") == true)
        #expect(old.problems.all?.contains("template of the text") == true)
        let half = MessageTemplate(language: .chinese, title: "{{title}}", text: "{{y}}")
        #expect(old.problems.problem(after: half)?.contains("title") == false)
        #expect(
            old.problems.problem(after: MessageTemplate(language: .english, title: nil, text: nil)) == nil
        )
        #expect(half.problems.all?.hasSuffix("the default is used.") == true)
    }
}
