import Domain
import Outbound
import Testing

@Suite("What senders can't smuggle in")
struct InjectionTests {
    /// Values that would ring people up, or lead them elsewhere, were they taken as markup.
    static let hostile: [Text] = [
        "<!channel> <!here> <@U123> <https://evil.example|click>",
        "<at id=all></at><at user_id=\"all\">x</at>", "<@all> <@zhangsan>",
        "[click](https://evil.example)", "![](https://evil.example/x.png)", "a](https://evil.example)",
        "<font color=\"warning\">x</font>",
        "<a href='https://evil.example'>x</a>", "<img src=x>", "</at", "x<", "x]",
    ]

    /// What must not be in a text for a kind.
    static let forbidden: [(Notifier.Kind, [String])] = [
        (.slack, ["<!", "<@", "<https://evil", "<at", "<a ", "<font", "</at", "<img"]),
        (.feishu, ["<at", "<a", "<font", "<img", "](https://evil", "</at"]),
        (.wecom, ["<@", "<font", "](https://evil", "<a "]),
        (.dingtalk, ["](https://evil", "<a ", "<img", "<font"]),
    ]

    @Test("no mention, link or tag comes to life from a value", arguments: forbidden.indices, hostile)
    func neutral(row: Int, value: Text) async throws {
        let (kind, patterns) = Self.forbidden[row]
        let labels = Labels([("host", value), (Text("n" + value.string), "x")])
        let news = news(title: value, description: value, link: value, labels: labels, channel: value)
        try await withSender { sender in
            for template in [
                english, template("{{title}}(https://evil.example)@all {{labels.host}}{{title}}"), chinese,
            ] {
                let preview = sender.preview(message(news), kind: kind, template: template)
                // The header of a card is plain text by its type.
                let texts = try allStrings(preview.body).filter { $0 != preview.rendered.title }
                for pattern in patterns {
                    #expect(!texts.contains { $0.contains(pattern) }, "\(pattern)")
                }
            }
        }
    }

    @Test("DingTalk's robot never calls everybody")
    func everybody() async throws {
        try await withSender { sender in
            let preview = sender.preview(
                message(news(title: "@all @所有人")),
                kind: .dingtalk,
                template: english
            )
            #expect(preview.body.contains(#""at":{"isAtAll":false}"#))
        }
    }

    @Test(
        "only addresses of http and https are links",
        arguments: ["javascript:alert(1)", "data:text/html,x", "see wiki", "ftp://x"] as [Text]
    )
    func links(link: Text) async throws {
        try await withSender { sender in
            let rendered = sender.preview(
                message(news(link: link)),
                kind: .feishu,
                template: template("{{link}}{{title}}")
            ).rendered
            #expect(rendered.text == "CPU high on web-1")
        }
    }

    @Test("what is harmless stays as it is", arguments: Notifier.Kind.allCases)
    func harmless(kind: Notifier.Kind) async throws {
        try await withSender { sender in
            let value: Text = "up{job=x} == 0 (prod, 5 %) #1 x_y_z 中文"
            let rendered = sender.preview(
                message(news(title: value)),
                kind: kind,
                template: template("{{title}}")
            ).rendered
            // An old reader of Markdown takes underscores inside a word for emphasis.
            let isEntity = kind == .dingtalk || kind == .feishu
            #expect(rendered.text == (isEntity ? value.string.replacing("_", with: "&#95;") : value.string))
        }
    }

    /// Every string in an object.
    private func allStrings(_ body: String) throws -> [String] {
        func strings(_ value: Any) -> [String] {
            if let text = value as? String { return [text] }
            if let list = value as? [Any] { return list.flatMap(strings) }
            if let object = value as? [String: Any] { return object.values.flatMap(strings) }
            return []
        }
        return strings(try object(body))
    }
}
