import Domain
import Outbound
import Testing

@Suite("Text of alerts stays text")
struct EscapeTests {
    /// A value, and how Feishu, WeCom and Slack get it. DingTalk gets what Feishu does, with blanks before line feeds.
    static let exact: [(Text, entities: String, wecom: String, slack: String)] = [
        (
            "*bold* _it_ ~no~ `code`",
            "&#42;bold&#42; &#95;it&#95; &#126;no&#126; &#96;code&#96;",
            "∗bold∗ ˍitˍ ∼no∼ ˋcodeˋ",
            "∗bold∗ ˍitˍ ∼no∼ ˋcodeˋ"
        ),
        (
            "# a\n> b\n- c\n* d\n1. e\n---",
            "&#35; a\n&#62; b\n&#45; c\n&#42; d\n1&#46; e\n&#45;--",
            "\u{200B}# a\n\u{200B}> b\n\u{200B}- c\n∗ d\n1\u{200B}. e\n\u{200B}---",
            "# a\n˃ b\n- c\n∗ d\n1. e\n---"
        ),
        (
            "| a | b |\n|---|:-:|\nx",
            "&#124; a &#124; b &#124;\n&#124;---&#124;:-:&#124;\nx",
            "\u{200B}| a | b |\n\u{200B}|---|:-:|\nx",
            "| a | b |\n|---|:-:|\nx"
        ),
        (
            "up_time __name__ 5 * 3",
            "up&#95;time &#95;&#95;name&#95;&#95; 5 &#42; 3",
            "up_time ˍˍnameˍˍ 5 * 3",
            "up_time ˍˍnameˍˍ 5 * 3"
        ),
        (
            "<!channel> <@all> & [x](y)",
            "&#60;!channel&#62; &#60;@all&#62; &#38; &#91;x&#93;(y)",
            "< !channel> < @all> & [x] (y)",
            "&lt;!channel&gt; &lt;@all&gt; &amp; [x](y)"
        ),
        (
            "(y) [x] !",
            "&#40;y) &#91;x&#93; &#33;",
            "\u{200B}(y) [x] !\u{200B}",
            "(y) [x] !"
        ),
        (
            "a\\*b* C:\\x\n    code",
            "a&#92;&#42;b&#42; C:&#92;x\n&#160;   code",
            "a\\∗b∗ C:\\x\n    code",
            "a\\∗b∗ C:\\x\n    code"
        ),
        (
            "a\u{2028}# b\u{2029}> c",
            "a\u{2028}&#35; b\u{2029}&#62; c",
            "a\u{2028}\u{200B}# b\u{2029}\u{200B}> c",
            "a\u{2028}# b\u{2029}˃ c"
        ),
        ("-5 +3 1.5 a-b == 0.5", "-5 +3 1.5 a-b == 0.5", "-5 +3 1.5 a-b == 0.5", "-5 +3 1.5 a-b == 0.5"),
    ]

    @Test("what each receiver gets of a value", arguments: exact.indices)
    func escapes(row: Int) {
        let (value, entities, wecom, slack) = Self.exact[row]
        let expected: [(Notifier.Kind, String)] = [
            (.feishu, entities), (.dingtalk, entities.replacing("\n", with: "  \n")), (.wecom, wecom),
            (.slack, slack), (.email, value.string), (.webhook, value.string),
        ]
        for (kind, text) in expected {
            let rendered = render(news(description: value), kind, template("{{description}}"))
            #expect(rendered.text == text, "\(kind)")
            #expect(rendered.problem == nil)
        }
    }

    /// Values that want to be markup, alone, beside each other or at a line's start.
    static let nasty: [Text] = InjectionTests.hostile + exact.map { $0.0 } + marks + lines

    private static let marks: [Text] = [
        "*", "**", "***", "_", "__", "~", "~~", "`", "```", "```\nx\n```", "*a", "a*", "_a", "a_", "`a",
        "a`", "** a **", "*a\nb*", "a *b* c", "(*b*)", "'_b_'", "中*文*中", "中_文_中", "🔥*x*🔥",
        "e\u{301}*x*", "* * *", "- - -", "_ _ _", "&gt; x", "&lt;at id=all&gt;", "&#42;x&#42;", "&amp;lt;",
        "&", "&#", "\\", "\\*", "\\\\", "x\\", "!", "[", "[x]", "](https://evil.example)", "![x", "<", "<<",
        "(https://evil.example)", "<at", "</font>", "<hr>", "<https://evil.example>", "<!date^1^x|y>",
        "<!subteam^S1>", "@here @channel @all", "rate(x[5m])*100 =~ \".*_bucket\"", "~/.config/*.yaml",
        "__name__ != ''", "C:\\temp\\_x_",
    ]

    private static let lines: [Text] = [
        "===", "=", "--", "-", "+ x", "1) x", "12. x", "1.", "#", "######", "#x", "x #", ">", ">>> x",
        "> > x", "   > x", "    code", "x\n\n    code", "a|b\n-|-\n1|2", "x\n===", "x\n--", "x\n   # y",
        "\u{2028}> x",
    ]

    private static let markdown: [Notifier.Kind] = [.dingtalk, .feishu, .wecom, .slack]

    @Test("no receiver finds markup in a value, and each shows all of it", arguments: markdown, nasty)
    func literal(kind: Notifier.Kind, value: Text) {
        let news = news(title: value, description: value, labels: Labels([("host", value)]))
        let oneLine = value.string.replacing("\n", with: " ")
        let texts: [(Text, String)] = [
            ("{{title}}", oneLine), ("{{description}}", value.string),
            ("{{title}}{{labels.host}}{{title}}", oneLine + oneLine + oneLine),
            ("{{labels.host}}\n{{description}}{{labels.host}}", oneLine + "\n" + value.string + oneLine),
            ("{{labels_text}}", "host=" + oneLine),
        ]
        for (source, shown) in texts {
            let rendered = render(news, kind, template(source))
            #expect(Reader.marks(kind, rendered.text).isEmpty, "\(source): \(rendered.text)")
            let plain = Reader.withoutBlanks(Reader.plain(kind, rendered.text))
            #expect(plain == Reader.withoutBlanks(shown), "\(source): \(rendered.text)")
            #expect(rendered.problem == nil)
        }
    }

    @Test("the owner's markup stays what it is", arguments: markdown)
    func ownMarkup(kind: Notifier.Kind) {
        let source: Text = "# **{{title}}**\n> _x_ `y` ~z~ | <font color=\"info\">{{title}}</font>"
        let rendered = render(news(title: "t"), kind, template(source))
        #expect(rendered.text == "# **t**\n> _x_ `y` ~z~ | <font color=\"info\">t</font>")
    }

    @Test("a link of the sender's is no markup where it stands by itself", arguments: markdown)
    func links(kind: Notifier.Kind) {
        let link: Text = "https://x.example/_a_/*b*/~c~/d_e"
        let rendered = render(news(link: link), kind, template("{{link}}"))
        #expect(rendered.text == "https://x.example/%5Fa%5F/%2Ab%2A/%7Ec%7E/d_e")
    }

    @Test(
        "a title that nobody sees gives way to the default",
        arguments: ["\u{3000}", "\u{200B}\u{2060}", "\u{A0} \u{FEFF}", "\u{85}"] as [Text],
        Notifier.Kind.allCases
    )
    func unseen(title: Text, kind: Notifier.Kind) {
        let rendered = render(news(title: title), kind, template(title: "{{title}}", "{{title}}"))
        #expect(rendered.title.hasPrefix("[Critical]"))
        #expect(rendered.text.contains("Critical"))
        #expect(rendered.problem?.contains("gave nothing") == true)
    }

    /// Lines without a place to cut them, or with places before what would be markup there.
    static let long = [
        String(repeating: "x > y ", count: 1_000) + "z", String(repeating: ">", count: 4_500),
        String(repeating: "a_", count: 5_000) + "a", "x" + String(repeating: " > ", count: 2_000) + "x",
    ]

    @Test("Slack finds no markup at the cuts of a long line", arguments: long)
    func cuts(text: String) async throws {
        try await withSender { sender in
            let preview = sender.preview(
                message(news(description: Text("-" + text))),
                kind: .slack,
                template: template("{{description}}")
            )
            let blocks = try #require(try object(preview.body)["blocks"] as? [[String: Any]])
            let texts = blocks.dropFirst().compactMap { ($0["text"] as? [String: Any])?["text"] as? String }
            #expect(texts.count > 1 && texts.allSatisfy { $0.utf8.count <= 3_000 })
            // A piece may begin with an underscore, for none ends with one.
            #expect(texts.flatMap { Reader.marks(.slack, $0) }.allSatisfy { $0 == "_" })
            #expect(!texts.contains { $0.hasSuffix("_") })
            #expect(Reader.plain(.slack, texts.joined()) == "-" + text)
        }
    }

    private func render(_ news: AlertNews, _ kind: Notifier.Kind, _ template: MessageTemplate) -> Rendered {
        Renderer(offset: { _ in 0 }).render(message(news), kind: kind, template: template)
    }
}

/// Reads the receivers' markup, more eagerly than they do.
private enum Reader {
    /// What is markup in a text.
    static func marks(_ kind: Notifier.Kind, _ text: String) -> [String] {
        switch kind {
        case .dingtalk, .feishu:
            entityMarks(text) + blocks(text) + lines(text).filter { $0.hasPrefix("    ") }
        case .wecom: spans(text) + blocks(text) + wecomLinks(text)
        case .slack: spans(text) + slackTags(text)
        case .email, .webhook: []
        default: preconditionFailure("no reader for \(kind)")
        }
    }

    /// The text that people read.
    static func plain(_ kind: Notifier.Kind, _ text: String) -> String {
        switch kind {
        case .dingtalk, .feishu:
            return text.replacing(#/&#(\d{1,3});/#) { match in
                UInt8(match.output.1).map { String(UnicodeScalar($0)) } ?? "?"
            }
        case .wecom: return withoutLookAlikes(text)
        case .slack:
            return withoutLookAlikes(text).replacing("&lt;", with: "<").replacing("&gt;", with: ">")
                .replacing("&amp;", with: "&")
        case .email, .webhook: return text
        default: preconditionFailure("no reader for \(kind)")
        }
    }

    private static let meanings: [Unicode.Scalar: Unicode.Scalar] = [
        "\u{2217}": "*", "\u{2CD}": "_", "\u{223C}": "~", "\u{2CB}": "`", "\u{2C3}": ">",
    ]

    private static func withoutLookAlikes(_ text: String) -> String {
        var plain = String.UnicodeScalarView()
        for scalar in text.unicodeScalars where scalar != "\u{200B}" {
            plain.append(meanings[scalar] ?? scalar)
        }
        return String(plain)
    }

    static func withoutBlanks(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { $0 != " " && $0 != "\u{A0}" && $0 != "\u{200B}" && $0 != "\n" }
    }

    /// Every `&` must begin an entity, and none of the marks may stand for itself.
    private static func entityMarks(_ text: String) -> [String] {
        let rest = text.replacing(#/&#\d{1,3};/#, with: "x")
        return rest.unicodeScalars.filter { "&<>[]*_~`|\\".unicodeScalars.contains($0) }.map { String($0) }
    }

    /// Marks that could open or close a span: all but those inside a word and between blanks.
    private static func spans(_ text: String) -> [String] {
        let scalars = Array(text.unicodeScalars)
        return scalars.indices.filter { index in
            guard "*_~`".unicodeScalars.contains(scalars[index]) else { return false }
            let before = index > 0 ? scalars[index - 1] : "\n"
            let after = index + 1 < scalars.count ? scalars[index + 1] : "\n"
            if before == " ", after == " " { return scalars[index] == "`" }
            return scalars[index] != "_" || !isWord(before) || !isWord(after)
        }
        .map { String(scalars[$0]) }
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
    }

    /// Lines that are more than a paragraph.
    private static func blocks(_ text: String) -> [String] {
        lines(text).filter { line in
            line.prefixMatch(of: #/ *(?:#|>|\||[-+*=](?: |$)|-[-|:]|==|:-|\d+[.)](?: |$))/#) != nil
        }
    }

    private static func wecomLinks(_ text: String) -> [String] {
        text.matches(of: #/\]\(|<[A-Za-z@\/!?]/#).map { String($0.output) }
    }

    private static func slackTags(_ text: String) -> [String] {
        let tags = text.unicodeScalars.filter { $0 == "<" || $0 == ">" }.map { String($0) }
        let rest = text.replacing(#/&(?:amp|lt|gt);/#, with: "")
        return tags + (rest.contains("&") ? ["&"] : [])
            + lines(text).filter { $0.prefixMatch(of: #/ *&gt;/#) != nil }
    }

    private static func lines(_ text: String) -> [String] {
        text.split(omittingEmptySubsequences: true) { $0.isNewline }.map(String.init)
    }
}
