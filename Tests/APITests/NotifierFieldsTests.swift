import Domain
import Outbound
import TestSupport
import Testing

@Suite("Fields of notifiers")
struct NotifierFieldsTests {
    /// A kind, settings with `SECRET` wherever one is, and how they are shown.
    private static let shown: [(String, JSON, JSON)] = [
        (
            "webhook",
            ["url": "https://hooks.example.com:8443/SECRET?x=SECRET", "headers": ["X-Team": "SECRET"]],
            [
                "origin": "https://hooks.example.com:8443", "headers": ["X-Team"],
                "signing_secrets": [["ends_at": .null]],
            ]
        ),
        (
            "dingtalk",
            ["url": "https://oapi.dingtalk.com/robot/send?access_token=SECRET", "secret": "SECRET"],
            ["origin": "https://oapi.dingtalk.com", "has_secret": true]
        ),
        (
            "feishu", ["url": "https://open.feishu.cn/open-apis/bot/v2/hook/SECRET", "secret": .null],
            ["origin": "https://open.feishu.cn", "has_secret": false]
        ),
        (
            "wecom", ["url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=SECRET"],
            ["origin": "https://qyapi.weixin.qq.com"]
        ),
        (
            "slack", ["url": "https://hooks.slack.com/services/SECRET"],
            ["origin": "https://hooks.slack.com"]
        ),
        (
            "email",
            [
                "host": "smtp.example.com", "port": 465, "security": "tls", "username": "tocsin",
                "password": "SECRET", "from": "a@example.com", "to": ["b@example.com", "c@example.com"],
            ],
            [
                "host": "smtp.example.com", "port": 465, "security": "tls", "username": "tocsin",
                "has_password": true, "from": "a@example.com", "to": ["b@example.com", "c@example.com"],
            ]
        ),
        (
            "email",
            [
                "host": "smtp.example.com", "port": 25, "security": "starttls", "from": "a@example.com",
                "to": ["b@example.com"],
            ],
            [
                "host": "smtp.example.com", "port": 25, "security": "starttls", "username": .null,
                "has_password": false, "from": "a@example.com", "to": ["b@example.com"],
            ]
        ),
    ]

    @Test("the kinds are those of openapi.yaml, in its order, and the secrets of each are looked for")
    func kinds() throws {
        let names = try Spec.shared().values(ofEnum: "NotifierKind")
        #expect(NotifierKinds.all.map { $0.kind.name } == names)
        #expect(Set(Self.shown.map(\.0)) == Set(names))
        let hidden = Self.shown.filter { _, settings, _ in "\(settings)".contains("SECRET") }
        #expect(Set(hidden.map(\.0)) == Set(names))
    }

    @Test("what is secret is in no answer and no log line", arguments: shown)
    func secrets(kind: String, settings: JSON, shown: JSON) async throws {
        try await NotifierScene.with { scene in
            let body: JSON = ["name": "N", "kind": .string(kind), "settings": settings]
            let path = try await scene.made(body)
            let answers = [
                try await scene.server.call("getNotifier", path, key: scene.people.alice),
                try await scene.server.call("listNotifiers", path, key: scene.people.olga),
                try await scene.update(path, ["name": "M"]),
                try await scene.update(path, ["settings": settings]),
            ]
            for answer in answers {
                let notifier = answer.json["items"]?[0] ?? answer.json
                #expect(notifier["settings"] == shown, "\(answer.text)")
                #expect(notifier["kind"]?.string == kind)
                #expect(!answer.text.contains("SECRET"))
            }
            #expect(!scene.server.log.text.contains("SECRET"))
        }
    }

    @Test(
        "bad fields are refused, each by name",
        arguments: [
            (.object([:]), ["/kind", "/name", "/settings"]),
            (["kind": "sms"], ["/kind"]), (["name": ""], ["/name"]), (["settings": []], ["/settings"]),
            (["settings": .object([:])], ["/settings/url"]), (["channel_id": "x"], ["/channel_id"]),
            (["settings": ["url": "https://a.example.com/", "secret": "s"]], ["/settings/secret"]),
            (["settings": ["url": "ftp://a.example.com/"]], ["/settings/url"]),
            (["settings": ["url": "http://a.example.com/"]], ["/settings/url"]),
            (["settings": ["url": "https://a.example.com:8080/"]], ["/settings/url"]),
            (["settings": ["url": "https://127.0.0.1/"]], ["/settings/url"]),
            (["settings": ["url": "https://[::1]/"]], ["/settings/url"]),
            (["settings": ["url": "https://169.254.169.254/latest"]], ["/settings/url"]),
            (["settings": ["url": "https://u:p@a.example.com/"]], ["/settings/url"]),
            (["settings": ["url": "https://2130706433/"]], ["/settings/url"]),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["Host": "b"]]],
                ["/settings/headers/Host"]
            ),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["A": "1", "webhook-id": "b"]]],
                ["/settings/headers/webhook-id"]
            ),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["X": "a\nb"]]],
                ["/settings/headers/X"]
            ),
            (
                ["settings": ["url": "https://a.example.com/", "headers": ["X/Y": 1]]],
                ["/settings/headers/X~1Y"]
            ),
            (["settings": ["url": "https://a.example.com/", "headers": []]], ["/settings/headers"]),
            (["status": "off"], ["/status"]), (["changes": []], ["/changes"]),
            (["changes": ["opened", "opened"]], ["/changes/1"]), (["changes": ["digest"]], ["/changes/0"]),
            (["storm_limit": 0], ["/storm_limit"]), (["storm_limit": 1.5], ["/storm_limit"]),
            (["template": ["language": "fr"]], ["/template/language"]),
            (["template": ["title": "{{#a}}", "text": "{{> b}}"]], ["/template/text", "/template/title"]),
            (["template": ["title": ""]], ["/template/title"]),
            (["template": ["body": "x"]], ["/template/body"]),
            (
                ["conditions": [[["key": "state", "operator": "in", "values": ["x"]]]]],
                ["/conditions/0/0/key"]
            ),
            (
                ["conditions": [[["key": "severity", "operator": "is", "values": ["Ok"]]]]],
                ["/conditions/0/0/operator", "/conditions/0/0/values/0"]
            ),
        ] as [(JSON, [String])]
    )
    func badFields(change: JSON, expected: [String]) async throws {
        try await NotifierScene.with { scene in
            let changes = change.object ?? [:]
            let body =
                changes.isEmpty
                ? change : .object((NotifierScene.webhook.object ?? [:]).merging(changes) { $1 })
            let answer = try await scene.create(body)
            #expect(answer.status == 422)
            #expect(answer.pointers == expected, "\(answer.text)")
            let list = try await scene.server.call("listNotifiers", scene.path, key: scene.people.bob)
            #expect(list.json["items"] == [])
        }
    }

    @Test(
        "bad settings of a mail server are refused, each by name",
        arguments: [
            (["host": "127.0.0.1"], ["/settings/host"]), (["host": "a b"], ["/settings/host"]),
            (["port": 80], ["/settings/port"]), (["port": 0], ["/settings/port"]),
            (["security": "none"], ["/settings/security"]), (["username": "u"], ["/settings/password"]),
            (["password": "p"], ["/settings/username"]), (["from": "nobody"], ["/settings/from"]),
            (["from": "a@b.example\r\nBcc: c@d.example"], ["/settings/from"]), (["to": []], ["/settings/to"]),
            (["to": ["a@example.com", "b"]], ["/settings/to/1"]), (["url": "https://a.b"], ["/settings/url"]),
        ] as [([String: JSON], [String])]
    )
    func badMail(change: [String: JSON], expected: [String]) async throws {
        let settings: [String: JSON] = [
            "host": "smtp.example.com", "port": 587, "security": "starttls", "from": "a@example.com",
            "to": ["b@example.com"],
        ]
        try await NotifierScene.with { scene in
            let answer = try await scene.create([
                "name": "Mail", "kind": "email", "settings": .object(settings.merging(change) { $1 }),
            ])
            #expect(answer.status == 422)
            #expect(answer.pointers == expected, "\(answer.text)")
        }
    }

    @Test("the operator's setting lets addresses in that are not public", arguments: ["127.0.0.0/8", nil])
    func allowed(networks: String?) async throws {
        try await NotifierScene.with(options: networks.map { ["outbound-allow": $0] } ?? [:]) { scene in
            let answer = try await scene.create([
                "name": "Near", "kind": "slack", "settings": ["url": "http://127.0.0.1:9/hook"],
            ])
            #expect(answer.status == (networks == nil ? 422 : 201), "\(answer.text)")
        }
    }
}
